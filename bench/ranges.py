"""Ranges of the operator's API over a month of a hub's chunks: times of questions, formats, lists.

    python bench/ranges.py [--days 31] [--devices 40]

The hub of `bench/compaction.py` lives so many days; then one series and many are asked as the API asks them, raw and by
interval. Beside that: rows in each format, and a page of the list of alarms among many.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
from compaction import HOUR_MS, Hub
from measure import figure

from backend.api import rows
from backend.api.operations import FORMATS
from backend.queries.intervals import Intervals, Step
from backend.queries.listings import Listings
from backend.queries.range_queries import Place, RangeQuery, Ranges
from backend.queries.views import Views
from backend.readings.compaction import QUIET_S
from backend.storage.opening import open_queries, open_storage

DAY_MS = 24 * HOUR_MS
ALARMS = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--devices", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "backend.db"
        hub = Hub(path, options.devices, options.days * 24 + 3)
        hub.live(options.days * 86_400 + QUIET_S, compact=True)
        end = int(hub.now * 1000)
        hub.chunks.close()
        hub.db.close()
        ask(Ranges(open_queries(path)), options, end)
        lists(path)


def ask(ranges: Ranges, options: argparse.Namespace, end: int) -> None:
    one = ("h/room-3/temperature",)
    span = (options.days - 1) * DAY_MS

    def asked(name: str, series: tuple[str, ...], length: int, step: Step | None, times: int = 20) -> None:
        query = RangeQuery(series, end - length, end, None if step is None else Intervals(step), 100_000)
        page = ranges.page(query, Place())
        took(name, lambda: ranges.page(query, Place()), times, f"{len(page.rows)} rows")

    asked("one series, a day, raw", one, DAY_MS, None)
    asked("one series, a day, by minute", one, DAY_MS, "minute")
    asked("one series, a day, by hour", one, DAY_MS, "hour")
    asked(f"one series, {options.days - 1} days, raw", one, span, None)
    asked(f"one series, {options.days - 1} days, by hour", one, span, "hour")
    asked(f"one series, {options.days - 1} days, by day", one, span, "day")
    rooms = tuple(f"h/room-{n}/temperature" for n in range(options.devices))
    asked(f"{len(rooms)} series, an hour, raw", rooms, HOUR_MS, None)
    asked(f"{len(rooms)} series, a day, by hour", rooms, DAY_MS, "hour", 5)
    took(f"newest readings of {len(rooms)} series", lambda: ranges.latest(rooms, end / 1000), 5)
    query = RangeQuery(rooms, end - 3 * DAY_MS, end, None, 100_000)
    page = ranges.page(query, Place())
    for form in FORMATS:
        told = rows.history(query, page, "UTC", 0, None)
        took(f"{len(page.rows)} rows as {form}", lambda form=form, told=told: rows.rendered(told, form), 5)  # type: ignore[misc]
    took("the same rows as they are told of", lambda: rows.history(query, page, "UTC", 0, None), 5)


def lists(path: Path) -> None:
    storage = open_storage(path)
    with storage.transaction():
        for number in range(ALARMS):
            storage.alarms.raise_one("bench", f"hub-{number % 300}", f"alarm {number}", None, 1e9 + number, ALARMS)
    storage.close()
    listings = Listings(Views(open_queries(path)))
    _, following = listings.alarms("", False, "", 1000)
    took(f"a page of 1,000 alarms among {ALARMS}", lambda: listings.alarms("", False, following or "", 1000), 5)


def took(name: str, ask: Callable[[], object], times: int, note: str = "") -> None:
    walls, worked = [], []
    for _ in range(times):
        began, at = time.perf_counter(), time.process_time()
        ask()
        walls.append(time.perf_counter() - began)
        worked.append(time.process_time() - at)
    about = f"CPU {sorted(worked)[times // 2] * 1e3:.1f} ms"
    figure(f"{name}, p95", sorted(walls)[-1 - times // 20] * 1e3, "ms", f"{about}; {note}" if note else about)


if __name__ == "__main__":
    main()
