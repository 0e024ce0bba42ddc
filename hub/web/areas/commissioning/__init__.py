"""Commissioning, on pages: from the site to the report, step by step.

pages        what is shown and sent, and the operations of the API
steps        what each step shows
rows         what is asked of the hub: expected devices, pins, positions, the report
inventories  keys for many devices, as a file
pictures     plans of floors and photographs of sites
position     where a site is, as people write it
"""

from hub.web.areas.commissioning.pages import AREA

__all__ = ["AREA"]
