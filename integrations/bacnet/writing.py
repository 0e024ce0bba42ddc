"""Commands: write a present value at a priority, and relinquish it.

ANSI/ASHRAE 135-2020, Clauses 15.9 (WriteProperty) and 19.2 (command prioritization).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import hub
from hub.sdk.phrases import phrase
from hub.sdk.session import Answer
from integrations.bacnet import encode, names
from integrations.bacnet.link import Link, Silent, Unsent
from integrations.bacnet.poll import Poller


async def write(
    command: hub.Command,
    poller: Poller | None,
    link: Link,
    answer: Callable[[Answer, str], None],
    now: Callable[[], float],
    wanted: Callable[[], bool] = lambda: True,
) -> None:
    """Carry out one command.

    `answer(state, detail)` is called with the outcome; never raises for a device's errors. A command that expired, or
    is no longer `wanted`, when its station's turn comes is not sent."""

    sent = False

    def expired() -> bool:
        return bool(command.expires) and now() >= command.expires

    def leaves() -> bool:
        """Return whether to send; called right before each attempt."""
        nonlocal sent
        if not wanted() or expired():
            return False
        if not sent:
            sent = True
            answer("sent", "")
        return True

    point = None if poller is None else poller.point(command.metric)
    if poller is None or point is None or command.values is not None:
        answer(
            "failed",
            phrase(
                "bacnet.metric-of-no-object",
                "{metric} is read of no object of {device}: name it in its settings",
                metric=command.metric,
                device=command.device,
            ),
        )
        return
    if poller.asker is None or point.translation is None:
        answer(
            "failed",
            phrase(
                "bacnet.device-not-reached-yet",
                "{device} has not been reached yet, or {object} is not understood",
                device=command.device,
                object=str(point.object),
            ),
        )
        return
    if expired():
        answer("expired", "")
        return
    asker = poller.asker
    try:
        value = point.translation.raw(command.value)
        body = encode.write_property(point.object, names.PRESENT_VALUE, value, point.point.priority)
        await link.request(asker.station, names.WRITE_PROPERTY, body, attempts=2, wanted=leaves)
    except Unsent:
        if wanted():  # otherwise all writes were stopped meanwhile: already answered
            answer("expired", "")
    except Silent:
        answer(
            "failed",
            phrase(
                "bacnet.write-unanswered",
                "{device} does not answer: whether it took the value is not known",
                device=command.device,
            ),
        )
    except hub.DecodeError as error:
        answer("failed", names.told(error))
    else:
        answer("done", await _higher_priority(poller, point.object, point.point.priority))
        await poller.again(point)


async def _higher_priority(poller: Poller, who: names.ObjectId, priority: int) -> str:
    """Return a sentence when a higher priority controls the object, "" when not, or when that cannot be read."""
    asker = poller.asker
    if asker is None:
        return ""
    try:
        found = await asker.one(who, names.PRIORITY_ARRAY)
    except (Silent, hub.DecodeError):
        return ""
    higher = [n for n, held in enumerate(found.values[: priority - 1], 1) if held is not None]
    if not higher:
        return ""
    return phrase(
        "bacnet.higher-priority-holds",
        "written at priority {priority}, but priority {higher} holds the object",
        priority=priority,
        higher=higher[0],
    )


def clock() -> float:
    """Return Unix seconds, as in `Command.expires`."""
    return time.time()
