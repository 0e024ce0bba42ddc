"""Data protection before anything touches the disk (docs/explanation/security.md). Maybe personal is personal.

A metric of class `personal` is dropped before the buffer unless its zone states a purpose for it in the
configuration. Rules of the tap and the live view follow the same line: what may not be stored is not shown.
"""

from __future__ import annotations

from collections.abc import Mapping

from hub.model import Metric

PERSONAL = "personal"
POSITION = "position"
"""Where a device that moves says it is, as the `personal:` of a zone names it: what moves is moved by people."""


class Privacy:
    """`purposes` maps zone id -> metric key -> purpose, as the configuration states them."""

    def __init__(self, purposes: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self._purposes = dict(purposes or {})

    def may_keep(self, metric: Metric, zone: str) -> bool:
        """May readings of this metric in this zone leave RAM?"""
        return metric.privacy != PERSONAL or bool(self._purposes.get(zone, {}).get(metric.key))

    def may_keep_position(self, zone: str) -> bool:
        """May the positions that devices of this zone report leave RAM?"""
        return bool(self._purposes.get(zone, {}).get(POSITION))
