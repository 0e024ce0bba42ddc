"""What a notifier remembers over a restart of the hub, however many alerts there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from hub.automation.alerts import CLEARED, Alert
from hub.automation.alerts.policy import Policy
from hub.plugin_host.notifier_queue import PENDING_LIMIT, REMEMBERED, NotifierQueue
from hub.sdk.testing import ManualClock


class Local:
    """What of the buffer is used."""

    def __init__(self) -> None:
        self.local: dict[str, Any] = {}

    def put_local(self, key: str, value: Any) -> None:
        self.local[key] = value


def alert(name: str) -> Alert:
    return Alert(id=name, rule="r", key=name, severity="warning", raised=1.0, changed=1.0, by="rule:r", text="t")


def life(local: Local, known: Iterable[Alert] = ()) -> NotifierQueue:
    queue = NotifierQueue("mail", "hub-1", None, local, ManualClock())  # type: ignore[arg-type]
    queue.restore(known)
    return queue


async def told(queue: NotifierQueue) -> list[str]:
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
    assert len(queue.known_alerts) == REMEMBERED
    assert "first" in queue.known_alerts
    again = life(local, [first])
    assert await told(again) == []
    again.offer(msgspec.structs.replace(first, state=CLEARED, n=2))
    assert await told(again) == ["first"]


async def test_while_one_alert_waits_for_its_hour_those_that_are_told_meanwhile_leave_no_trace() -> None:
    quiet = Policy(quiet=lambda moment: True)
    queue = NotifierQueue("mail", "hub-1", None, Local(), ManualClock(), quiet)  # type: ignore[arg-type]
    queue.offer(alert("waits"))
    notices = queue.__aiter__()
    for n in range(2 * PENDING_LIMIT + 500):
        queue.offer(msgspec.structs.replace(alert(f"{n:016x}"), severity="critical"))
        queue.done(await anext(notices))
    assert len(queue._yielded) <= 2 * PENDING_LIMIT
    assert queue.status()["kept_back"] == 1


async def test_what_is_given_and_not_yet_told_is_not_given_again_however_many_come_after_it() -> None:
    queue = NotifierQueue("mail", "hub-1", None, Local(), ManualClock())  # type: ignore[arg-type]
    queue.offer(alert("slow"))
    notices = queue.__aiter__()
    slow = await anext(notices)
    for n in range(2 * PENDING_LIMIT + 500):
        queue.offer(alert(f"{n:016x}"))
        notice = await anext(notices)
        assert notice.alert != "slow"
        queue.done(notice)
    queue.done(slow)
    assert queue.status()["waiting"] == 0
