"""LoRaWAN by another implementation: npm `lora-packet`, in one process for the whole run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lorawan_peer import LoraPacket
from serving_kit import Forwarder


@pytest.fixture(scope="session")
def lora_packet() -> Iterator[LoraPacket]:
    peer = LoraPacket()
    yield peer
    peer.close()


@pytest.fixture
async def forwarder() -> AsyncIterator[Callable[[int], Awaitable[Forwarder]]]:
    made: list[Forwarder] = []

    async def connect(port: int) -> Forwarder:
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_datagram_endpoint(Forwarder, remote_addr=("127.0.0.1", port))
        made.append(protocol)
        return protocol

    yield connect
    for protocol in made:
        protocol.transport.close()
