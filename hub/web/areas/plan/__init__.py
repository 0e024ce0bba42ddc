"""Floor plans with their devices, and a map of outdoor devices.

pages    pages, and operations of the API
sheet    one place: its values, their age, a chart
wall     a plan for a screen on a wall
edits    where a place is, and the outline of a zone
floors   layout of marks, and a map without tiles
"""

from hub.web.areas.plan.pages import AREA

__all__ = ["AREA"]
