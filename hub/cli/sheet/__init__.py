"""Printed label of the hub, in French: what a technician at the hub needs without internet.

layout    positions on ISO 216 A7, 105 × 74 mm: QR codes and lines of text (pure)
drawing   a layout as SVG, PDF or PNG
"""

from hub.cli.sheet.drawing import KINDS as KINDS
from hub.cli.sheet.drawing import draw as draw
from hub.cli.sheet.drawing import ready as ready
from hub.cli.sheet.layout import layout as layout
