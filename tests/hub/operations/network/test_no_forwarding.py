"""Nothing is forwarded between two networks, also where the kernel would: the rule that the package loads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.operations.network.service import forwarding
from tests.journeys.netns_kit import BEYOND, PREFIX, THERE, missing, namespace, second_network

ROOT = Path(__file__).resolve().parents[4]
RULE, SYSCTL = ROOT / "deploy/nftables/ilot.nft", ROOT / "deploy/sysctl/60-ilot-no-forwarding.conf"
NAME = f"{PREFIX}{os.getpid()}"
DIAL = "import socket, sys; socket.create_connection((sys.argv[1], 9), float(sys.argv[2]))"
PATIENCE_S = 30.0
"""A link that was just made carries nothing for up to a second; the kernel tries again after one, three, seven."""


@pytest.fixture
def inside() -> Iterator[list[str]]:
    """The words that start a program in a machine with two networks; this thread is in one of them."""
    if why := missing():
        pytest.skip(why)
    if shutil.which("nft", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip("nft is missing: apt-get install nftables")
    with namespace(NAME) as words, second_network(NAME):
        yield words


def passes() -> bool:
    """Whether the machine beyond is reached: it refuses the connection."""
    return reached(BEYOND)


def dropped() -> bool:
    return not reached(BEYOND, 1.0)


def reached(there: str = THERE, seconds: float = PATIENCE_S) -> bool:
    command = [sys.executable, "-c", DIAL, there, str(seconds)]
    return "ConnectionRefused" in subprocess.run(command, capture_output=True, text=True, check=False).stderr


@pytest.mark.real("processes")
def test_the_rule_drops_what_a_kernel_that_forwards_would_pass(inside: list[str]) -> None:
    subprocess.run([*inside, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1"], check=True)
    assert passes(), "the twin: without the rule the packet passes, and the oracle sees it"
    for _ in range(2):  # loaded twice it is the same
        done = subprocess.run([*inside, "/usr/sbin/nft", "-f", str(RULE)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert dropped()
    assert reached(), "the machine itself still answers"
    subprocess.run([*inside, "/usr/sbin/nft", "delete", "table", "inet", "ilot"], check=True)
    assert passes()


@pytest.mark.real("processes")
def test_the_file_for_sysctl_switches_forwarding_off(inside: list[str]) -> None:
    subprocess.run([*inside, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1"], check=True)
    assert passes()
    subprocess.run([*inside, "sysctl", "-q", "-p", str(SYSCTL)], check=True, capture_output=True)
    assert dropped()
    assert reached()


def test_a_machine_that_forwards_names_its_switches(tmp_path: Path) -> None:
    (tmp_path / "net/ipv4").mkdir(parents=True)
    (tmp_path / "net/ipv6/conf/all").mkdir(parents=True)
    (tmp_path / "net/ipv4/ip_forward").write_text("1\n")
    (tmp_path / "net/ipv6/conf/all/forwarding").write_text("0\n")
    assert forwarding(tmp_path) == ["net.ipv4.ip_forward"]
    assert forwarding(tmp_path / "nowhere") == []
