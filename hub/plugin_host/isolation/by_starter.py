"""Starts the process of a plugin through the root program of the machine, `hub.plugin_host.isolation.starter`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from hub.core.errors import HubError, NotReady, PluginError
from hub.core.text import Phrase, phrase, reason_of
from hub.plugin_host.isolation.request import BUSY, FULL, Request
from hub.plugin_host.isolation.usage import Use

if TYPE_CHECKING:
    from hub.plugin_host.isolation.launch import Running, Spec

SOCKET = "/run/ilot-plugins/start.sock"
PATIENCE_S = 15.0
"""For its answer to a request, and for the end of a plugin."""
_LARGEST = 1024
_AGAIN_S = 0.02
_T = TypeVar("_T")


class _Started:
    """A plugin process that the starter watches."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self.pid = pid
        self._connection = connection
        loop = asyncio.get_running_loop()
        self._over: asyncio.Future[int] = loop.create_future()
        self._asked: list[asyncio.Future[Use]] = []
        self._listening = loop.create_task(self._listen(), name=f"starter of {pid}")

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    async def ended(self) -> int:
        return await asyncio.shield(self._over)

    async def usage(self) -> Use:
        answer: asyncio.Future[Use] = asyncio.get_running_loop().create_future()
        try:
            self._connection.send(b"usage")
        except OSError:
            return Use()
        self._asked.append(answer)
        return await answer

    async def _listen(self) -> None:
        """Take what the starter says until it says that the plugin has ended, or is gone itself: the plugin is too
        then."""
        status = -int(signal.SIGKILL)
        try:
            while message := await _received(self._connection):
                word, _, rest = message.partition(" ")
                if word == "ended":
                    status = int(rest)
                    return
                if word == "usage" and self._asked:
                    processor, memory, asleep = map(int, rest.split())
                    _settle(self._asked.pop(0), Use(processor, memory, bool(asleep)))
        finally:
            _settle(self._over, status)
            for one in self._asked:
                _settle(one, Use())

    async def close(self) -> None:
        """Kill it and wait until it is gone."""
        self.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.shield(self._over)
        self._listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listening


def _settle(future: asyncio.Future[_T], value: _T) -> None:
    if not future.done():
        future.set_result(value)


@asynccontextmanager
async def started(spec: Spec, session: socket.socket, errors: int, path: str = "") -> AsyncIterator[Running]:
    """Start a plugin process; see `launch.launched`. It is dead at the end of the block."""
    asked = _request(spec)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC) as connection:
        connection.setblocking(False)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await _connected(connection, path or SOCKET)
                socket.send_fds(connection, [asked], [session.fileno(), errors])
                word, _, rest = (await _received(connection)).partition(" ")
        except OSError as error:  # a time-out is one too
            raise _missing(spec, error, path or SOCKET) from error
        if not word and os.geteuid() == 0:
            raise _not_heard(spec)
        if word != "running":
            raise _refusal(spec, *rest.split(" ", 1) if word == "refused" else ("", ""))
        running = _Started(connection, int(rest))
        try:
            yield running
        finally:
            await running.close()


async def _connected(connection: socket.socket, path: str) -> None:
    while True:
        try:
            connection.connect(path)
        except BlockingIOError:  # as many wait as it lets wait: it starts one after the other
            await asyncio.sleep(_AGAIN_S)
        else:
            return


async def _received(connection: socket.socket) -> str:
    """Return one message; "" when the starter is gone."""
    try:
        return (await asyncio.get_running_loop().sock_recv(connection, _LARGEST)).decode("ascii", "replace")
    except OSError:
        return ""


def _request(spec: Spec) -> bytes:
    paths = tuple(dict.fromkeys(os.path.normpath(one) for one in spec.paths))
    asked = Request(spec.instance, paths, spec.memory, round(spec.processor * 100), spec.tasks, spec.files)
    try:
        return asked.encoded()
    except ValueError as error:
        raise PluginError(
            phrase(
                "plugin-not-asked-for",
                "{plugin} cannot be started: its starter would not read the request ({reason})",
                plugin=spec.instance,
                reason=reason_of(error),
            )
        ) from error


def _missing(spec: Spec, error: Exception, path: str) -> NotReady:
    if os.geteuid() == 0 and os.path.exists(path):
        return _not_heard(spec)
    return NotReady(
        phrase(
            "plugin-starter-missing",
            "{plugin} is not part of this distribution and runs only under a user of its own, which the unit "
            "ilot-plugins.socket gives it. That does not answer here ({reason}): enable it with systemctl",
            plugin=spec.instance,
            reason=reason_of(error) or phrase("starter-silent", "no answer in time"),
        )
    )


def _not_heard(spec: Spec) -> NotReady:
    return NotReady(
        phrase(
            "plugin-starter-hears-hub",
            "{plugin} is not part of this distribution, and is started for the hub's user alone, not for root: "
            "`sudo -u ilot` and the same command",
            plugin=spec.instance,
        )
    )


def _refusal(spec: Spec, word: str, text: str = "") -> HubError:
    """Return the error for what the starter refuses; `word` is one of its list."""
    sentence: Phrase
    if word == FULL:
        sentence = phrase(
            "plugin-starter-full",
            "{plugin} is not started: as many plugins run as the machine's starter takes ({reason})",
            plugin=spec.instance,
            reason=text,
        )
        return NotReady(sentence)
    if word == BUSY:
        sentence = phrase(
            "plugin-not-gone-yet",
            "{plugin} is not started again: its former process has not ended yet",
            plugin=spec.instance,
        )
        return NotReady(sentence)
    if word:
        sentence = phrase(
            "plugin-limit-not-applied",
            "{plugin} is not started, because it could not be confined on this machine: {reason}",
            plugin=spec.instance,
            reason=text,
        )
        return PluginError(sentence)
    return NotReady(
        phrase("plugin-starter-gone", "{plugin} is not started: ilot-plugins.service ended", plugin=spec.instance)
    )
