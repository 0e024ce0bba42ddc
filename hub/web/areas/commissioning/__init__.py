"""Pages of commissioning: from the site to the report, step by step.

pages        pages and forms, and the operations of the API
steps        contents of each step
rows         operations on expected devices, pins, positions, the report
inventories  keys for many devices, as a file
pictures     plans of floors and photographs of sites
position     parser of a site's position
"""

from hub.web.areas.commissioning.pages import AREA

__all__ = ["AREA"]
