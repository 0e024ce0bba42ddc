"""A query answers as a naive list of readings does, whatever order things happen in: arrivals, late ones, boots that
get a clock, erasures, retention, kills in the middle of a change, and readers that hold a snapshot meanwhile."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from backend.queries.series_history import SeriesHistory, StoredReading
from backend.readings.compaction import QUIET_S, WAIT_S
from backend.storage.sqlite.chunks import SqliteHubSnapshot, hub_snapshot
from backend.storage.sqlite.schema import open_for_reading
from hub.core.model import Position
from hub.protocol.records.rows import Row, Subject

from ..compaction_kit import CLIMATE, COUNT, FAR, HOUR, LABEL, NOW, Town

HUBS = "h", "i"
BOOTS = b"1" * 16, b"2" * 16
SUBJECTS = [
    Subject(device, place, "site", zone)
    for device in ("d1", "d2")
    for place, zone in (("p1", "~z"), ("", "open"), ("p2", "open"))
]
METRICS = ("temperature", "motion", "count", "label", "rssi", "latitude")
PERSONAL = ("motion", "latitude")
CLASS = {"temperature": "environment", "label": "technical", "count": "technical", "rssi": "carried"} | dict.fromkeys(
    PERSONAL, "personal"
)


@dataclass
class Told:
    """A reading as it was sent. `either`: whether it is still there may depend on when the compactor ran."""

    hub: str
    boot: bytes
    origin: int
    subject: Subject
    metric: str
    time_ms: int
    value: Any
    arrived: float
    either: bool = False
    gone: bool = False


@st.composite
def rows(draw: st.DrawFn, boot: bool) -> list[Row]:
    made = []
    for _ in range(draw(st.integers(1, 6))):
        subject = draw(st.sampled_from(SUBJECTS))
        shape = draw(st.sampled_from((CLIMATE, COUNT, LABEL)))
        time_ms = draw(st.integers(0, 30)) * HOUR + draw(st.sampled_from((0, 1, HOUR - 1)))
        time_ms = time_ms if boot else NOW - time_ms
        number = draw(st.integers(-500, 500))
        values: tuple[Any, ...] = {
            CLIMATE: (number / 100, number > 0), COUNT: (number,), LABEL: (f"t{number % 3}", number / 100),
        }[shape]  # fmt: skip
        rssi = draw(st.sampled_from((None, -60, -90)))
        where = draw(st.sampled_from((None, None, Position(latitude=48.5, longitude=2.5))))
        made.append(Row(subject, shape, time_ms, not boot, values, 0, 1, rssi, where))
    return made


class Killed(Exception):
    """The process ends here."""


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self.town = Town(Path(self._directory.name) / "backend.db")
        self.told: list[Told] = []
        self.clocks: dict[tuple[str, bytes], int] = {}
        self.orders: list[tuple[str, str, str, int]] = []
        self.held: tuple[apsw.Connection, SqliteHubSnapshot, dict[tuple[str, str], Any]] | None = None

    def teardown(self) -> None:
        if self.held is not None:
            self.held[0].close()
        self.town.close()
        self._directory.cleanup()

    # what happens

    @rule(hub=st.sampled_from(HUBS), epoch=st.integers(0, 1), boot=st.sampled_from((b"", b"", *BOOTS)), data=st.data())
    def arrive(self, hub: str, epoch: int, boot: bytes, data: st.DataObject) -> None:
        some = data.draw(rows(bool(boot)))
        record = self.town.arrive(hub, some, boot, epoch)
        shapes = list(dict.fromkeys(row.shape for row in some))
        numbering = self.town._numberings[hub, epoch]
        some.sort(key=lambda row: (shapes.index(row.shape), numbering.subjects[row.subject], row.time_ms))
        for at, row in enumerate(some):
            values = dict(zip((column.metric for column in row.shape.columns), row.values, strict=True))
            values |= {} if row.rssi is None else {"rssi": row.rssi}
            values |= {} if row.position is None else {"latitude": row.position.latitude}
            for metric, value in values.items():
                origin = (record << 12) + at
                one = Told(hub, boot, origin, row.subject, metric, row.time_ms, value, self.town.now)
                one.gone = any(self._reached(one, order) for order in self.orders)
                self.told.append(one)

    @rule(
        hub=st.sampled_from(HUBS),
        boot=st.sampled_from(BOOTS),
        hours=st.integers(0, 40),
        error=st.sampled_from((0, 9000)),
    )
    def date(self, hub: str, boot: bytes, hours: int, error: int) -> None:
        self.town.date(hub, boot, NOW - hours * HOUR + 7, error)
        self.clocks[hub, boot] = NOW - hours * HOUR + 7
        for one in self.told:  # of the readings that an order reached by another date, some may be gone
            if (one.hub, one.boot) == (hub, boot) and one.gone:
                one.gone = any(self._reached(one, order) for order in self.orders)
                one.either = one.either or not one.gone
            elif (one.hub, one.boot) == (hub, boot):
                one.gone = any(self._reached(one, order) for order in self.orders)

    @rule(
        hub=st.sampled_from(HUBS),
        order=st.one_of(
            st.tuples(st.just("pseudonym"), st.just("~z"), st.just(FAR)),
            st.tuples(
                st.just("device"), st.sampled_from(("d1", "d2")), st.integers(0, 30).map(lambda n: NOW - n * HOUR)
            ),
        ),
    )
    def order(self, hub: str, order: tuple[str, str, int]) -> None:
        self.town.order(hub, *order)
        self.orders.append((hub, *order))
        for one in self.told:
            one.gone = one.gone or self._reached(one, self.orders[-1])

    @rule(seconds=st.sampled_from((1.0, WAIT_S, QUIET_S, 4 * 3600.0)))
    def wait(self, seconds: float) -> None:
        self.town.now += seconds

    @rule(pieces=st.integers(1, 4))
    def compact(self, pieces: int) -> None:
        for _ in range(pieces):
            self.town.compactor.work()

    @rule()
    def finish(self) -> None:
        self.town.settle(WAIT_S + QUIET_S + 1)
        assert self.town.sql("select count(*) from bodies") == [(0,)]
        assert self.town.sql("select count(*) from chunks where loose = 1") == [(0,)]

    @rule(statement=st.integers(1, 12), pieces=st.integers(1, 3))
    def kill(self, statement: int, pieces: int) -> None:
        """The process is killed at the n-th statement that it writes, in whatever it is doing."""
        left = statement

        def trace(*_: Any) -> bool:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            return True

        self.town.now += WAIT_S
        self.town.chunks._db.exec_trace = trace
        try:
            for _ in range(pieces):
                self.town.compactor.work()
        except Killed:
            pass
        self.town.restart()

    @rule(days=st.sampled_from((1, 2)), kind=st.sampled_from(("personal", "environment", "technical")))
    def purge(self, days: int, kind: str) -> None:
        self.town.settle(WAIT_S + QUIET_S + 1)
        self.town.compactor.purge({kind: days})
        before = (self.town.now - days * 86_400) * 1000
        for one in self.told:
            classes = [kind] if CLASS[one.metric] != "carried" else ["personal", "environment", "technical"]
            if kind not in classes or (CLASS[one.metric] not in (kind, "carried")):
                continue
            time_ms = self._time(one)
            if time_ms is None:
                one.either = one.either or one.arrived * 1000 < before
            elif CLASS[one.metric] == "carried" or one.metric == "temperature":
                one.either = one.either or time_ms < before
            elif time_ms + HOUR <= before:
                one.gone = True
            elif time_ms < before:
                one.either = True

    @precondition(lambda self: self.held is None)
    @rule(hub=st.sampled_from(HUBS))
    def hold(self, hub: str) -> None:
        """Somebody begins to read, and takes long."""
        db = open_for_reading(self.town.path)
        db.execute("begin")
        series = {(subject.device, metric) for subject in SUBJECTS for metric in METRICS}
        self.held = db, SqliteHubSnapshot(db, hub), {key: self._expected(hub, *key) for key in series}

    @precondition(lambda self: self.held is not None)
    @rule()
    def read_on(self) -> None:
        """What is read on in a snapshot is what was there when it began."""
        assert self.held is not None
        db, seen, expected = self.held
        for (device, metric), (must, may) in expected.items():
            history = SeriesHistory(seen, device, metric)
            self._compare(must, may, list(history.between(-FAR, FAR)), history.undated())
        db.close()
        self.held = None

    # what must hold

    @invariant()
    def every_reading_is_there_once_at_its_time(self) -> None:
        with closing(open_for_reading(self.town.path)) as db:
            for hub in HUBS:
                with hub_snapshot(db, hub) as seen:
                    for device in ("d1", "d2"):
                        for metric in METRICS:
                            history = SeriesHistory(seen, device, metric)
                            got, undated = list(history.between(-FAR, FAR)), history.undated()
                            newest = history.latest(FAR)
                            self._compare(*self._expected(hub, device, metric), got, undated)
                            assert (newest and newest[:5]) == (got[-1][:5] if got else None)

    @staticmethod
    def _compare(must: set[Any], may: set[Any], got: list[StoredReading], undated: list[StoredReading]) -> None:
        said = [(one.boot, one.time_ms, one.origin, one.value, one.subject.place) for one in (*got, *undated)]
        assert len(set(said)) == len(said), "a reading is there twice"
        assert must <= set(said), f"lost {must - set(said)}"
        assert set(said) <= must | may, f"too many: {set(said) - must - may}"
        assert [(one.time_ms, one.origin) for one in got] == sorted((one.time_ms, one.origin) for one in got)

    def _expected(self, hub: str, device: str, metric: str) -> tuple[set[Any], set[Any]]:
        must, may = set(), set()
        for one in self.told:
            if one.hub == hub and one.subject.device == device and one.metric == metric and not one.gone:
                time_ms = self._time(one)
                boot = one.boot if time_ms is None else b""
                told = boot, one.time_ms if time_ms is None else time_ms, one.origin, one.value, one.subject.place
                (may if one.either else must).add(told)
        return must, may

    def _time(self, one: Told) -> int | None:
        if not one.boot:
            return one.time_ms
        offset = self.clocks.get((one.hub, one.boot))
        return None if offset is None else one.time_ms + offset

    def _reached(self, one: Told, order: tuple[str, str, str, int]) -> bool:
        hub, kind, name, until = order
        if one.hub != hub:
            return False
        if kind == "pseudonym":
            return one.subject.zone == name
        if one.subject.device != name:
            return False
        time_ms = self._time(one)
        if one.metric not in PERSONAL:
            return False
        return time_ms is None or time_ms < until


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=15, stateful_step_count=25)
