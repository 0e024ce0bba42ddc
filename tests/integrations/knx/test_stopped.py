"""What waits for its turn to be written is not written once nobody wants it any more."""

from __future__ import annotations

import asyncio

import pytest

import hub
from hub.sdk.testing import settle
from integrations.knx import values, writing
from integrations.knx.book import Book
from integrations.knx.writing import Writer

GROUPS = {
    f"1/0/{n}": {"dpt": "1.001", "metric": metric, "write": f"1/0/{n}"}
    for n, metric in enumerate(("running", "powered"), 1)
}


class Bus:
    """Takes its time for each telegram."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.free = asyncio.Event()

    async def ask(self, address: int) -> None:
        raise AssertionError("nothing is to be asked")

    async def write(self, address: int, payload: int | bytes) -> None:
        self.written.append(address)
        await self.free.wait()


async def test_a_command_that_waits_for_others_when_all_writes_are_stopped_is_not_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "MOST_AT_ONCE", 1)
    book, bus, wanted, said = Book(values.value), Bus(), {"1", "2"}, list[tuple[str, str]]()
    device = hub.Device(id="knx:a", integration="knx", place="room", settings={"groups": GROUPS})
    assert book.refresh([device]) == {"knx:a": None}
    writer = Writer(
        book, bus, lambda command, state, detail: said.append((command.id, state)), 3, lambda one: one.id in wanted
    )
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for name, metric in (("1", "running"), ("2", "powered")):
            command = hub.Command(id=name, device="knx:a", metric=metric, value=True, expires=4e9)
            tasks.create_task(writer.carry_out(command))
        await settle()
        wanted.clear()
        bus.free.set()
    assert len(bus.written) == 1
    assert said == [("1", "sent"), ("1", "done")]
