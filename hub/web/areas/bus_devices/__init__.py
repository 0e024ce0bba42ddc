"""Devices on a bus or a network: a line is searched, a device is looked at, then added, without a line of YAML.

searching   calls of a search, and the way a device is read that a request names
adding      a device that was looked at becomes one of the hub's, with its line where that is new
table       a map of registers made by hand, each read back
pages       the pages and their routes
"""

from hub.web.areas.bus_devices.pages import AREA

__all__ = ["AREA"]
