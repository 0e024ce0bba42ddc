"""How long what came beside readings stays, and what of people a purge leaves behind."""

from __future__ import annotations

import time
from typing import Any

import pytest
from backend_kit import NOW, Desk, Sender, row

from backend.hubs.alarms import clear_alarm, raise_alarm
from backend.ingest.sigfox import mailbox as sigfox_mailbox
from backend.ingest.sigfox.mailbox import CallbackTokens, Mailbox
from backend.readings import retention
from hub.automation.alerts.lifecycle import Alert
from hub.automation.alerts.stream_rows import row as alert_row
from hub.automation.alerts.stream_rows import subject_of
from hub.operations.incidents.audit_anchor import SHAPE as WITNESS
from hub.protocol.records import framing
from hub.protocol.records.rows import ALERTS, Column, Row, Shape, Subject
from hub.sdk.sigfox.callback import read

DAY = 86_400.0
PERSONAL = Shape((Column("sound", "dB", privacy="personal"),))


@pytest.fixture
def hub(desk: Desk) -> Sender:
    return desk.enrol()


def send(desk: Desk, hub: Sender, *rows: Row, stream: str = "readings") -> None:
    segment = hub.segment(stream=stream)
    desk.post(hub, segment.message([segment.block([one]) for one in rows]))
    desk.settle()


def look(desk: Desk, days: float) -> int:
    return desk.purge(time.time() + days * DAY)


def left(desk: Desk, table: str) -> int:
    return int(desk.sql(f"select count(*) from {table}")[0][0])


def alert(name: str, state: str = "raised") -> Row:
    made = Alert(
        id=name,
        rule="r",
        key="k",
        severity="info",
        raised=NOW / 1000,
        changed=NOW / 1000,
        by="rule:r",
        state=state,
        n=2 if state == "cleared" else 1,
    )
    return alert_row(made, subject_of(made), monotonic=0.0, sure=True)


def test_alerts_that_are_over_go_and_those_that_stand_stay_until_their_hub_is_revoked(desk: Desk, hub: Sender) -> None:
    send(desk, hub, alert("stands"), alert("over"), alert("over", "cleared"), stream=ALERTS)
    assert look(desk, 395) == 0
    look(desk, 397)
    assert [one["alert"] for one in desk.views.raised("", everything=True)] == ["stands"]
    desk.ingest.registry.revoke(hub.hub, 1.0)
    look(desk, 397)
    assert left(desk, "alerts") == 0


def test_witnesses_stay_five_years_since_they_name_nobody(desk: Desk, hub: Sender) -> None:
    send(desk, hub, Row(Subject("hub"), WITNESS, NOW, True, ("aa", "{}", 7), 0, 1), stream=ALERTS)
    look(desk, 1826)
    assert left(desk, "witnesses") == 1
    look(desk, 1828)
    assert left(desk, "witnesses") == 0


def test_second_contents_and_what_nobody_could_read_go_with_what_is_personal_and_make_room(
    desk: Desk, hub: Sender
) -> None:
    run = b"r" * 16
    one, two = hub.segment(run=run), hub.segment(run=run)
    desk.post(hub, one.message([one.block([row()])]))
    desk.settle()
    answer = desk.post(hub, two.message([two.block([row(value=5.0)]), two.raw(framing.BLOCK, b"\0\1\xff\xff", 4)]))
    assert 1 not in answer.taken(two)
    assert desk.ingest.received.evidence._of[hub.hub][0] > 0
    look(desk, 395)
    assert (left(desk, "forks"), left(desk, "quarantine")) == (1, 1)
    look(desk, 397)
    assert (left(desk, "forks"), left(desk, "quarantine")) == (0, 0)
    assert desk.ingest.received.evidence._of == {}, "counted again"
    assert 1 not in desk.state(hub, hub.state(two)).taken(two), "a number that forked stays so"


def test_alarms_that_are_over_go_and_those_that_stand_stay(desk: Desk, hub: Sender) -> None:
    storage = desk.ingest.storage
    with storage.transaction():
        for what in ("one", "two"):
            raise_alarm(storage, "hole", hub.hub, what)
        clear_alarm(storage, "hole", hub.hub, "one", time.time())
    look(desk, 397)
    assert desk.sql("select detail from alarms") == [("two",)]


def test_callbacks_that_no_hub_fetches_and_questions_go_too(desk: Desk, hub: Sender) -> None:
    assert look(desk, 400) == 0, "before any callback ever came"
    door, _ = CallbackTokens(desk.ingest.storage).issue(hub.hub, "bins", 1.0)
    said: Any = {"device": "1D2F3", "time": 1_760_000_000, "seqNumber": 1, "data": "d2"}
    Mailbox(desk.ingest.storage).take(door, read("uplink", said), time.time())
    desk.ingest.whereabouts.answer(hub.hub, ["lorawan:1"], time.time())
    look(desk, 91)
    assert (left(desk, "callbacks"), left(desk, "asked")) == (1, 0)
    look(desk, 397)
    assert sigfox_mailbox.MAX_WAITING
    assert left(desk, "callbacks") == 0


def test_the_last_personal_reading_of_a_series_takes_its_names_along_and_the_next_one_has_a_line_of_its_own(
    desk: Desk, hub: Sender
) -> None:
    now = int(time.time() * 1000)
    someone = Subject("ble:7", "room-7", "school", "Mme Martin's")
    segment = hub.segment()
    desk.post(hub, segment.message([segment.block([Row(someone, PERSONAL, now, True, (40.0,), 0, 1), row(now)])]))
    desk.settle()
    look(desk, 399)
    assert sorted(desk.sql("select metric from series")) == [("motion",), ("temperature",)]
    later = now + int(400 * DAY * 1000)
    desk.post(hub, segment.message([segment.block([Row(someone, PERSONAL, later, True, (41.0,), 0, 1)])]))
    desk.settle()
    desk.compact()
    assert desk.rows("sound") == [(later, 41.0)]
    assert desk.rows() == [(now, 20.0)], "what the class lets stay is untouched"
    assert desk.views.latest(f"{hub.hub}/room-7/sound")["value"] == 41.0


def test_the_names_of_a_series_go_with_its_last_personal_reading_too_when_nobody_knows_of_when_that_is(
    desk: Desk, hub: Sender
) -> None:
    now = int(time.time() * 1000)
    someone = Subject("ble:7", "room-7", "school", "Mme Martin's")
    send(desk, hub, Row(someone, PERSONAL, now, True, (40.0,), 0, 1))
    segment = hub.segment()
    undated = [Row(someone, PERSONAL, 5000, False, (41.0,), 0, 1), row(5000, sure=False)]
    desk.post(hub, segment.message([segment.block([one], b"b" * 16) for one in undated]))
    desk.settle()
    assert len(desk.undated()) == 3
    look(desk, 399)
    assert "sound" not in {metric for (metric,) in desk.sql("select metric from series")}
    assert len(desk.undated()) == 2, "what the class lets stay is untouched"


def test_a_personal_reading_dated_in_the_future_goes_by_when_it_came(desk: Desk, hub: Sender) -> None:
    now = int(time.time() * 1000)
    ahead = now + int(30 * 365 * DAY * 1000)
    send(desk, hub, *(Row(Subject("ble:7", "r"), PERSONAL, at, True, (1.0,), 0, 1) for at in (ahead, now + 1000)))
    look(desk, 395)
    assert len(desk.rows("sound")) == 2
    desk.sql("update chunks set arrived_at = arrived_at - ?", 390 * DAY)
    look(desk, 7)
    assert [at for at, _ in desk.rows("sound")] == [now + 1000]
    assert desk.views.latest(f"{hub.hub}/r/sound")["time"] == now + 1000


def test_so_many_lines_go_at_once_whatever_they_are(desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MAX_DELETED", 3)
    send(desk, hub, *(alert(f"a{n}") for n in range(4)), *(alert(f"a{n}", "cleared") for n in range(4)), stream=ALERTS)
    assert [look(desk, 400) for _ in range(3)] == [3, 1, 0]
    assert {one["privacy"]: one["purged"] for one in desk.views.retention()}["alerts"] == 4


@pytest.mark.parametrize("later", ["personal", "secret"])
def test_a_series_that_becomes_personal_goes_with_what_is_personal_and_stays_so(
    desk: Desk, hub: Sender, later: str
) -> None:
    now = int(time.time() * 1000)

    def said(at: int, privacy: str) -> Row:
        return Row(Subject("ble:7", "r"), Shape((Column("sound", "dB", privacy=privacy),)), at, True, (1.0,), 0, 1)

    send(desk, hub, said(now, "environment"), said(now + 1000, later))
    send(desk, hub, said(now + 2000, "technical"))
    look(desk, 397)
    assert desk.rows("sound") == []
