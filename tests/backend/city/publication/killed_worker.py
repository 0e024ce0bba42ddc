"""A worker for a test that kills it: makes what is due of the data set `energie`, slowly, and ends."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[4]))

from backend.city.publication import making, worker
from backend.city.publication.calendar import DAY_S
from backend.city.store import CityStore
from backend.storage.city.database import open_city
from tests.backend.city.publication.attack import START, Thing
from tests.backend.city.publication.publication_kit import wave


async def main(directory: str, address: str) -> None:
    making.MOST_CELLS = 12
    where = address if "://" in address else Path(address)
    store = CityStore(open_city(Path(directory), where))
    numbers = [*range(1, 13), *range(20, 24), *range(40, 51)]
    source = wave([Thing(n, "energy", "", "", "", "") for n in numbers], 24 * 8)
    print("begins", flush=True)
    while await worker.step(store, source, START + 15 * DAY_S, {}):
        time.sleep(0.01)
    await store.close()


asyncio.run(main(*sys.argv[1:]))
