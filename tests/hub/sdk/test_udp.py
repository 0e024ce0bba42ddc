"""A UDP port that other programs want too: who has it is said, and only broadcasts are shared."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hub.core.errors import NotReady
from hub.sdk import udp
from tests import ports

pytestmark = pytest.mark.real("network")

EVERYBODY = "127.255.255.255"


def free_port() -> int:
    return ports.free_port("0.0.0.0", socket.SOCK_DGRAM)


def test_every_program_that_shares_a_broadcast_address_hears_each_datagram() -> None:
    port = free_port()
    with (
        udp.bound(EVERYBODY, port, shared=True) as one,
        udp.bound(EVERYBODY, port, shared=True) as two,
        udp.bound("127.0.0.9", port, broadcasts=True) as sender,
    ):
        assert not one.getblocking()
        for sock in (one, two):
            sock.settimeout(60)
        sender.sendto(b"who is there", (EVERYBODY, port))
        assert [sock.recv(100) for sock in (one, two)] == [b"who is there"] * 2


def test_an_address_of_ones_own_is_shared_with_nobody() -> None:
    port = free_port()
    with (
        udp.bound("127.0.0.9", port),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as greedy,
    ):
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            greedy.bind(("127.0.0.9", port))
        with pytest.raises(NotReady, match=f"0.0.0.0 UDP port {port} is taken: .* listens on 127.0.0.9:{port}"):
            udp.bound("0.0.0.0", port)


@pytest.mark.parametrize("table", ["gone", "empty", "nonsense"])
def test_a_taken_address_is_named_also_where_the_system_does_not_say_who_has_it(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if table != "gone":
        (tmp_path / table).write_text("" if table == "empty" else "head\n1: zz:zz\n")
    monkeypatch.setattr(udp, "TABLE", tmp_path / table)
    port = free_port()
    with udp.bound("127.0.0.9", port), pytest.raises(NotReady, match=f"listens on 127.0.0.9:{port}"):
        udp.bound("127.0.0.9", port)


def test_an_address_of_another_machine_is_said_to_be_one() -> None:
    with pytest.raises(NotReady, match=r"192\.0\.2\.77 is no address of this machine"):
        udp.bound("192.0.2.77", free_port())
