"""An owner's ingest over PostgreSQL, for the tests that ask either engine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import psycopg
from backend_kit import Desk
from psycopg.conninfo import conninfo_to_dict

from backend.ingest.core import Ingest
from backend.queries.series_history import SeriesHistory
from backend.readings.purge_clock import check_start
from backend.storage.opening import open_queries, open_storage
from tests.stored import FAR, ORIGIN_BITS, Stored

VIEWS = """
create schema if not exists as_sqlite;
create or replace view as_sqlite.series as select h.hub, s.place, s.metric, s.device, s.privacy, s.day, s.zone
    from ilot.series s join ilot.hubs h on h.number = s.hub;
create or replace view as_sqlite.streams as select s.id, h.hub, s.run, s.stream, s.started_at
    from ilot.streams s join ilot.hubs h on h.number = s.hub;
create or replace view as_sqlite.tables as select * from ilot.epoch_tables;
create or replace view as_sqlite.witnesses as select * from ilot.anchors;
create or replace view as_sqlite.asked as select * from ilot.lookups;
create or replace view as_sqlite.erasing as select * from ilot.erasures;
create or replace view as_sqlite.doors as select * from ilot.callback_tokens;
"""
"""The tables as the tests know them of SQLite."""


class PostgresDesk(Desk):
    """An owner's ingest over a database that belongs to the test."""

    def __init__(self, directory: Path, url: str) -> None:
        super().__init__(directory, address=url)
        with psycopg.connect(**conninfo_to_dict(url), autocommit=True) as session:  # type: ignore[arg-type]
            session.execute(VIEWS)

    def _made(self) -> Ingest:
        storage = open_storage(self.address)
        check_start(storage, time.time())
        with storage.transaction():
            storage.numbers.begin()
        return Ingest(storage, self.owner)

    def sql(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        given = conninfo_to_dict(str(self.address))
        with psycopg.connect(**given, autocommit=True, options="-c search_path=as_sqlite,ilot") as session:  # type: ignore[arg-type]
            done = session.execute(statement.replace("?", "%s"), arguments)  # type: ignore[call-overload]
            return done.fetchall() if done.description else []

    def seen_at(self, moment: float) -> None:
        self.sql(
            "insert into hub_states select number, '', 0, ? from hubs"
            " on conflict (hub) do update set seen_at = excluded.seen_at",
            moment,
        )

    def stored(self) -> list[Stored]:
        found = []
        lines = self.sql("select hub, place, metric, device from series order by 1, 2, 3, 4")
        with open_queries(self.address).snapshot() as now:
            for hub, place, metric, device in lines:
                history = SeriesHistory(now.hub(hub), device, metric, place)
                about = hub, place, metric, device
                for one in history.between(-FAR, FAR):
                    flags = one.quality + 16 * one.trust
                    found.append(Stored(*about, one.time_ms, one.value, flags, one.origin >> ORIGIN_BITS))
                for one in history.undated():
                    flags = one.quality + 16 * one.trust
                    record = one.origin >> ORIGIN_BITS
                    found.append(Stored(*about, None, one.value, flags, record, one.time_ms, one.boot))
        return found
