"""Overview of the building and its hub, what somebody should look at, live values, and the API's own document.

pages     pages, and the operations of the API
wall      places for a screen on a wall
building  places with their main values, and today's energy
"""

from hub.web.areas.overview.pages import AREA

__all__ = ["AREA"]
