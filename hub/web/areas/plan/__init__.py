"""Floor plans with their devices, and a map of outdoor devices.

pages    pages, and the operation of the API
floors   layout of marks, and a map without tiles
"""

from hub.web.areas.plan.pages import AREA

__all__ = ["AREA"]
