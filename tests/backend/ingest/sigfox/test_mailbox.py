"""Callbacks that wait at the backend: who may leave them, once, and which hub takes them away."""

from __future__ import annotations

import time
from typing import Any

import pytest
from backend_kit import Desk, Sender, row

from backend.ingest.sigfox import mailbox as sigfox_mailbox
from backend.ingest.sigfox.mailbox import CallbackTokens, Downlink, HubUpdate, Mailbox
from hub.core.errors import ConfigError, DecodeError, NotReady, StorageError
from hub.sdk.sigfox.callback import read

NOW = time.time()


def callback(n: int = 0, kind: str = "uplink", device: str = "1D2F3", **more: Any) -> Any:
    return read(kind, {"device": device, "time": 1_760_000_000 + n, "seqNumber": n % 4096, "data": "d2072d", **more})


class Box:
    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.hub: Sender = desk.enrol()
        self.doors = CallbackTokens(desk.ingest.storage)
        self.door, self.secret = self.doors.issue(self.hub.hub, "bins", NOW)
        self.mailbox = Mailbox(desk.ingest.storage)

    def take(self, *args: Any, now: float = NOW, **more: Any) -> bytes | None:
        return self.mailbox.take(self.door, callback(*args, **more), now)

    def told(self, *done: int, now: float = NOW, **downlinks: Downlink) -> None:
        self.mailbox.apply_update(self.hub.hub, HubUpdate(done, downlinks), now)

    def pending(self) -> list[tuple[str, str]]:
        return [(entry.kind, entry.answered) for entry in self.mailbox.pending(self.hub.hub)[0]]


@pytest.fixture
def box(plain: Desk) -> Box:
    return Box(plain)


def test_a_token_lets_in_until_it_is_revoked_and_only_its_digest_is_kept(box: Box) -> None:
    assert box.doors.find("", f"{box.door}.{box.secret}") == box.door
    assert box.doors.find(box.door, box.secret) == box.door, "as Basic"
    for user, secret in (
        ("", ""),
        ("", box.secret),
        ("", f"{box.door}."),
        ("", f"x.{box.secret}"),
        (box.door, "x"),
        ("x", box.secret),
    ):
        assert box.doors.find(user, secret) is None
    database = box.desk.owner.database
    kept = database.read_bytes() + database.with_name("backend.db-wal").read_bytes()
    assert box.secret.encode() not in kept
    box.doors.revoke(box.door, NOW)
    assert box.doors.find("", f"{box.door}.{box.secret}") is None


def test_a_token_is_for_a_hub_that_is_enrolled(box: Box) -> None:
    with pytest.raises(ConfigError, match="no hub 'hub-nobody' is enrolled"):
        box.doors.issue("hub-nobody", "", NOW)
    with pytest.raises(ConfigError, match="no callback token"):
        box.doors.revoke("nothing", NOW)


def test_a_callback_waits_as_it_came_until_its_hub_has_it(box: Box) -> None:
    box.take(0, lqi="Good")
    box.take(1, kind="advanced", computedLocation={"lat": 48.5, "lng": 2.25, "status": 1})
    entries, more = box.mailbox.pending(box.hub.hub)
    assert not more
    assert [read(entry.kind, entry.fields) for entry in entries] == [
        callback(0, lqi="Good"),
        callback(1, kind="advanced", computedLocation={"lat": 48.5, "lng": 2.25}),
    ]
    box.told(entries[0].id)
    assert [entry.id for entry in box.mailbox.pending(box.hub.hub)[0]] == [entries[1].id]


def test_ten_thousand_callbacks_that_come_again_are_none_twice_also_after_they_were_fetched(box: Box) -> None:
    for n in range(10_000):
        box.take(n)
    seen: list[Any] = []
    more = True
    while more:
        entries, more = box.mailbox.pending(box.hub.hub)
        seen += entries
        box.told(*(entry.id for entry in entries))
    for n in range(10_000):
        box.take(n)
    assert len({(entry.fields["time"], entry.fields["seqNumber"]) for entry in seen}) == len(seen) == 10_000
    assert box.pending() == []
    (token,) = box.desk.views.callbacks()["tokens"]
    assert (token["taken"], token["repeated"]) == (10_000, 10_000)


def test_the_number_alone_does_not_make_a_repetition_nor_the_kind(box: Box) -> None:
    box.take(0)
    box.take(4096)
    box.take(0, kind="advanced")
    box.take(0, device="77")
    assert len(box.pending()) == 4


def test_a_hub_takes_only_its_own_away(box: Box) -> None:
    other = Box(box.desk)
    box.take(0)
    other.take(1)
    (mine,) = box.mailbox.pending(box.hub.hub)[0]
    other.told(mine.id)
    assert len(box.pending()) == 1


def test_a_device_that_asks_is_answered_once_with_what_the_hub_staged(box: Box) -> None:
    box.told(**{"0001D2F3": Downlink("c1", "0102030405060708")})
    assert box.take(0, kind="bidir", ack=False) is None
    assert box.take(1, kind="bidir", ack=True) == bytes(range(1, 9))
    assert box.take(1, kind="bidir", ack=True) == bytes(range(1, 9)), "the operator's next try"
    assert box.take(2, kind="bidir", ack=True) is None
    box.told(**{"1D2F3": Downlink("c1", "0102030405060708")})  # staged before the hub heard of it
    assert box.take(3, kind="bidir", ack=True) is None
    assert box.pending() == [("bidir", ""), ("bidir", "c1"), ("bidir", ""), ("bidir", "")]


def test_a_standing_answer_is_given_again_and_gives_way_to_a_command(box: Box) -> None:
    box.told(**{"1D2F3": Downlink("", "00" * 8)})
    assert [box.take(n, kind="bidir", ack=True) for n in (0, 1)] == [bytes(8), bytes(8)]
    box.told(**{"1D2F3": Downlink("c1", "01" * 8)})
    assert [box.take(n, kind="bidir", ack=True) for n in (2, 3)] == [b"\1" * 8, None]


def test_what_is_staged_is_all_there_is_and_may_expire(box: Box) -> None:
    box.told(**{"1D2F3": Downlink("c1", "01" * 8, until=NOW + 60), "77": Downlink("c2", "02" * 8)})
    assert box.take(0, kind="bidir", ack=True, now=NOW + 61) is None
    box.told()
    assert box.take(1, kind="bidir", device="77", ack=True) is None


@pytest.mark.parametrize("downlink", [Downlink("c", "00"), Downlink("c", "zz" * 8), Downlink("c" * 65, "00" * 8)])
def test_a_downlink_that_is_none_is_refused(box: Box, downlink: Downlink) -> None:
    with pytest.raises(DecodeError):
        box.told(**{"1D2F3": downlink})


def test_what_waits_for_a_day_raises_an_alarm_that_fetching_clears(box: Box) -> None:
    box.take(0)
    box.take(1, now=NOW + sigfox_mailbox.LATE_S + 1)
    (alarm,) = [one for one in box.desk.views.alarms() if one["kind"] == sigfox_mailbox.ALARM]
    assert (alarm["hub"], alarm["cleared_at"]) == (box.hub.hub, None)
    box.told(*(entry.id for entry in box.mailbox.pending(box.hub.hub)[0]))
    assert box.desk.views.alarms()[0]["cleared_at"] is not None


def test_beyond_its_room_the_operator_is_told_to_come_again(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sigfox_mailbox, "MAX_WAITING", 3)
    for n in range(3):
        box.take(n)
    with pytest.raises(NotReady, match="3 callbacks wait"):
        box.take(3)
    assert box.take(2) is None, "what is kept already is still known"


def test_a_hub_whose_room_was_full_within_the_day_raises_the_alarm_all_the_same(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sigfox_mailbox, "MAX_WAITING", 2)
    segment = box.hub.segment()
    stream = box.desk.post(box.hub, segment.message([segment.block([row()])]))
    for n in range(2):
        box.take(n)
    streams = box.desk.ingest.storage.streams
    known = streams.find(box.hub.hub, segment.run, "readings")
    with pytest.raises(NotReady, match="2 callbacks wait"):
        box.take(2, now=NOW + sigfox_mailbox.LATE_S + 1)
    assert box.desk.alarms() == [sigfox_mailbox.ALARM]
    assert known is not None
    assert streams.find(box.hub.hub, segment.run, "readings") is known, "and costs no hub what is known of it"
    assert stream.status == 200


def test_another_hub_may_fetch_what_waits(box: Box) -> None:
    other = box.desk.enrol()
    box.take(0)
    assert box.doors.assign(box.door, other.hub, NOW) == 1
    assert box.pending() == []
    assert len(box.mailbox.pending(other.hub)[0]) == 1


def test_what_was_fetched_is_forgotten_after_a_month(box: Box) -> None:
    box.take(0)
    box.told(*(entry.id for entry in box.mailbox.pending(box.hub.hub)[0]))
    count = "select count(*) from callbacks"
    box.told(now=NOW + sigfox_mailbox.KNOWN_S - 1)
    assert box.desk.database.execute(count).get == 1
    box.told(now=NOW + sigfox_mailbox.KNOWN_S + 1)
    assert box.desk.database.execute(count).get == 0


def test_a_database_of_an_older_release_gets_the_tables(plain: Desk) -> None:
    for table in ("doors", "callbacks", "downlinks"):
        plain.sql(f"drop table {table}")
    plain.restart()
    assert Box(plain).pending() == []


def test_a_token_goes_to_another_hub_with_what_waits_or_not_at_all(box: Box) -> None:
    other = box.desk.enrol()
    box.take()
    database = box.desk.database
    database.execute("create trigger full before update of hub on callbacks begin select raise(abort, 'full'); end")
    with pytest.raises(StorageError, match="full"):
        box.doors.assign(box.door, other.hub, NOW)
    assert [door["hub"] for door in box.desk.views.callbacks()["tokens"]] == [box.hub.hub]
    database.execute("drop trigger full")
    assert box.doors.assign(box.door, other.hub, NOW) == 1
    assert len(box.mailbox.pending(other.hub)[0]) == 1


def test_a_callback_is_the_same_for_one_hub_and_another_for_the_next(box: Box) -> None:
    other = Box(box.desk)
    box.take(0)
    other.take(0)
    assert [len(one.pending()) for one in (box, other)] == [1, 1]
    box.take(0)
    other.take(0)
    assert [len(one.pending()) for one in (box, other)] == [1, 1]


def test_what_goes_to_another_hub_is_known_there_when_it_comes_again_and_is_not_given_twice(box: Box) -> None:
    other = Box(box.desk)
    for n in range(3):
        box.take(n)
    box.told(box.mailbox.pending(box.hub.hub)[0][0].id)
    other.take(1)
    assert box.doors.assign(box.door, other.hub.hub, NOW) == 1, "one was fetched, and one is there already"
    for n in range(3):
        box.take(n)
    times = [entry.fields["time"] for entry in box.mailbox.pending(other.hub.hub)[0]]
    assert sorted(times) == [1_760_000_001, 1_760_000_002]
    assert box.pending() == []


def test_what_a_former_release_noted_is_known(box: Box) -> None:
    box.take(0)
    database = box.desk.database
    database.execute("update callbacks set key = substr(key, length(hub) + 2)")
    box.take(0)
    assert len(box.pending()) == 1
    other = box.desk.enrol()
    assert box.doors.assign(box.door, other.hub, NOW) == 1
    box.take(0)
    assert len(box.mailbox.pending(other.hub)[0]) == 1
