"""Erasures: a pseudonym goes whole and for ever, of a device only what is personal, no hub reaches another's rows."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import apsw
import pytest
from backend_kit import NOW, Desk, Sender, row
from click.testing import CliRunner

from backend.cli.main import backend
from backend.readings import compaction, erasures, retention
from backend.storage.opening import open_chunks
from backend.storage.sqlite.chunks import SqliteChunks
from hub.core.errors import StorageError
from hub.privacy.consent.erasure_rows import SHAPE
from hub.privacy.consent.erasure_rows import row as order_row
from hub.privacy.consent.model import Erasure
from hub.protocol.records.rows import ALERTS, Column, Row, Shape, Subject

FLAT = Subject("~device", "~place", "site", "~group")
NEXT = Subject("~other", "~elsewhere", "site", "~stranger")
PERSONAL = Shape((Column("temperature", "Cel", "0.0001", privacy="personal"), Column("battery", "%", "1")))
MARK = 31.4159


def reading(subject: Subject = FLAT, time_ms: int = NOW, **more: Any) -> Row:
    return Row(subject, PERSONAL, time_ms, more.pop("sure", True), (MARK, 80), 0, 1, **more)


def order(name: str = "~group", kind: str = "pseudonym", id_: str = "e1", until: float = NOW / 1000) -> Row:
    made = Erasure(id=id_, kind=kind, name=name, until=until, asked=NOW / 1000)
    return order_row(made, monotonic=5.0, sure=True)


@pytest.fixture
def hub(desk: Desk) -> Sender:
    return desk.enrol()


def post(desk: Desk, hub: Sender, *rows: Row, stream: str = "readings", **more: Any) -> None:
    segment = hub.segment(stream=stream, **more)
    desk.post(hub, segment.message([segment.block([one]) for one in rows]))
    desk.settle()


def erase(desk: Desk, hub: Sender, *rows: Row) -> None:
    """Have orders carried out."""
    post(desk, hub, *rows, stream=ALERTS)
    desk.compact()


def left(desk: Desk) -> list[tuple[str, str, int]]:
    zones = {tuple(line): zone for zone, *line in desk.sql("select zone, hub, place, metric, device from series")}
    found = Counter((zones[one[:4]], one.metric) for one in desk.stored() if one.time_ms is not None)
    return sorted((*line, count) for line, count in found.items())


def done(desk: Desk, hub: Sender) -> list[dict[str, Any]]:
    return erasures.done(desk.ingest.storage, hub.hub)


def test_the_fields_are_those_the_hub_writes() -> None:
    assert erasures.is_order(SHAPE)


@pytest.mark.of_files
def test_a_pseudonym_is_erased_whole_confirmed_and_no_other_series_is_touched(desk: Desk, hub: Sender) -> None:
    other = desk.enrol()
    post(desk, hub, reading(), reading(time_ms=NOW + 1000), reading(NEXT), row())
    post(desk, other, reading())
    erase(desk, hub, order())
    assert done(desk, hub) == [{"id": "e1", "readings": 4, "left": 0}]
    assert done(desk, other) == []
    assert left(desk) == [
        ("ground floor", "motion", 1), ("ground floor", "temperature", 1), ("~group", "battery", 1),
        ("~group", "temperature", 1), ("~stranger", "battery", 1), ("~stranger", "temperature", 1),
    ]  # fmt: skip
    assert desk.sql("select distinct hub from series where zone = '~group'") == [(other.hub,)]
    [one] = desk.views.erased()
    assert (one["hub"], one["name"], one["readings"], one["late"]) == (hub.hub, "~group", 4, 0)


def test_what_was_on_its_way_is_dropped_when_it_comes_also_after_a_restart(desk: Desk, hub: Sender) -> None:
    erase(desk, hub, order())
    post(desk, hub, reading())
    desk.restart()
    post(desk, hub, reading(time_ms=NOW + 5), row())
    assert left(desk) == [("ground floor", "motion", 1), ("ground floor", "temperature", 1)]
    [one] = desk.views.erased()
    assert one["late"] == 4


@pytest.mark.of_files
def test_an_order_that_is_told_again_is_done_once(desk: Desk, hub: Sender) -> None:
    post(desk, hub, reading())
    erase(desk, hub, order(), order())
    erase(desk, hub, order())
    assert done(desk, hub) == [{"id": "e1", "readings": 2, "left": 0}]


@pytest.mark.of_files
def test_an_order_hides_at_once_and_is_confirmed_when_it_is_done(desk: Desk, hub: Sender) -> None:
    post(desk, hub, reading(), row())
    post(desk, hub, order(), stream=ALERTS)
    if desk.compacts:
        assert done(desk, hub) == [{"id": "e1", "readings": 2, "left": 0}]
        return
    assert left(desk) == [("ground floor", "motion", 1), ("ground floor", "temperature", 1)]
    assert {one["zone"] for one in desk.views.series()} == {"ground floor"}
    assert done(desk, hub) == []
    assert [one["done_at"] for one in desk.views.erased()] == [None]
    desk.compact()
    assert done(desk, hub) == [{"id": "e1", "readings": 2, "left": 0}]


def test_readings_that_came_undated_are_erased_too(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    desk.post(hub, segment.message([segment.block([reading(sure=False, time_ms=5)], b"b" * 16)]))
    desk.settle()
    assert len(desk.undated()) == 2
    erase(desk, hub, order())
    assert desk.undated() == []
    assert desk.views.stats()["undated"] == 0


@pytest.mark.of_files
@pytest.mark.usefixtures("later")
def test_of_a_device_what_is_personal_goes_until_then_and_what_the_plant_says_stays(desk: Desk, hub: Sender) -> None:
    subject = Subject("ble:1", "room", "site", "zone")
    post(desk, hub, reading(subject), reading(subject, NOW + 60_000))
    erase(desk, hub, order("ble:1", "device", until=NOW / 1000 + 30))
    assert done(desk, hub) == [{"id": "e1", "readings": 1, "left": 2}]
    post(desk, hub, reading(subject, NOW + 10), reading(subject, NOW + 61_000))
    assert left(desk) == [("zone", "battery", 4), ("zone", "temperature", 2)]
    assert desk.views.latest(f"{hub.hub}/room/temperature")["time"] == NOW + 61_000


@pytest.mark.parametrize(
    "made",
    [
        order("group"), order("~group", "device"), order("", "device"), order("~group", "everything"),
        order("~" + "x" * 300), order("~group", until=-5.0),
    ],
)  # fmt: skip
def test_an_order_that_is_none_erases_nothing_and_is_not_lost(desk: Desk, hub: Sender, made: Row) -> None:
    post(desk, hub, reading())
    erase(desk, hub, made)
    assert done(desk, hub) == []
    assert ("~group", "temperature", 1) in left(desk)


def files(desk: Desk) -> bytes:
    return b"".join(path.read_bytes() for path in Path(desk.owner.database).parent.glob(f"{desk.owner.database.name}*"))


@pytest.mark.of_files
def test_the_erased_name_is_in_no_file_of_the_database(desk: Desk, hub: Sender) -> None:
    needle = b"~place"
    post(desk, hub, *[reading(time_ms=NOW + n) for n in range(300)])
    assert needle in files(desk), "the search finds it while it is there"
    erase(desk, hub, order())
    assert needle not in files(desk)
    post(desk, hub, reading(time_ms=NOW + 1000))
    assert needle not in files(desk), "and is not stored again"


def test_personal_readings_go_after_their_time_and_the_others_stay(desk: Desk, hub: Sender) -> None:
    day = 86_400_000
    post(desk, hub, reading(time_ms=NOW - 400 * day), reading(time_ms=NOW), row(NOW - 4000 * day))
    assert desk.purge(NOW / 1000) == 1
    assert left(desk) == [
        ("ground floor", "motion", 1), ("ground floor", "temperature", 1), ("~group", "battery", 2),
        ("~group", "temperature", 1),
    ]  # fmt: skip
    shown = {one["privacy"]: (one["days"], one["purged"]) for one in desk.views.retention()}
    assert {name: shown[name] for name in retention.READINGS} == {
        "personal": (396, 1),
        "environment": (0, 0),
        "technical": (0, 0),
    }


def test_a_purge_takes_so_many_at_once_and_goes_on(desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "AT_ONCE", 2)
    post(desk, hub, *[reading(time_ms=n * 3_600_000) for n in range(5)])
    desk.compact()
    desk.ingest.purge()
    chunks = open_chunks(desk.address)
    assert [compaction.Compactor(chunks).purge_due() for _ in range(3)] == [True, True, False]
    chunks.close()
    assert left(desk) == [("~group", "battery", 5)]


def unsure(desk: Desk, hub: Sender, times: range, boot: bytes = b"b" * 16) -> None:
    segment = hub.segment()
    blocks = [segment.block([reading(sure=False, time_ms=at)], boot) for at in times]
    desk.post(hub, segment.message(blocks))
    desk.settle()


def test_readings_without_a_time_go_by_when_they_arrived(desk: Desk, hub: Sender) -> None:
    unsure(desk, hub, range(5, 7))
    desk.compact()
    early = time.time()
    long_ago = early - 500 * 86_400
    desk.sql("update chunks set arrived_at = ?", long_ago)
    unsure(desk, hub, range(7, 8), b"c" * 16)
    for at in (long_ago + 395 * 86_400, early + 300 * 86_400):
        desk.purge(at)
        if at < early:
            assert len(desk.undated()) == 6, "its 396 days are not over"
    assert [(one.metric, one.mono) for one in desk.undated()] == [
        ("battery", 5), ("battery", 6), ("battery", 7), ("temperature", 7),
    ]  # fmt: skip
    shown = {one["privacy"]: one["purged"] for one in desk.views.retention()}
    assert [shown[name] for name in retention.READINGS] == [2, 0, 0]


@pytest.mark.of_files
def test_the_owner_says_how_long_each_class_stays(desk: Desk) -> None:
    where = str(desk.owner.database.parent)
    run = CliRunner().invoke(backend, ["retention", where, "--set", "personal=30", "--dry-run"])
    assert "396 days" in run.output
    run = CliRunner().invoke(backend, ["retention", where, "--set", "personal=30", "--set", "technical=1827"])
    assert run.exit_code == 0, run.output
    shown = {one["privacy"]: one["days"] for one in desk.views.retention()}
    assert [shown[name] for name in retention.READINGS] == [30, 0, 1827]
    assert set(shown) == set(retention.CLASSES)
    assert CliRunner().invoke(backend, ["retention", where, "--set", "wibble=3"]).exit_code != 0
    assert CliRunner().invoke(backend, ["erasures", where]).exit_code == 0


def test_a_pseudonym_lets_nothing_stay_of_a_device_that_was_erased_too(desk: Desk, hub: Sender) -> None:
    erase(desk, hub, order("ble:1", "device", "e1", NOW / 1000 + 9))
    erase(desk, hub, order(id_="e2"))
    post(desk, hub, reading(Subject("ble:1", "~place", "site", "~group")))
    assert left(desk) == []


def test_what_was_erased_stays_out_though_the_database_could_not_be_asked_when_a_batch_failed(
    plain: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = plain.enrol()
    erase(plain, hub, order())

    def refuse(*_: object) -> None:
        raise StorageError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(plain.ingest.storage.streams, "save", refuse)
        patch.setattr(plain.ingest.storage.erasures, "hidden", refuse)
        segment = hub.segment()
        late = segment.message([segment.block([reading()])])
        assert isinstance(plain.answer(hub, late), StorageError)
    plain.post(hub, late)
    assert left(plain) == []


class Refusing:
    """A connection to a database whose write-ahead log cannot be emptied."""

    def __init__(self, real: apsw.Connection) -> None:
        self._real = real

    def execute(self, statement: str, *arguments: Any) -> Any:
        if "wal_checkpoint" in statement:
            raise apsw.IOError("disk I/O error")
        return self._real.execute(statement, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_a_log_that_cannot_be_emptied_holds_up_no_acknowledgement_and_is_emptied_later(
    plain: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = plain.enrol()
    plain.ingest._traces = True
    segment = hub.segment()
    with monkeypatch.context() as patch:
        patch.setattr(plain.ingest.storage, "connection", Refusing(plain.database))
        assert 1 in plain.post(hub, segment.message([segment.block([row()])])).taken(segment)
    assert plain.ingest._traces
    plain.state(hub, hub.state())
    assert not plain.ingest._traces


def test_a_kill_before_the_log_was_emptied_leaves_nothing_of_the_erased_once_it_is_confirmed(
    plain: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, needle = plain.enrol(), b"~place"
    post(plain, hub, *[reading(time_ms=NOW + n) for n in range(300)])
    monkeypatch.setattr(SqliteChunks, "remove_traces", lambda *_: False)
    erase(plain, hub, order())
    assert done(plain, hub) == [], "somebody reads"
    shutil.copytree(plain.owner.directory, tmp_path / "killed")
    monkeypatch.undo()
    left = b"".join(path.read_bytes() for path in (tmp_path / "killed").glob("backend.db*"))
    assert needle in left, "the log still holds it"
    after = Desk(tmp_path / "killed")
    after.compact()
    assert done(after, hub) == [{"id": "e1", "readings": 600, "left": 0}]
    assert needle not in files(after)
    after.close()


def test_what_was_too_old_is_in_no_file_of_the_database_after_its_purge(plain: Desk) -> None:
    hub = plain.enrol()
    long_ago = int((time.time() - 400 * 86_400) * 1000)
    post(plain, hub, *[reading(time_ms=long_ago + n) for n in range(300)])
    plain.compact()
    (needle,) = (bytes(data) for (data,) in plain.sql("select data from chunks where privacy = 'personal'"))
    assert needle[:200] in files(plain)
    plain.ingest.purge()
    plain.purge_due(time.time())
    assert needle[:200] not in files(plain)


def test_an_order_given_again_and_again_makes_no_reading_dearer(desk: Desk, hub: Sender) -> None:
    for n in range(50):
        erase(desk, hub, order("ble:1", "device", f"e{n}", NOW / 1000 + n))
    post(desk, hub, reading(Subject("ble:1", "room-1", "school", "rooms"), time_ms=NOW + 48_000))
    desk.compact()
    late = {one["id"]: one["late"] for one in desk.views.erased()}
    assert late.pop("e49") > 0, "the one that reaches furthest stands for them"
    assert set(late.values()) == {0}
