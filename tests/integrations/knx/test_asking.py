"""Questions to the bus come sooner where somebody wants that for a while, and what an answer takes is known."""

from __future__ import annotations

import hub
from integrations.knx import addresses, values
from integrations.knx.asking import Asker
from integrations.knx.book import Book

GROUPS = {
    "1/0/1": {"dpt": "9.001", "metric": "temperature", "every": "PT600S"},
    "1/0/2": {"dpt": "9.007", "metric": "humidity", "every": "PT60S"},
    "1/0/3": {"dpt": "9.008", "metric": "co2"},
}


async def test_a_device_is_asked_sooner_never_more_seldom_and_only_what_is_asked_at_all() -> None:
    book = Book(values.value)
    device = hub.Device(id="knx:a", integration="knx", place="room", settings={"groups": GROUPS})
    assert book.refresh([device]) == {"knx:a": None}
    now, asked = [1000.0], list[int]()

    async def ask(address: int) -> None:
        asked.append(address)
        asker.heard(address)

    async def nobody(address: int) -> None:
        raise AssertionError("it was answered")

    asker = Asker(book, ask, nobody, lambda address, error: None, 1.0, lambda: now[0])
    first, second = addresses.group("1/0/1"), addresses.group("1/0/2")
    await asker.ask(asker.next())
    assert sorted(asked) == [first, second]
    assert sorted(asker.took) == [first, second]
    assert max(asker.took.values()) < 1.0
    now[0] += 30
    assert asker.next() == []
    asker.quick = {"knx:a": 20.0}
    assert sorted(asker.next()) == [first, second]
    asker.quick = {"knx:a": 3600.0}
    now[0] += 31
    assert asker.next() == [second], "what is configured to be asked more often goes on so"
