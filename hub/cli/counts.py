"""Counted things within sentences: a number and its noun."""

from __future__ import annotations

PHRASES = {
    "count-days": "{count} [day|days]",
    "count-devices": "{count} [device|devices]",
    "count-events": "{count} [event|events]",
    "count-integrations": "{count} [integration|integrations]",
    "count-keys": "{count} [key|keys]",
    "count-other-files": "{count} [other file|other files]",
    "count-readings": "{count} [reading|readings]",
    "count-records": "{count} [record|records]",
    "count-reports": "{count} [report|reports]",
    "count-segments": "{count} [segment|segments]",
}
"""By `count-` and the name that `hub.cli.output.counted` is given."""
