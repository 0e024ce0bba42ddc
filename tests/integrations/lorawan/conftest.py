"""LoRaWAN by another implementation: npm `lora-packet`, in one process for the whole run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lorawan_peer import LoraPacket


@pytest.fixture(scope="session")
def lora_packet() -> Iterator[LoraPacket]:
    peer = LoraPacket()
    yield peer
    peer.close()
