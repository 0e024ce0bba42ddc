"""No call of a store leaves a cursor behind: apsw 3.54 never frees one that is held while another statement runs."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from pathlib import Path

import apsw
import pytest

from hub.core.model import Report
from hub.core.store import Store
from hub.history.rollups.tables import SCHEMA, RollupTables, StoredSeries
from hub.onboarding.adoption import tables as adopted
from hub.pipeline.holding_queue.table import HeldReport
from hub.pipeline.holding_queue.table import HeldReportTable as Held

KEY = bytes(range(32))


def cursors() -> int:
    gc.collect()
    return sum(isinstance(one, apsw.Cursor) for one in gc.get_objects())


async def named(store: Store, number: int) -> None:
    new = [
        StoredSeries(n=0, place=f"p{number}-{at}", metric="co2", unit="[ppm]", step="1", counter=False)
        for at in range(5)
    ]
    assert len({one.n for one in await RollupTables(store, store).name(new)}) == 5


async def shed(store: Store, number: int) -> None:
    report = Report(device=f"ble:{number}", values={"temperature": 1.0})
    held = [HeldReport(report, 1.0, 1.0, "boot", float(at), None) for at in range(400)]
    assert await Held(store, 3600.0, 10_000).add(held, 1.0) > 128, "two statements at least"


async def loaded(store: Store, number: int) -> None:
    await adopted.load(store)


@pytest.mark.parametrize(("work", "schema"), [(named, SCHEMA), (shed, None), (loaded, None)])
async def test_a_call_of_a_store_leaves_no_cursor_behind(
    tmp_path: Path, work: Callable[[Store, int], Awaitable[None]], schema: tuple[str, ...] | None
) -> None:
    store = await (Store.open(tmp_path / "a.db", KEY, schema) if schema else Store.open(tmp_path / "a.db", KEY))
    before = cursors()
    for number in range(3):
        await work(store, number)
    assert cursors() == before
    await store.close()
