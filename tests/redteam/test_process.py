"""Hostile plugins that need nothing but their process: each is blocked, and its twin without the limit is caught."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from .vehicle import HUB, Place, attempt, needs_root

pytestmark = [pytest.mark.real("network, processes"), needs_root]


class Attack(NamedTuple):
    """`code` says `won` where it got through; its twin goes without the limits `without`. `{...}` are of the test."""

    code: str
    without: tuple[str, ...]


ATTACKS = {
    "read the hub's keys": Attack("say('won' if open({secret!r}).read() else '')", ("root", "user")),
    "list the hub's state": Attack("import os; os.listdir({state!r}); say('won')", ("root", "user")),
    "read the environment of its starter": Attack(
        "import os; say('won' if 'SECRET' in os.environ else 'nothing there')", ("environment",)
    ),
    "read the environment of the hub's process": Attack(
        "say('won' if open('/proc/{victim}/environ').read() else '')", ("root", "user", "processes")
    ),
    "write into the memory of the hub's process": Attack(
        "open('/proc/{victim}/mem', 'r+b'); say('won')", ("root", "user", "processes", "filter")
    ),
    "list the processes of the machine": Attack(
        "import os; say('won' if '{victim}' in os.listdir('/proc') else 'not seen')", ("root", "processes")
    ),
    "trace the hub's process": Attack(
        "import ctypes; say('won' if ctypes.CDLL(None).ptrace(16, {victim}, 0, 0) == 0 else 'refused')",
        ("user", "processes", "filter"),
    ),
    "kill the hub's process": Attack(
        "import os; os.kill({victim}, 0); say('won')", ("user", "processes", "filter")
    ),
    "connect out": Attack(
        "import socket; socket.create_connection(('127.0.0.1', {port}), 3); say('won')", ("network", "filter")
    ),
    "listen": Attack(
        "import socket; socket.create_server(('', 0)); say('won')", ("network", "filter")
    ),
    "speak to the socket of its starter": Attack(
        "import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect({starter!r}); say('won')",
        ("root", "user", "filter"),
    ),
    "open raw netlink": Attack(
        "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); say('won')", ("filter",)
    ),
    "run another program": Attack(
        "import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'import os; os.write(3, b\"won\")'])",
        ("filter",),
    ),
    "multiply": Attack(
        "import os\nmade = 0\nwhile made < 60:\n    if os.fork() == 0:\n        import time; time.sleep(60)\n"
        "    made += 1\nsay('won')",
        ("filter", "rlimits"),
    ),
    "multiply its threads": Attack(
        "import threading, time\n"
        "for _ in range(60):\n    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "say('won'); import os; os._exit(0)",
        ("rlimits",),
    ),
    "take 2 GB": Attack("import mmap; mmap.mmap(-1, 2 << 30); say('won')", ("rlimits",)),
    "leak descriptors": Attack(
        "import os\nfor _ in range(400):\n    os.dup(0)\nsay('won')", ("rlimits",)
    ),
    "find a descriptor of its starter": Attack(
        "import os; say('won' if os.read(40, 1) else '')", ("descriptors",)
    ),
    "write into a folder that is open to everybody": Attack(
        "open({open!r} + '/mark', 'w').write('was here'); say('won')", ("root",)
    ),
    "change its own code": Attack(
        "open(folder + '/hub/plugin_host/isolation/child.py', 'a').write('#'); say('won')", ("root", "user")
    ),
    "fill its own folder": Attack(
        "open('big', 'wb').write(bytes(9 << 20)); say('won')", ("rlimits",)
    ),
    "open a device": Attack("open('/dev/full', 'rb'); say('won')", ("root",)),
    "make a namespace": Attack(
        "import ctypes; say('won' if ctypes.CDLL(None).unshare(0x10000000) == 0 else 'refused')", ("filter",)
    ),
    "use the kernel's keys": Attack(
        "import ctypes; say('won' if ctypes.CDLL(None).syscall(250, 0, -4, 1) >= 0 else 'refused')", ("filter",)
    ),
    "outlive the hub": Attack(
        "import ctypes; say('won' if ctypes.CDLL(None).prctl(1, 0, 0, 0, 0) == 0 else 'refused')", ("filter",)
    ),
    "drop a .pth file": Attack(
        "import sys; say('won' if hasattr(sys, 'dropped') else 'not read')", ("site",)
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="ilot-redteam-") as folder:  # pytest closes its own to other users
        Path(folder).chmod(0o755)
        yield Place(Path(folder))


@pytest.fixture(scope="module")
def starter(place: Place) -> Iterator[str]:
    with place.starter() as path:
        yield path


@pytest.fixture(scope="module")
def names(place: Place, starter: str) -> Iterator[dict[str, object]]:
    """A process of the hub's user, and a port that answers."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        subprocess.Popen(["sleep", "600"], user=HUB, group=HUB, extra_groups=[]) as victim,
    ):
        yield {
            "victim": victim.pid, "port": server.getsockname()[1], "secret": str(place.secret),
            "state": str(place.state), "open": str(place.open), "starter": starter,
        }  # fmt: skip
        victim.kill()


@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_blocked(name: str, place: Place, starter: str, names: dict[str, object]) -> None:
    said = attempt(place, "hostile", ATTACKS[name].code.format(**names), path=starter)
    assert said, "it ended before it said a word"
    assert "won" not in said


@pytest.mark.long("a starter of its own for each attack")
@pytest.mark.parametrize("name", ATTACKS)
def test_its_twin_without_that_limit_is_caught(name: str, place: Place, names: dict[str, object]) -> None:
    code, without = ATTACKS[name]
    assert "won" in attempt(place, "twin", code.format(**names), without)
