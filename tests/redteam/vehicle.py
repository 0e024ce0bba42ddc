"""Hostile code in the process of a plugin, through the real starter, and through broken twins of it.

What a plugin process runs first is the hub's own child. Here the plugin's folder comes first on its path, with a module
of the child's name, as a hub that was taken over could ask for: it calls the real `confine`, then the attack. A twin is
the same starter, or the same child, without some of its limits: the words in LIMITS.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from hub.plugin_host.isolation.by_starter import started
from hub.plugin_host.isolation.launch import Running, Spec, import_path

ROOT = Path(__file__).resolve().parents[2]
HUB = 65_533
"""A user that nobody has: the hub of these tests."""
LIMITS = {
    "filter": "seccomp.load = lambda code: None",
    "rlimits": "resource.setrlimit = lambda kind, bounds: None",
    "root": "private_root._make_root = lambda *_: None; private_root.WORK = '/'",
    "user": f"OwnUsers.of = lambda *_: {HUB}",
    "network": "private_root._NEW_NAMESPACES &= ~0x40000000",
    "processes": "starter._CLONE_NEWPID = 0; starter.libc = Forgiving()",
    "environment": "os.execve = lambda program, words, _: real_execve(program, words, os.environ)",
    "descriptors": "private_root._keep_descriptors = keep_all",
    "patience": "starter.PATIENCE_S = 3.0",
    "nice": "os.setpriority = lambda *_: None",
    "site": "private_root.command = with_site",
}
"""Limit -> how a twin goes without it, or sooner."""
SHARE = slice(int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) * 64 % 512, None)
"""The users of this process's starters: the processes of one user are counted together, whoever starts them."""
STARTER = """
import fcntl, os, resource, socket, sys
sys.path[:0] = [{root!r}]
from hub.plugin_host.isolation import limits, own_users, private_root, starter
from hub.plugin_host.isolation.control_groups import Groups
from hub.plugin_host.isolation.own_users import OwnUsers
from hub.sdk import seccomp
real_execve, real_command, real_keep = os.execve, private_root.command, private_root._keep_descriptors
own_users.RANGE = own_users.RANGE[{share}]
class Forgiving:
    unshare = setns = staticmethod(lambda *_: 0)
def keep_all(session, errors):
    real_keep(session, errors)
    os.dup2(kept, 40, inheritable=True)
def with_site(python, paths, descriptor, given):
    words = real_command(python, paths, descriptor, given)
    boot = "import sys, site; site.addsitedir(sys.argv[1].split(':')[0]); " + limits.BOOT
    return [python, "-I", "-c", boot, *words[6:]]
kept = fcntl.fcntl(os.open({secret!r}, os.O_RDONLY), fcntl.F_DUPFD_CLOEXEC, 50)
{without}
listener = socket.socket(fileno=0)
ground = private_root.Ground(({root!r},), {plugins!r}, {hub}, {scratch!r})
starter.Starter(listener, ground, OwnUsers({users!r}), Groups.here()).serve(600)
"""
CHILD = """
import os, sys
def main():
    folder = sys.path.pop(sys.path.index({folder!r}))
    for name in [name for name in sys.modules if name == "hub" or name.startswith("hub.")]:
        del sys.modules[name]
    import resource
    from hub.plugin_host.isolation.confine import confine, given_here
    from hub.sdk import seccomp
    {without}
    descriptor, limits = given_here()
    confine(limits)
    def say(text):
        os.write(descriptor, str(text).encode() + b"\\n")
    try:
        exec(compile({attack!r}, "attack", "exec"), {{"say": say, "folder": folder}})
    except BaseException as error:
        say(type(error).__name__ + " " + str(error))
    return 0
"""


class Place:
    """A machine of one test: the state of a hub, the folder of its plugins, and a starter."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count()
        self.process: subprocess.Popen[bytes] | None = None
        """The starter that runs."""
        self.plugins, self.state, self.open = folder / "plugins", folder / "state", folder / "open"
        self.secret = self.state / "keys"
        for one in (self.plugins, self.state, self.open, folder / "scratch"):
            one.mkdir()
        self.secret.write_text("the hub's key")
        self.secret.chmod(0o600)
        self.state.chmod(0o700)
        self.open.chmod(0o777)
        for one in (self.plugins, self.state, self.secret):
            os.chown(one, HUB, HUB)

    @contextmanager
    def starter(self, without: tuple[str, ...] = ()) -> Iterator[str]:
        """Run a starter, and return the path of its socket."""
        path = str(self.folder / f"start-{next(self._numbers)}.sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(path)
            os.chown(path, HUB, HUB)
            listener.listen(16)
            code = STARTER.format(
                root=str(ROOT), secret=str(self.secret), plugins=str(self.plugins), hub=HUB,
                scratch=str(self.folder / "scratch"), users=str(self.folder / "users"), share=SHARE,
                without="\n".join(LIMITS[one] for one in without),
            )  # fmt: skip
            environment = os.environ | {"SECRET": "of the environment"}
            words = [sys.executable, "-c", code]
            with subprocess.Popen(words, stdin=listener, stderr=subprocess.PIPE, env=environment, cwd="/") as process:
                self.process = process
                try:
                    yield path
                finally:
                    process.kill()

    def plugin(self, name: str, attack: str, without: tuple[str, ...] = ()) -> Spec:
        """Install a plugin, and return how it is to be started."""
        folder = self.plugins / name / "1-0"
        shutil.rmtree(self.plugins / name, ignore_errors=True)
        code = folder / "hub/plugin_host/isolation"
        code.mkdir(parents=True)
        lines = [LIMITS[one] for one in without if one in ("filter", "rlimits")]
        text = CHILD.format(folder=str(folder), without="; ".join(lines) or "pass", attack=attack)
        (code / "child.py").write_text(text)
        for one in (code, code.parent, code.parent.parent):
            (one / "__init__.py").touch()
        (folder / "drop.pth").write_text("import sys; sys.dropped = True\n")
        for one in (self.plugins / name, *(self.plugins / name).rglob("*")):
            os.chown(one, HUB, HUB)
        return Spec(name, name, (str(folder), str(ROOT), *import_path()), own_user=True)

    async def said(self, path: str, spec: Spec) -> list[str]:
        """Start a plugin and return the lines that it says until it ends."""
        async with running(path, spec) as (process, ours):
            ours.settimeout(90)
            lines = await asyncio.to_thread(_until_closed, ours)
            await process.ended()
            return lines


@asynccontextmanager
async def running(path: str, spec: Spec) -> AsyncIterator[tuple[Running, socket.socket]]:
    """A running plugin, and the hub's end of its session."""
    ours, theirs = socket.socketpair()
    heard, errors = os.pipe()
    with ours, os.fdopen(heard, "rb"):
        with theirs, contextlib.ExitStack() as stack:
            stack.callback(os.close, errors)
            process_of = started(spec, theirs, errors, path)
            process = await process_of.__aenter__()
        try:
            yield process, ours
        finally:
            await process_of.__aexit__(None, None, None)


def _until_closed(ours: socket.socket) -> list[str]:
    with ours.makefile("r", errors="replace") as file:
        return file.read().splitlines()


@contextmanager
def as_hub() -> Iterator[None]:
    """Be the hub's user, as whom the starter knows its peer."""
    os.setegid(HUB)
    os.seteuid(HUB)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def attempt(place: Place, name: str, attack: str, without: tuple[str, ...] = (), path: str = "") -> list[str]:
    """What an attack says through the starter at `path`, or through a twin of it."""
    spec = place.plugin(name, attack, without)

    def run(at: str) -> list[str]:
        with as_hub():
            return asyncio.run(place.said(at, spec))

    if path:
        return run(path)
    with place.starter(without) as twin:
        return run(twin)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to start plugins under users of their own")
