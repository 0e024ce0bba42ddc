"""Reports of sensors that nobody has adopted yet, kept encrypted for some days.

A sensor that was recognised and waits in quarantine goes on speaking. Its reports wait here, in the encrypted store,
bounded for each sensor and in all. When the sensor is adopted they are released with their own times, through the same
path as any other: bounds, and the privacy rules of the zone that it was given. When it is ignored or blocked, and when
they are too old, they are destroyed.

A frame that is sealed under a key that the hub has not waits here as it came, of a stranger and of a known device that
has no key yet. It is opened with the key that its device is given, in the order of arrival.

A sender that is heard once costs no disk: its first report waits in memory until it speaks again a minute later. Of
each sensor one report a minute is held. No backup holds them.
"""

from hub.pipeline.holding_queue.service import HoldingQueue
from hub.pipeline.holding_queue.table import HeldReport, HeldReportTable

__all__ = ["HeldReport", "HeldReportTable", "HoldingQueue"]
