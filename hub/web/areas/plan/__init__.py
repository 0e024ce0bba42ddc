"""Floor plans with what stands on them, and a map of what stands outdoors.

pages    what is shown, and the operation of the API
floors   where marks stand, what they weigh, a map without tiles
"""

from hub.web.areas.plan.pages import AREA

__all__ = ["AREA"]
