"""The machine of `test_compaction_machine` against PostgreSQL: the compactor's client vanishes at any statement, and
readers hold their snapshots while hours of bodies are dropped."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, ClassVar

import postgres_kit
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from backend.queries.series_history import SeriesHistory
from backend.readings.compaction import QUIET_S, WAIT_S
from backend.storage.postgresql import rewriting
from backend.storage.postgresql import upkeep as spent
from backend.storage.postgresql.connection import READING, Database
from backend.storage.postgresql.hub_snapshot import PostgresHubSnapshot
from backend.storage.postgresql.moments import moment

from ..compaction_kit import FAR
from ..postgres_town import PostgresTown, killed_at
from .test_compaction_machine import HUBS, METRICS, SUBJECTS, Killed, Machine

EVERY = [(device, metric) for device in ("d1", "d2") for metric in METRICS]


class PostgresMachine(Machine):
    shared: ClassVar[postgres_kit.Shared]

    def __init__(self) -> None:
        RuleBasedStateMachine.__init__(self)
        self.town: Any = PostgresTown(self.shared.emptied())
        self.told, self.clocks, self.orders, self.held = [], {}, [], None
        self._reader: tuple[ExitStack, PostgresHubSnapshot, dict[tuple[str, str], Any]] | None = None
        self._watching = Database(self.town.url, name="a watcher", purpose=READING)
        for hub in HUBS:
            self.town.enrol(hub)

    def teardown(self) -> None:
        if self._reader is not None:
            self._reader[0].close()
        self._watching.close()
        self.town.close()

    @rule(statement=st.integers(1, 25), pieces=st.integers(1, 3))
    def kill(self, statement: int, pieces: int) -> None:
        self.town.now += WAIT_S
        for database in (self.town.chunks._writing, self.town.chunks._upkeep._database):
            killed_at(database.session(), statement, Killed)
        try:
            for _ in range(pieces):
                self.town.compactor.work()
        except Killed:
            pass
        self.town.restart()

    @rule()
    def finish(self) -> None:
        self.town.settle(WAIT_S + QUIET_S + 1)
        assert self.town.sql("select count(*) from bodies") == [(0,)]
        assert self.town.sql("select count(*) from chunks where loose = 1") == [(0,)]

    @rule()
    def hours_pass(self) -> None:
        """Bodies that are in chunks are dropped, unless somebody reads."""
        self.town.settle(3 * 3600.0)
        self.town.settle(spent.LOOK_S)

    @precondition(lambda self: self._reader is None)
    @rule(hub=st.sampled_from(HUBS))
    def hold(self, hub: str) -> None:
        stack = ExitStack()
        seen = stack.enter_context(self.town.snapshot(hub))
        series = {(subject.device, metric) for subject in SUBJECTS for metric in METRICS}
        self._reader = stack, seen, {key: self._expected(hub, *key) for key in series}

    @precondition(lambda self: self._reader is not None)
    @rule()
    def read_on(self) -> None:
        assert self._reader is not None
        stack, seen, expected = self._reader
        for (device, metric), (must, may) in expected.items():
            history = SeriesHistory(seen, device, metric)
            self._compare(must, may, list(history.between(-FAR, FAR)), history.undated())
        stack.close()
        self._reader = None

    @invariant()
    def every_reading_is_there_once_at_its_time(self) -> None:
        for hub in HUBS:
            with moment(self._watching) as now:
                seen = PostgresHubSnapshot(now, hub)
                for device, metric in EVERY:
                    history = SeriesHistory(seen, device, metric)
                    got, undated = list(history.between(-FAR, FAR)), history.undated()
                    newest = history.latest(FAR)
                    self._compare(*self._expected(hub, device, metric), got, undated)
                    assert (newest and newest[:5]) == (got[-1][:5] if got else None)


@pytest.fixture
def machine(postgres: postgres_kit.Shared, monkeypatch: pytest.MonkeyPatch) -> type[PostgresMachine]:
    monkeypatch.setattr(rewriting, "LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(rewriting, "_ATTEMPTS", 1)
    monkeypatch.setattr(spent, "FIRST_PATIENCE_S", 1)
    PostgresMachine.shared = postgres
    return PostgresMachine


@pytest.mark.long("each question is a round trip to a server")
def test_every_reading_is_read_once_whatever_order_things_happen_in(machine: type[PostgresMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
