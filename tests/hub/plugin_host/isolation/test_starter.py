"""The starter of plugins against a hub that was taken over, and what it tells an honest one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.core.errors import NotReady, PluginError
from hub.plugin_host.isolation import by_starter
from hub.plugin_host.isolation.launch import Spec, import_path, launched
from hub.plugin_host.isolation.own_users import RANGE, OwnUsers
from hub.plugin_host.isolation.request import MOST_PATHS, Request
from hub.plugin_host.isolation.starter import MOST
from tests.redteam.vehicle import HUB, ROOT, Place, as_hub, attempt, needs_root, running

WAITS = "say('waits'); import time; time.sleep(600)"


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="ilot-starter-") as folder:  # pytest closes its own to other users
        Path(folder).chmod(0o755)
        yield Place(Path(folder))


@pytest.fixture(scope="module")
def starter(place: Place) -> Iterator[str]:
    with place.starter() as path:
        yield path


def request(*paths: str, instance: str = "hostile") -> bytes:
    return Request(instance, paths or (str(ROOT),), 64 << 20, 50, 16, 64).encoded()


def answer(path: str, message: bytes, files: list[int] | None = None, user: int = HUB) -> str:
    """What the starter says to one message, with a socket and a pipe unless other files are given."""
    ours, theirs = socket.socketpair()
    heard, errors = os.pipe()
    os.seteuid(user)
    try:
        with ours, theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.settimeout(60)
            connection.connect(path)
            socket.send_fds(connection, [message], [theirs.fileno(), errors] if files is None else files)
            return connection.recv(1024).decode()
    except ConnectionError:
        return ""
    finally:
        os.seteuid(0)
        os.close(heard)
        os.close(errors)


@pytest.mark.real("processes")
@needs_root
def test_another_user_is_not_heard(starter: str) -> None:
    assert answer(starter, request(), user=0) == ""
    assert answer(starter, request()).startswith("running ")


@pytest.mark.real("processes")
@needs_root
@pytest.mark.parametrize("message", [b"x", b"usage", b"\xff" * 8000, b"ilot-plugin 1\n" + b"path /a\n" * 900])
def test_what_is_no_request_is_refused(starter: str, message: bytes) -> None:
    assert answer(starter, message).startswith("refused malformed ")


@pytest.mark.real("processes")
@needs_root
def test_only_a_socket_and_a_pipe_are_taken(starter: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        (tmp_path / "file").open() as file,
        socket.socket() as outside,
        socket.socket(socket.AF_UNIX) as inside,
    ):
        pipe = os.pipe()
        for files in ([], [inside.fileno()], [file.fileno(), pipe[1]], [inside.fileno(), file.fileno()],
                      [outside.fileno(), pipe[1]], [inside.fileno(), pipe[1], pipe[0]]):  # fmt: skip
            assert answer(starter, request(), files).startswith("refused malformed not ")
        for one in pipe:
            os.close(one)


@pytest.fixture(scope="module")
def slipped(place: Place) -> Place:
    """Folders that a hub would like to have shown, beside one that it may."""
    place.plugin("good", "say('here')")
    for name in ("linked", "others", "open", "roots"):
        (place.plugins / name).mkdir()
        os.chown(place.plugins / name, HUB, HUB)
    (place.plugins / "linked/1-0").symlink_to(place.state)
    (place.plugins / "linked-away").symlink_to("/etc")
    for name, user, mode in (("others", 1, 0o755), ("open", HUB, 0o777), ("roots", 0, 0o755)):
        (place.plugins / name / "1-0").mkdir()
        (place.plugins / name / "1-0").chmod(mode)
        os.chown(place.plugins / name / "1-0", user, user)
    return place


@pytest.mark.real("processes")
@needs_root
@pytest.mark.parametrize("folder", [
    "/", "/etc", "/root", "/proc", "/var/lib", "{state}", "{plugins}", "{plugins}/good", "{plugins}/linked/1-0",
    "{plugins}/linked-away/ssl/certs", "{plugins}/others/1-0", "{plugins}/open/1-0", "{plugins}/roots/1-0",
    "{plugins}/none/1-0", "{plugins}-other/good/1-0", "{root}/none", "{root}/README.md",
])  # fmt: skip
def test_no_folder_is_shown_but_plugins_of_the_hub_and_code_of_root(slipped: Place, starter: str, folder: str) -> None:
    named = folder.format(state=slipped.state, plugins=slipped.plugins, root=ROOT)
    if named == "/":
        named = "/usr"
    assert answer(starter, request(named)).startswith("refused path ")
    assert answer(starter, request(f"{slipped.plugins}/good/1-0")).startswith("running ")


@pytest.mark.real("processes")
@needs_root
def test_code_that_others_than_root_can_write_is_not_shown(place: Place, starter: str) -> None:
    folder = Path(tempfile.mkdtemp(dir=ROOT / ".cache", prefix="writable-"))
    try:
        folder.chmod(0o777)
        assert "is not user 0's alone" in answer(starter, request(str(folder)))
    finally:
        shutil.rmtree(folder)


@pytest.mark.real("processes")
@needs_root
def test_one_instance_runs_once_and_another_has_another_user(place: Place, starter: str) -> None:
    spec, other = place.plugin("once", WAITS), place.plugin("other", "import os; say(os.getuid())")

    async def twice() -> list[str]:
        async with running(starter, spec) as (_, ours):
            assert await asyncio.to_thread(ours.recv, 10)
            with pytest.raises(NotReady, match="has not ended yet"):
                async with running(starter, spec):
                    pass
            return await place.said(starter, other)

    with as_hub():
        (first,) = asyncio.run(twice())
    assert int(first) in RANGE
    assert attempt(place, "other", "import os; say(os.getuid())", path=starter) == [first]
    assert attempt(place, "third", "import os; say(os.getuid())", path=starter) != [first]


@pytest.mark.real("processes")
@needs_root
def test_connections_are_bounded_and_one_that_asks_for_nothing_is_closed(place: Place) -> None:
    with place.starter(("patience",)) as path, as_hub(), contextlib.ExitStack() as stack:
        silent = []
        for _ in range(MOST):
            one = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            one.connect(path)
            one.settimeout(60)
            silent.append(one)
        one_more = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        one_more.connect(path)
        one_more.settimeout(60)
        assert one_more.recv(100) == b"refused full %d plugins" % MOST
        assert [one.recv(100) for one in silent] == [b""] * MOST


@pytest.mark.real("processes")
@needs_root
def test_many_that_are_asked_for_at_once_all_start(place: Place, starter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_starter, "PATIENCE_S", 120.0)  # a machine that does much else starts them slowly
    specs = [place.plugin(f"one-of-{at}", "say('on')") for at in range(30)]

    async def all_at_once() -> list[list[str]]:
        return await asyncio.gather(*(place.said(starter, one) for one in specs))

    with as_hub():
        assert asyncio.run(all_at_once()) == [["on"]] * 30


@pytest.mark.real("processes")
@needs_root
def test_its_end_is_told_with_its_status(place: Place, starter: str) -> None:
    async def ended(attack: str, *, kill: bool = False) -> int:
        async with running(starter, place.plugin("ends", attack)) as (process, ours):
            await asyncio.to_thread(ours.recv, 10)
            if kill:
                use = await process.usage()
                assert use.processor > 0
                assert use.memory > 1 << 20
                process.kill()
            return await process.ended()

    with as_hub():
        assert asyncio.run(ended("say('on'); import os; os._exit(7)")) == 7
        # Number 1 of a namespace takes no signal of its own: the C library goes on to a fault then.
        assert asyncio.run(ended("say('on'); import os; os.abort()")) in (-signal.SIGABRT, -signal.SIGSEGV)
        assert asyncio.run(ended(WAITS, kill=True)) == -signal.SIGKILL


@pytest.mark.real("processes")
@needs_root
@pytest.mark.parametrize("without", [(), ("nice",)])
def test_a_plugin_that_burns_the_processor_gives_way_to_the_hub(place: Place, without: tuple[str, ...]) -> None:
    spec = place.plugin("burns", "import signal\nfor n in range(1, 32):\n    n in (9, 19) or signal.signal(n, 1)\n"
                        "say('on')\nwhile True: pass")  # fmt: skip

    async def burn(path: str) -> int:
        async with running(path, spec) as (process, ours):
            await asyncio.to_thread(ours.recv, 10)
            given_way = os.getpriority(os.PRIO_PROCESS, process.pid)
            process.kill()
            assert await process.ended() == -signal.SIGKILL
            return given_way

    with place.starter(without) as path, as_hub():
        assert asyncio.run(burn(path)) == (0 if without else 10)


FORKS = """
import os, time
for _ in range(3):
    if os.fork() == 0:
        time.sleep(600)
say("forked")
time.sleep(600)
"""


@pytest.mark.real("processes")
@needs_root
@pytest.mark.parametrize("without", [("filter", "rlimits"), ("filter", "rlimits", "processes")])
def test_all_that_a_plugin_has_started_ends_with_it(place: Place, without: tuple[str, ...]) -> None:
    """By its namespace of processes: the twin without one leaves them behind."""
    spec = place.plugin("forks", FORKS, without)

    async def fork(path: str) -> None:
        async with running(path, spec) as (_, ours):
            assert await asyncio.to_thread(ours.recv, 10) == b"forked\n"

    with place.starter(without) as path:
        with as_hub():
            asyncio.run(fork(path))
        left = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit() and _is_plugins(one, place)]
        for process in left:
            os.kill(process, signal.SIGKILL)
    assert len(left) == (3 if "processes" in without else 0)


def _is_plugins(process: Path, place: Place) -> bool:
    """Other tests start plugins too, at the same time."""
    try:
        return process.stat().st_uid in RANGE and bytes(place.plugins) in (process / "cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.real("processes")
@needs_root
def test_a_plugin_ends_with_its_starter(place: Place) -> None:
    spec = place.plugin("orphan", WAITS)

    async def orphan(path: str, kill: subprocess.Popen[bytes]) -> int:
        async with running(path, spec) as (process, ours):
            await asyncio.to_thread(ours.recv, 10)
            os.seteuid(0)
            kill.kill()
            return await process.ended()

    with place.starter() as path:
        assert place.process is not None
        with as_hub():
            assert asyncio.run(orphan(path, place.process)) == -signal.SIGKILL


def test_without_a_starter_nothing_starts_and_the_unit_is_named() -> None:
    async def start() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            async with launched(Spec("acme", "acme", import_path(), own_user=True), theirs, 2):
                pass

    with pytest.raises(NotReady, match=r"ilot-plugins\.socket"):
        asyncio.run(start())


def test_folders_that_a_runner_of_tests_adds_to_its_path_are_on_the_path_of_no_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = import_path()
    for folder in ("tests", "tests/hub", "tools"):
        monkeypatch.syspath_prepend(str(ROOT / folder))
    assert import_path() == before


def test_a_request_that_the_starter_would_not_read_is_an_error_at_once() -> None:
    async def start(spec: Spec) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            async with launched(spec, theirs, 2):
                pass

    spec = Spec("acme", "acme", ("/a b",), own_user=True)
    with pytest.raises(PluginError, match="would not read"):
        asyncio.run(start(spec))
    with pytest.raises(PluginError, match="would not read"):
        asyncio.run(start(Spec("acme", "acme", tuple(f"/{n}" for n in range(MOST_PATHS + 1)), own_user=True)))


def test_another_machine_is_refused_on_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with socket.socket(socket.AF_UNIX) as session:
        for own_user in (True, False):
            with pytest.raises(PluginError, match="riscv64"):
                launched(Spec("acme", "acme", ("/a",), own_user=own_user), session, 2)


def test_users_are_kept_and_the_one_asked_for_longest_ago_gives_way(tmp_path: Path) -> None:
    path = str(tmp_path / "users")
    numbers = {name: OwnUsers(path).of(name, set()) for name in ("a", "b", "c")}
    assert len(set(numbers.values())) == 3
    assert {name: OwnUsers(path).of(name, set()) for name in numbers} == numbers
    users = OwnUsers(path)
    for at in range(len(RANGE) - 3):
        users.of(f"x{at}", set())
    assert users.of("late", {"a"}) == numbers["b"]
    assert OwnUsers(path).of("a", set()) == numbers["a"]


def test_a_file_of_users_that_says_nonsense_gives_none(tmp_path: Path) -> None:
    (tmp_path / "users").write_bytes(b"0 root\n1000 a\n69632 b\n69632 c\n\xff\n99999 d\n")
    assert OwnUsers(str(tmp_path / "users")).of("a", set()) == RANGE[0]
    (tmp_path / "users").write_bytes(b"0 root\n69640 b\n69640 c\n")
    assert OwnUsers(str(tmp_path / "users")).of("b", set()) == 69640
