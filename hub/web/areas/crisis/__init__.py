"""The crisis, on pages: isolating, read-only, the board on the wall, raised sampling.

pages      what is shown and sent, and the operations of the API
sampling   raised sampling among them
"""

from hub.web.areas.crisis.pages import AREA

__all__ = ["AREA"]
