"""What a notifier remembers over a restart of the hub, however many alerts there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from hub.alerts import CLEARED, Alert
from hub.hosting.notifying import REMEMBERED, OwnNotices
from hub.testing import ManualClock


class Local:
    """What of the buffer is used."""

    def __init__(self) -> None:
        self.local: dict[str, Any] = {}

    def put_local(self, key: str, value: Any) -> None:
        self.local[key] = value


def alert(name: str) -> Alert:
    return Alert(id=name, rule="r", key=name, severity="warning", raised=1.0, changed=1.0, by="rule:r", text="t")


def life(local: Local, known: Iterable[Alert] = ()) -> OwnNotices:
    queue = OwnNotices("mail", "hub-1", None, local, ManualClock())  # type: ignore[arg-type]
    queue.recall(known)
    return queue


async def told(queue: OwnNotices) -> list[str]:
    """Have everything told that waits."""
    said = list[str]()
    notices = queue.__aiter__()
    while queue.status()["waiting"]:
        notice = await anext(notices)
        said.append(notice.alert)
        queue.done(notice)
    return said


async def test_open_alerts_that_were_told_are_not_told_again_after_a_restart_however_many_they_are() -> None:
    local = Local()
    alerts = [alert(f"{n:016x}") for n in range(REMEMBERED + 100)]
    queue = life(local)
    for one in alerts:
        queue.offer(one)
    assert len(await told(queue)) == len(alerts)
    assert await told(life(local, alerts)) == []


async def test_alerts_that_are_over_are_forgotten_first() -> None:
    local = Local()
    queue = life(local)
    first = alert("first")
    queue.offer(first)
    await told(queue)
    for n in range(REMEMBERED + 10):
        one = alert(f"{n:016x}")
        queue.offer(msgspec.structs.replace(one, state=CLEARED, n=2))
        await told(queue)
    assert len(queue.remembered) == REMEMBERED
    assert "first" in queue.remembered
    again = life(local, [first])
    assert await told(again) == []
    again.offer(msgspec.structs.replace(first, state=CLEARED, n=2))
    assert await told(again) == ["first"]
