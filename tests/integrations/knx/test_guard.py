"""Datagrams of strangers for the socket of a tunnel or of routing: dropped, whatever they say."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
from typing import Any

import pytest
from xknx.exceptions import CouldNotParseKNXIP
from xknx.io.transport.udp_transport import UDPTransport
from xknx.knxip import KNXIPFrame, SearchResponse

from integrations.knx import guard, link

CONTROL, DEVICE = "0801c0a800010e57", "3601020011010000000102030405e000170c001122334455" + "41" * 30
SERVICES = "0a020201030104010501"
FRAMES = [
    bytes.fromhex(text)
    for text in (
        "06100530001129 00bce011010901010081", "06100201000e" + CONTROL, "061002020050" + CONTROL + DEVICE + SERVICES,
        "06100420001504010200" + "2900bce011010901010081", "061002040046" + DEVICE + SERVICES,
        "0610020b0018" + CONTROL + SERVICES, "061002060014" + "0100" + CONTROL + "04041101", "06100533001100112233",
        "06100950001e" + "00" * 24, "061009550024" + "11" * 30,
    )
]  # fmt: skip
ENDLESS = bytes.fromhex("06100202001a" + CONTROL + "0002" + "00" * 10)
"""A search response whose list of services has length 0."""


def test_the_parser_that_the_connection_uses_is_the_guarded_one() -> None:
    assert link.guard is guard
    assert KNXIPFrame.from_knx is guard.from_knx


@pytest.mark.real("processes")
def test_a_block_without_a_length_is_refused_where_the_library_alone_does_not_end() -> None:
    with pytest.raises(CouldNotParseKNXIP):
        KNXIPFrame.from_knx(ENDLESS)
    twin = (
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (2, 2)); resource.setrlimit(resource.RLIMIT_AS, "
        f"(1 << 30, 1 << 30)); from xknx.knxip import KNXIPFrame; KNXIPFrame.from_knx(bytes.fromhex('{ENDLESS.hex()}'))"
    )
    done = subprocess.run([sys.executable, "-c", twin], capture_output=True, text=True, check=False)
    assert done.returncode < 0 or "MemoryError" in done.stderr, "it ended by itself: the guard may go"


def test_a_right_answer_to_a_search_is_read() -> None:
    frame, rest = KNXIPFrame.from_knx(bytes.fromhex("06100202004e" + CONTROL + DEVICE + SERVICES))
    assert isinstance(frame.body, SearchResponse)
    assert (len(frame.body.dibs), rest) == (2, b"")


@pytest.mark.parametrize("seed", range(4))
def test_whatever_a_datagram_holds_the_transport_takes_or_drops_it(seed: int) -> None:
    rng = random.Random(seed)
    transport: Any = UDPTransport(local_addr=("127.0.0.1", 0), remote_addr=("127.0.0.1", 3671))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(5000):
        said = bytearray(rng.choice(FRAMES))
        for _ in range(rng.randrange(6)):
            said[rng.randrange(len(said))] = rng.choice([0, 1, 255, rng.randrange(256)])
        said = said[: rng.randrange(len(said) + 1)] if rng.random() < 0.3 else said
        if rng.random() < 0.7 and len(said) > 6:
            said[:2], said[4:6] = b"\x06\x10", len(said).to_bytes(2, "big")
        transport.data_received_callback(bytes(said), ("127.0.0.1", 5))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
