"""Two ingests over one database, as two workers: each forgets a hub before its message, and then decides as one that
was there all the time. The twin trusts what it remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from backend_kit import METER, NOW, ROOM, Desk, Sender, row

from backend.ingest.core import RECORDS, STATE
from hub.core.errors import HubError
from hub.privacy.consent.erasure_rows import Erasure
from hub.privacy.consent.erasure_rows import row as order_row
from hub.protocol.link_messages import read_ack, read_reply
from hub.protocol.records.bodies import ClockMark
from hub.protocol.records.rows import ALERTS, Column, Row, Shape, Subject

BOOT, GROUP = b"b" * 16, Subject("~group", "~group", "site", "~group")
Step = tuple[int, bytes, str]
"""Which ingest is given which message, and what it is."""


class Pair:
    """Two ingests of one database."""

    def __init__(self, directory: Path, *, forget: bool) -> None:
        self.desks = [Desk(directory), Desk(directory)]
        self.forget = forget

    def run(self, hub: Sender, steps: list[Step]) -> list[object]:
        """Return what the hub is told each time: what is taken and asked of its streams, or why not."""
        told: list[object] = []
        for which, body, what in steps:
            desk = self.desks[which]
            if self.forget:
                desk.ingest.storage.caches.forget(hub.hub)
            reply = desk.answer(hub, body, what)
            told.append(type(reply).__name__ if isinstance(reply, HubError) else self._heard(reply))
        return told

    def contents(self) -> list[Any]:
        desk = self.desks[0]
        return [
            [(one.device, one.metric, one.time_ms, one.mono, one.value) for one in desk.stored()],
            desk.sql("select place, metric, device from series order by 1, 2, 3"),
            desk.sql("select late + dropped from erasing"),
            desk.sql("select number from names order by 1"),
            desk.sql("select stream, hex(stored), hex(forked), readings, announced from streams order by run, stream"),
            desk.sql("select kind from alarms order by kind"),
        ]

    def _heard(self, reply: bytes) -> object:
        read = read_reply(reply)
        acks = [one for ack in read.acks for one in read_ack(ack, self.desks[0].owner.trust)[0].each()]
        return [(one.stream, one.through, one.ranges, one.rejected, one.nonce) for one in acks], len(read.need)


def blocks(hub: Sender) -> tuple[Any, list[bytes]]:
    segment = hub.segment(run=b"r" * 16)
    return segment, [segment.message([segment.block([row(NOW + n)])]) for n in range(3)]


def a_duplicate_at_another(hub: Sender) -> list[Step]:
    _, (one, two, _) = blocks(hub)
    return [(1, one, RECORDS), (0, two, RECORDS), (1, two, RECORDS)]


def numbers_that_another_took(hub: Sender) -> list[Step]:
    _, (one, two, three) = blocks(hub)
    return [(1, one, RECORDS), (0, two, RECORDS), (1, three, RECORDS)]


def an_erasure_at_another(hub: Sender) -> list[Step]:
    shape = Shape((Column("steps", "1", privacy="personal"),))
    segment, alerts = hub.segment(run=b"r" * 16), hub.segment(stream=ALERTS, run=b"a" * 16)

    def steps(n: int) -> bytes:
        return bytes(segment.message([segment.block([Row(GROUP, shape, NOW + n, True, (1.0,), 0, 1)])]))

    order = Erasure(id="e1", kind="pseudonym", name="~group", until=NOW / 1000, asked=1.0)
    ordered = order_row(order, monotonic=5.0, sure=True)
    return [
        (1, steps(0), RECORDS), (0, alerts.message([alerts.block([ordered])]), RECORDS), (1, steps(1), RECORDS),
    ]  # fmt: skip


def a_clock_at_another(hub: Sender) -> list[Step]:
    segment = hub.segment(run=b"r" * 16)

    def undated(n: int) -> bytes:
        return bytes(segment.message([segment.block([Row(ROOM, METER, n, False, (1.0,), 0, 1)], BOOT)]))

    first = undated(5)
    clock = segment.message([segment.clock(ClockMark(BOOT, NOW, 20, "ntp"))])
    return [(1, first, RECORDS), (0, clock, RECORDS), (1, undated(6), RECORDS)]


def a_table_at_another(hub: Sender) -> list[Step]:
    segment, (one, *_) = blocks(hub)
    other = segment.message([segment.block([Row(ROOM, METER, NOW, True, (1.0,), 0, 1)])])
    again = segment.message([segment.block([Row(ROOM, METER, NOW + 9, True, (2.0,), 0, 1)])], context=False)
    return [(1, one, RECORDS), (0, other, RECORDS), (1, again, RECORDS)]


def a_state_at_another(hub: Sender) -> list[Step]:
    old, new = hub.state(nonce=b"o" * 16), hub.state(nonce=b"n" * 16)
    _, (one, *_) = blocks(hub)
    return [(1, old, STATE), (0, new, STATE), (1, old, STATE), (1, one, RECORDS)]


STORIES = [
    a_duplicate_at_another, numbers_that_another_took, an_erasure_at_another, a_clock_at_another, a_table_at_another,
    a_state_at_another,
]  # fmt: skip


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Callable[..., Pair]]:
    made: list[Pair] = []

    def make(*, forget: bool) -> Pair:
        made.append(Pair(tmp_path / f"owner-{len(made)}", forget=forget))
        return made[-1]

    yield make
    for one in made:
        for desk in one.desks:
            desk.close()


def outcome(
    pair: Pair, story: Callable[[Sender], list[Step]], *, alone: bool = False
) -> tuple[list[object], list[Any]]:
    hub = pair.desks[0].enrol()
    steps = [(0 if alone else which, body, what) for which, body, what in story(hub)]
    return pair.run(hub, steps), pair.contents()


@pytest.mark.parametrize("story", STORIES)
def test_two_that_forget_a_hub_before_its_message_decide_as_one(
    pair: Callable[..., Pair], story: Callable[[Sender], list[Step]]
) -> None:
    assert outcome(pair(forget=True), story) == outcome(pair(forget=False), story, alone=True)


@pytest.mark.parametrize("story", STORIES)
def test_the_twin_that_trusts_what_it_remembers_decides_otherwise(
    pair: Callable[..., Pair], story: Callable[[Sender], list[Step]]
) -> None:
    assert outcome(pair(forget=False), story) != outcome(pair(forget=False), story, alone=True)
