"""Compares what the hub shows with what the vectors mean."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from hub.devices.packs.vector_tests import same
from hub.sdk.simulation import Message

POLL_S = 0.5
WITHHELD_S = 5.0
"""Seconds to wait for what may be withheld, when all else is shown."""
SLACK_S = 2.0
"""Seconds by which a reading may seem older than its message: clocks are read at different moments."""

Last = Mapping[tuple[str, str], Mapping[str, Any]]
"""The hub's latest values, by device and metric."""


class Result(NamedTuple):
    """Values of one message in the hub: `wrong` by metric, (expected, shown or None), and `withheld` the personal
    metrics that it shows nothing of: its privacy rules may drop them."""

    device: str
    message: Message
    wrong: Mapping[str, tuple[Any, Any]]
    withheld: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.wrong


def compare(device: str, message: Message, said_at: float, last: Last, personal: Collection[str]) -> Result:
    """Compare one message with the latest values; `said_at` is Unix seconds."""
    wrong: dict[str, tuple[Any, Any]] = {}
    withheld: list[str] = []
    for metric, value in message.readings.items():
        shown = last.get((device, metric))
        if shown is None:
            if metric in personal:
                withheld.append(metric)
            else:
                wrong[metric] = (value, None)
        elif not same(value, shown["value"]) or not _of_now(shown["time"], message, said_at):
            wrong[metric] = (value, shown["value"])
    return Result(device, message, wrong, tuple(withheld))


def _of_now(shown: float | None, message: Message, said_at: float) -> bool:
    """Return whether a value is of this message, by its time: what the payload says itself, or its arrival."""
    if shown is None:
        return True
    if message.time is not None:
        return abs(shown - message.time) < SLACK_S
    return shown >= said_at - SLACK_S


async def shown(
    said: Mapping[str, tuple[Message, float]], ask: Callable[[], Last], personal: Collection[str], within_s: float
) -> list[Result]:
    """Wait until the hub shows what each device said, {device: (message, Unix seconds)}, at most `within_s` seconds."""
    began = time.monotonic()
    while True:
        last = await asyncio.to_thread(ask)
        found = [compare(device, message, at, last, personal) for device, (message, at) in said.items()]
        patience = within_s
        if all(one.ok for one in found):  # only what privacy rules withhold may be missing
            patience = min(within_s, WITHHELD_S) if any(one.withheld for one in found) else 0.0
        if time.monotonic() - began >= patience:
            return found
        await asyncio.sleep(POLL_S)


def latest(status: Mapping[str, Any]) -> Last:
    """Return the latest values of a hub's `status`."""
    return {(one["device"], one["metric"]): one for one in status["last"]}
