"""Pages of crisis mode: isolation, read-only, the board on the wall, raised sampling.

pages      pages and forms, and the operations of the API
sampling   raised sampling among them
"""

from hub.web.areas.crisis.pages import AREA

__all__ = ["AREA"]
