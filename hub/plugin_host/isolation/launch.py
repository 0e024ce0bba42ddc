"""Starts the process of a plugin: one interface, two ways.

    direct      a child of the hub, with the hub's user: for plugins of this distribution only. It cannot be kept from
                reading what the hub's user can read.
    starter     `hub.plugin_host.isolation.starter`, a small root program of its own (ilot-plugins.service): own user,
                namespaces, root directory. The only way for a plugin of somebody else.

Each runs `hub.plugin_host.isolation.child` by the command of `limits`, with an empty environment and three open files:
the child's end of the session's socket pair, and a pipe for what it says on stderr. A limit that cannot be applied
is an error, never left out.
"""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

import msgspec

from hub.core.errors import NotReady, PluginError
from hub.core.text import phrase, reason_of
from hub.plugin_host.isolation.limits import Limits, command
from hub.plugin_host.isolation.usage import Use, used
from hub.sdk import seccomp
from hub.sdk.sandboxed_process import ended as gone


class Spec(msgspec.Struct, frozen=True):
    """One plugin process. `paths`: import path beside the standard library (`import_path`), read-only for it;
    `own_user`: only the starter may start it, as is true of whatever is not shipped; `memory`: bytes beyond what the
    hub's own part of the process takes; `processor`: share of one processor where the machine has control groups;
    `tasks`: threads; `files`: descriptors; `direct_network`: its libraries open sockets themselves, which only a plugin
    of this distribution may."""

    instance: str
    plugin: str
    paths: tuple[str, ...]
    own_user: bool
    memory: int = 96 << 20
    processor: float = 0.5
    tasks: int = 16
    files: int = 64
    direct_network: bool = False


class Running(Protocol):
    """A plugin process. `pid` is its number as the hub's machine sees it."""

    pid: int

    def kill(self) -> None:
        """Kill it, with all it started. Nothing happens when it has ended."""
        ...

    async def ended(self) -> int:
        """Wait for its end and return its exit code; a signal that ended it as a negative number."""
        ...

    async def usage(self) -> Use:
        """Return what it uses, as the kernel counts it."""
        ...


def import_path(plugin: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the import path of a child: the hub's own code, what is installed beside it, then the plugin's own.

    A folder inside the hub's own code is on the path of no child, unless it is of the virtual environment there:
    whoever added it (a runner of tests adds dozens) needs it, and a plugin does not.
    """
    own = str(Path(__file__).resolve().parents[3])
    library = os.path.dirname(os.__file__)
    installed = (
        one
        for one in sys.path
        if os.path.isdir(one)
        and not one.startswith(library)
        and (one.startswith(f"{sys.prefix}/") or not one.startswith(f"{own}/"))
    )
    return tuple(dict.fromkeys((own, *installed, *plugin)))


def launched(spec: Spec, session: socket.socket, errors: int) -> AbstractAsyncContextManager[Running]:
    """Start a plugin process. It is dead at the end of the block. `session` is the child's end of the socket pair,
    `errors` the end of a pipe that takes its stderr; the caller closes both in its own process once in the block.

    Raises NotReady when it cannot be started now, PluginError when a limit cannot be applied here.
    """
    if not seccomp.supported():
        raise PluginError(
            phrase(
                "plugin-process-unsupported",
                "{plugin} is not started: a plugin is confined only by Linux on x86-64 or ARM64, and this is {machine}",
                plugin=spec.instance,
                machine=platform.machine(),
            )
        )
    if spec.own_user:
        from hub.plugin_host.isolation.by_starter import started

        return started(spec, session, errors)
    return _direct(spec, session, errors)


class _Child:
    """A child of the hub. It is killed by its descriptor: asyncio's own `kill` may reap a child that has just died, and
    nobody learns then how it ended."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._process = process
        self._descriptor: int | None = None
        with suppress(ProcessLookupError):  # it has ended already
            self._descriptor = os.pidfd_open(process.pid)

    def kill(self) -> None:
        if self._descriptor is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    async def ended(self) -> int:
        return await self._process.wait()

    async def usage(self) -> Use:
        return used(self.pid)


@asynccontextmanager
async def _direct(spec: Spec, session: socket.socket, errors: int) -> AsyncIterator[Running]:
    limits = Limits(spec.memory, spec.files, spec.tasks, own_root=False, direct_network=spec.direct_network)
    try:
        process = await asyncio.create_subprocess_exec(
            *command(sys.executable, spec.paths, session.fileno(), limits),
            pass_fds=(session.fileno(),),
            env={},
            cwd="/",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=errors,
        )
    except OSError as error:
        raise NotReady(
            phrase(
                "plugin-process-not-started",
                "the process of {plugin} cannot be started: {reason}",
                plugin=spec.instance,
                reason=reason_of(error),
            )
        ) from error
    try:
        child = _Child(process)
        try:
            yield child
        finally:
            child.close()
    finally:
        await gone(process)
