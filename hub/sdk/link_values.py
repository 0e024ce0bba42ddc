"""Values that a network measures of a device's link, beside those that the device's payload has under the same name."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from hub.core.model import Value
from hub.core.text import phrase

MOST_TOLD = 1024


class LinkValues:
    """Puts both together: what the network measured counts, for the device did not measure it. That its payload has a
    metric of that name is logged, once for each."""

    def __init__(self, log: logging.LoggerAdapter[logging.Logger]) -> None:
        self._log = log
        self._told: set[tuple[str, str]] = set()

    def beside(self, device: str, payload: Mapping[str, Value], network: Mapping[str, Value]) -> dict[str, Value]:
        """Return the values of a report."""
        for metric in payload.keys() & network.keys():
            if (device, metric) not in self._told and len(self._told) < MOST_TOLD:
                self._told.add((device, metric))
                self._log.warning(
                    phrase(
                        "metric-of-network-in-payload",
                        "{device}: its payload has {metric} too, which the network measures: the network's is kept. "
                        "Let its pack give that value another metric",
                        device=device,
                        metric=metric,
                    )
                )
        return {**payload, **network}
