"""What a service tells its manager, over real sockets."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.core.service_manager import FEEDS, ServiceManager


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """The manager's socket, and how the environment names it."""
    named = str(tmp_path / "notify") if request.param == "path" else f"@ilot-test-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as here:
        here.bind(named.replace("@", "\0", 1) if named.startswith("@") else named)
        here.settimeout(60.0)
        yield here, named


def heard(here: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in here.recv(4096).decode().splitlines())


def test_it_says_that_it_is_ready_reloads_and_stops(manager: tuple[socket.socket, str]) -> None:
    here, named = manager
    telling = ServiceManager({"NOTIFY_SOCKET": named}, str.upper)
    telling.ready("in service\nREADY=0")
    assert heard(here) == {"READY": "1", "STATUS": "IN SERVICE READY=0"}  # one line: no assignment of its own
    telling.reloading()
    assert {**heard(here), "MONOTONIC_USEC": ""} == {"RELOADING": "1", "MONOTONIC_USEC": ""}
    telling.reloaded()
    assert heard(here) == {"READY": "1"}
    telling.stopping()
    assert heard(here) == {"STOPPING": "1"}


async def test_the_loop_feeds_the_watchdog_only_while_it_turns(manager: tuple[socket.socket, str]) -> None:
    here, named = manager
    telling = ServiceManager({"NOTIFY_SOCKET": named, "WATCHDOG_USEC": "30000", "WATCHDOG_PID": str(os.getpid())})
    assert telling.watchdog_s == 0.03
    feeding = asyncio.create_task(telling.feed())
    for _ in range(2 * FEEDS):
        assert await asyncio.to_thread(heard, here) == {"WATCHDOG": "1"}
    here.setblocking(False)
    while True:  # what is still on its way
        try:
            here.recv(64)
        except BlockingIOError:
            break
    here.settimeout(0.3)
    with pytest.raises(TimeoutError):
        here.recv(64)  # the loop hangs in this line, for ten times the watchdog's patience
    feeding.cancel()


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "1000"},
        {"NOTIFY_SOCKET": "vsock:2:1234", "WATCHDOG_USEC": "1000"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "-5"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"},
    ],
)
async def test_without_a_manager_or_watchdog_nothing_is_fed(environ: dict[str, str]) -> None:
    telling = ServiceManager(environ)
    telling.ready("in service")
    await telling.feed()  # returns at once


def test_what_found_no_room_goes_with_the_next_message(tmp_path: Path) -> None:
    telling = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    telling.ready("in service")  # nobody is there yet
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as here:
        here.bind(str(tmp_path / "notify"))
        telling.status("waits")
        assert heard(here) == {"READY": "1", "STATUS": "waits"}
