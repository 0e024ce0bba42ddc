"""Bytes of a real connection are counted as the other end sees them."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.store_and_forward.link.traffic import Traffic
from tests.serving import start_server

JANUARY, FEBRUARY = 1_769_000_000.0, 1_771_000_000.0


@pytest.mark.real("network")
async def test_a_socket_counts_what_the_other_end_received_and_sent() -> None:
    seen = {"got": 0}

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                seen["got"] += len(data)
            writer.write(bytes(70_000))
        finally:
            writer.close()

    server = await start_server(peer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    traffic = Traffic(lambda: JANUARY)
    (address,) = await asyncio.get_running_loop().getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM)
    made = traffic.socket(address)
    await asyncio.get_running_loop().sock_connect(made, address[4])
    reader, writer = await asyncio.open_connection(sock=made)
    writer.writelines([bytes(100_000), bytes(1)])
    writer.write_eof()
    assert len(await reader.read()) == 70_000
    writer.close()
    await writer.wait_closed()
    server.close()
    assert (traffic.month().up, traffic.month().down) == (seen["got"], 70_000)
    assert seen["got"] == 100_001


def test_a_new_month_starts_at_zero_and_an_unsure_clock_starts_none() -> None:
    now: list[float | None] = [None]
    traffic = Traffic(lambda: now[0])
    traffic.add(1, 2)
    assert traffic.remembered() == {"month": "", "up": 1, "down": 2}
    now[0] = JANUARY
    traffic.add(1, 2)
    assert traffic.remembered() == {"month": "2026-01", "up": 2, "down": 4}
    now[0] = None
    assert traffic.month().month == "2026-01"
    now[0] = FEBRUARY
    traffic.add(1, 0)
    assert traffic.remembered() == {"month": "2026-02", "up": 1, "down": 0}


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.dictionaries(st.text(), x) | st.lists(x)))
def test_whatever_was_kept_it_starts(memory: object) -> None:
    assert Traffic(lambda: JANUARY, memory).month().month == "2026-01"
