"""A plugin of this distribution in a process of its own, as a child of the hub: what its limits leave it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
from pathlib import Path

import pytest

from hub.plugin_host.isolation import confine
from hub.plugin_host.isolation.launch import Spec, launched
from hub.plugin_host.isolation.limits import Limits, command, given
from hub.sdk import seccomp
from tests.interpreters import needs_python_of_all
from tests.redteam.vehicle import CHILD, LIMITS, ROOT

LIMIT = Limits(64 << 20, 64, 16, own_root=False, direct_network=False)


def test_what_a_command_carries_is_read_again() -> None:
    words = command("/usr/bin/python3", ["/a", "/b"], 7, LIMIT)
    assert words[1:4] == ["-I", "-S", "-B"]
    assert given(["-c", *words[7:]]) == (7, LIMIT)
    assert given(["-c", *words[7:], "9"]) == (7, LIMIT), "of a starter that is newer"
    with pytest.raises(ValueError, match="values to unpack"):
        given(["-c", "7"])


def test_a_machine_without_a_list_of_calls_is_an_error_before_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    monkeypatch.setattr(resource, "setrlimit", lambda *_: pytest.fail("something was done"))
    with pytest.raises(OSError, match="riscv64"):
        confine.confine(LIMIT)


def test_a_program_of_32_bits_on_a_kernel_of_64_is_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seccomp.supported("aarch64")
    monkeypatch.setattr("sys.maxsize", (1 << 31) - 1)
    assert not seccomp.supported("aarch64")


def attempt(folder: Path, attack: str, without: tuple[str, ...] = (), *, network: bool = False) -> str:
    """What an attack says from a child of this process."""
    place = folder / "plugin"
    code = place / "hub/plugin_host/isolation"
    code.mkdir(parents=True, exist_ok=True)
    for one in (code, code.parent, code.parent.parent):
        (one / "__init__.py").touch()
    lines = "; ".join(LIMITS[one] for one in without) or "pass"
    (code / "child.py").write_text(CHILD.format(folder=str(place), without=lines, attack=attack))
    spec = Spec("shipped", "shipped", (str(place), str(ROOT)), own_user=False, direct_network=network)

    async def run() -> str:
        ours, theirs = socket.socketpair()
        heard, errors = os.pipe()
        with ours, contextlib.ExitStack() as stack:
            stack.callback(os.close, heard)
            async with launched(spec, theirs, errors) as process:
                theirs.close()
                os.close(errors)
                ours.settimeout(120)
                said = await asyncio.to_thread(ours.recv, 4096)
                await process.ended()
                return said.decode() or os.read(heard, 4096).decode()

    return asyncio.run(run())


@pytest.fixture
def folder(shared_path: Path) -> Path:
    (shared_path / "open").mkdir()
    (shared_path / "open").chmod(0o777)
    return shared_path


ATTACKS = {
    "write a file": ("open({open!r} + '/x', 'w'); say('won')", ("filter",)),
    "start a process": ("import os; os.fork() or os._exit(0); say('won')", ("filter", "rlimits")),
    "signal its parent": ("import os; os.kill(os.getpid(), 0); say('won')", ("filter",)),
    "open a socket": ("import socket; socket.socket(); say('won')", ("filter",)),
    "take memory": ("import mmap; mmap.mmap(-1, 2 << 30); say('won')", ("rlimits",)),
    "leak descriptors": ("import os\nfor _ in range(400):\n    os.dup(0)\nsay('won')", ("rlimits",)),
    "have memory written and executed": (
        "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC); say('won')", ("filter",)
    ),
}  # fmt: skip


@pytest.mark.real("processes")
@pytest.mark.parametrize("name", ATTACKS)
def test_a_child_of_the_hub_is_kept_from_it(name: str, folder: Path) -> None:
    said = attempt(folder, ATTACKS[name][0].format(open=str(folder / "open")))
    assert said
    assert "won" not in said


@pytest.mark.long("a process for each attack")
@pytest.mark.parametrize("name", ATTACKS)
def test_its_twin_without_that_limit_is_caught(name: str, folder: Path) -> None:
    attack, without = ATTACKS[name]
    assert "won" in attempt(folder, attack.format(open=str(folder / "open")), without)


@pytest.mark.real("network, processes")
@needs_python_of_all
def test_its_libraries_open_sockets_of_the_internet_where_they_may_and_no_others(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connect = f"import socket; socket.create_connection(('127.0.0.1', {port}), 60); say('won')"
        assert "won" in attempt(folder, connect, network=True)
        assert "PermissionError" in attempt(folder, connect)
    raw = "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW); say('won')"
    assert "PermissionError" in attempt(folder, raw, network=True)


@pytest.mark.real("processes")
@needs_python_of_all
def test_asyncio_threads_and_late_imports_work(folder: Path) -> None:
    code = (
        "import asyncio\nasync def main():\n    a, b = __import__('socket').socketpair()\n"
        "    r, w = await asyncio.open_connection(sock=a)\n    w.write(b'x' * 70000)\n    b.setblocking(False)\n"
        "    got = 0\n    while got < 70000:\n"
        "        got += len(await asyncio.get_running_loop().sock_recv(b, 65536))\n"
        "    return await asyncio.to_thread(lambda: got)\n"
        "import decimal, zoneinfo, ssl, sqlite3\nzoneinfo.ZoneInfo('Europe/Paris')\nsay(asyncio.run(main()))"
    )
    assert attempt(folder, code) == "70000\n"
