"""A small test that starts a process, uses the network or sleeps fails by name; a real one may, if it says so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from .test_run_tests import run

pytestmark = pytest.mark.real("processes")
DOES = """
import asyncio, os, socket, subprocess, sys, threading, time, pytest

def test_starts(): subprocess.run(["true"])
def test_forks():
    if not (pid := os.fork()): os._exit(0)
    os.waitpid(pid, 0)
def test_binds(): socket.create_server(("127.0.0.1", 0)).close()
def test_binds_where_it_is_caught():
    try: socket.create_server(("192.0.2.1", 0)).close()
    except OSError: pass
async def test_sends():
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=("127.0.0.1", 9)
    )
    transport.close()
def test_sleeps(): time.sleep(0.05)
@pytest.fixture
def server(): return subprocess.run(["true"])
def test_uses(server): pass
@pytest.fixture(scope="module")
def shared(): return subprocess.run(["true"])
def test_uses_first(shared): pass
def test_uses_after_another(shared): pass
"""
DOES_NOT = """
import asyncio, socket, threading, time, pytest

def test_gives_way(): time.sleep(0)
def test_talks_in_memory():
    one, other = socket.socketpair()
    with one, other: one.sendall(b"x")
async def test_listens_on_a_path(tmp_path):
    server = await asyncio.start_unix_server(lambda *_: None, tmp_path / "s")
    server.close()
def test_writes(tmp_path): (tmp_path / "file").write_text("x")
async def test_waits_in_a_loop(): await asyncio.to_thread(int)
def test_uses_none_of_the_shared_one(): pass
"""


def test_what_a_small_test_may_not_do_makes_it_fail_by_name(tmp_path: Path) -> None:
    done = run(tmp_path, mark="", hub__a=DOES, hub__b=DOES_NOT)
    assert done.returncode == 1
    assert "9 failed, 6 passed" in done.stdout
    for name, needs in {
        "starts": "processes", "forks": "processes", "binds": "network", "binds_where_it_is_caught": "network",
        "sends": "network", "sleeps": "clock", "uses": "processes", "uses_first": "processes",
        "uses_after_another": "processes",
    }.items():  # fmt: skip
        assert re.search(f"_ test_{name} _+\nthis test is small and needs {needs}:", done.stdout), name


@pytest.mark.parametrize("mark", ["real('all of it')", "long('all of it')"])
def test_one_that_says_so_may(mark: str, tmp_path: Path) -> None:
    done = run(tmp_path, mark=f"\npytestmark = pytest.mark.{mark}\n", hub__a=DOES, hub__b=DOES_NOT)
    assert done.returncode == 0, done.stdout
    assert "15 passed" in done.stdout


def test_a_report_says_what_each_test_needs(tmp_path: Path) -> None:
    done = run(tmp_path, mark="", environment={"ILOT_KINDS": str(tmp_path / "kinds")}, hub__a=DOES, hub__b=DOES_NOT)
    assert done.returncode == 0, done.stdout
    [file] = (tmp_path / "kinds").iterdir()
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    needs = {row["test"].partition("::")[2]: row["needs"] for row in rows}
    assert len(rows) == 15
    assert (needs["test_starts"], needs["test_sends"], needs["test_writes"]) == (["processes"], ["network"], [])
    assert not any(row["marked"] for row in rows)
