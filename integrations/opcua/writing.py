"""Carries out a command: writes one node, then reads it back. OPC 10000-4, 5.10.4. Only the value is written, in the
node's type. Good means that the server accepted the value, not that it took effect: the node is read back, and only its
value then counts as done.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable

import hub
from hub.sdk.phrases import phrase
from hub.sdk.session import Answer
from integrations.opcua import messages as m
from integrations.opcua import status
from integrations.opcua.decode import Point, Value, raw
from integrations.opcua.link import Link, Refusal

LOOKS_S = (0.0, 0.3, 0.7, 1.0, 2.0)
"""Pauses before each read-back: a controller adopts a value in its next cycle."""

ASYNCHRONOUS_S = 30.0
"""Seconds for which a write that the server completes asynchronously is read back, once a second."""

Step = tuple[Answer, str, m.Change | None]
"""State and detail of an answer, and the value that was read back."""


async def written(
    link: Link, point: Point | None, command: hub.Command, now: Callable[[], float]
) -> AsyncIterator[Step]:
    """Yield the answers to a command, the last one final. Raises NotReady when the connection is lost meanwhile."""
    if point is None:
        yield (
            "failed",
            phrase(
                "opcua.no-node-for-metric",
                "no node of {device} gives {metric}: see the log",
                device=command.device,
                metric=command.metric,
            ),
            None,
        )
        return
    if command.value is None:
        yield "failed", phrase("opcua.no-release", "OPC UA knows no release: write the value it shall have"), None
        return
    if command.expires and now() > command.expires:
        yield "expired", phrase("opcua.too-late", "it came too late to be sent"), None
        return
    try:
        content = raw(point, command.value)
        (code,) = (await link.ask(m.Write(point.id, point.kind, content), m.Statuses)).codes
    except hub.DecodeError as error:
        yield "failed", error.detail, None
        return
    except Refusal as error:
        yield "failed", status.told(error.code, error.name), None
        return
    except ValueError:
        yield "failed", phrase("opcua.write-unanswered", "the server did not say whether it took it"), None
        return
    if code >= 0x80000000:
        yield "failed", status.told(code, ""), None
        return
    pauses: tuple[float, ...] = LOOKS_S
    if code & 0xFFFF0000 == status.GOOD_ASYNCHRONOUS:
        yield "sent", phrase("opcua.write-goes-on", "the server goes on by itself"), None
        pauses = (1.0,) * int(ASYNCHRONOUS_S)
    async for step in _looked(link, point, content, pauses):
        yield step


async def _looked(link: Link, point: Point, content: Value, pauses: tuple[float, ...]) -> AsyncIterator[Step]:
    seen: m.Change | None = None
    for pause in pauses:
        await asyncio.sleep(pause)
        try:
            found = await link.ask(m.Read([m.Item(0, point.id)]), m.Values)
        except Refusal as error:
            yield (
                "failed",
                phrase(
                    "opcua.not-read-back",
                    "it was taken, but cannot be read back: {reason}",
                    reason=status.told(error.code, error.name),
                ),
                None,
            )
            return
        seen = found.values[0] if found.values else None
        if seen is not None and seen.status < 0x80000000 and _same(seen.value, content):
            yield "done", "", seen
            return
    if seen is None or seen.value is None or seen.status >= 0x80000000:
        yield (
            "failed",
            phrase("opcua.no-good-value-now", "it was taken, but the node has no good value now: look at the device"),
            seen,
        )
    else:
        yield (
            "failed",
            phrase(
                "opcua.value-overridden",
                "it was taken, but the node still has {value}: something else controls it",
                value=seen.value,
            ),
            seen,
        )


def _same(there: Value | None, meant: Value) -> bool:
    """Return whether two values are equal within the precision of a 32-bit float."""
    if isinstance(there, bool) or isinstance(meant, bool) or isinstance(there, str) or isinstance(meant, str):
        return there == meant
    return there is not None and math.isclose(there, meant, rel_tol=1e-6, abs_tol=1e-9)
