"""What a peer needs and this machine has not."""

from __future__ import annotations

import os
import random
import shutil
import socket
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

LOWEST = 20_000
RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


class PeerMissing(RuntimeError):
    """A peer cannot begin, because a package is not installed; the text names it and how to get it."""


def need_module(module: str, package: str) -> None:
    """Raise PeerMissing unless a module can be imported. `package` is what pip installs."""
    if find_spec(module) is None:
        raise PeerMissing(f"this peer needs {module}: pip install {package!r}")


def need_program(name: str, package: str) -> str:
    """Return the path of a program. Raises PeerMissing; `package` is Debian's."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise PeerMissing(f"this peer needs the program {name}: apt install {package}")
    return found


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM, host: str = "127.0.0.1", count: int = 1) -> int:
    """A port that is free now, the first of `count` in a row, and stays so until a server takes it, or takes it again:
    the kernel gives it to no connection on its way out (on Linux), no other worker of pytest-xdist is given it, and
    this process not soon."""
    for port in _ports.rows(count):
        if all(_free(kind, host, one) for one in range(port, port + count)):
            return port
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])


def _free(kind: socket.SocketKind, host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as sock:
        try:
            sock.bind((host, port))
        except OSError:
            return False
        return True


class _Ports:
    """Ports below those that the kernel gives away, of those the share of this worker: each time up to a hundred rows,
    from the one behind the last."""

    def __init__(self) -> None:
        self._at: int | None = None

    def rows(self, count: int) -> Iterator[int]:
        workers = max(_digits("PYTEST_XDIST_WORKER_COUNT"), 1)
        size = (_first_given_away() - LOWEST) // workers
        if size < 100:
            return
        first = LOWEST + _digits("PYTEST_XDIST_WORKER") % workers * size
        if self._at is None:  # never seeded: another run may go on beside
            self._at = random.SystemRandom().randrange(size)
        for _ in range(100):
            at = self._at if self._at + count <= size else 0
            self._at = at + count
            yield first + at


_ports = _Ports()


def _digits(variable: str) -> int:
    """The number in a variable of the environment, 0 without one."""
    return int("".join(filter(str.isdecimal, os.environ.get(variable, ""))) or 0)


def _first_given_away() -> int:
    """The first port that the kernel may give to a connection on its way out; 0 where it does not say."""
    try:
        return int(RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
