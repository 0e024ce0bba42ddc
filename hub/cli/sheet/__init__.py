"""The hub's label as a sheet to print, in French: what a technician needs who stands before the hub without internet.

layout    what stands where on ISO 216 A7, 105 × 74 mm: QR codes and lines of text (pure)
drawing   a layout as SVG, PDF or PNG
"""

from hub.cli.sheet.drawing import KINDS as KINDS
from hub.cli.sheet.drawing import draw as draw
from hub.cli.sheet.drawing import ready as ready
from hub.cli.sheet.layout import layout as layout
