"""Unix socket between the CLI and the running hub: one JSON object a line, each way.

    {"call": "status", "arguments": {}}  ->  {"result": …}  or  {"error": "…", "code": 4, "error_text": {…}}

Sentences travel with their code and parameters beside them, see `hub.core.text.with_codes`.

Only the hub's own user and root are answered (SO_PEERCRED); the socket has mode 0600 besides.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hub.core.calls import Call
from hub.core.errors import HubError, NotReady
from hub.core.nesting import shallow_json
from hub.core.text import as_data, from_codes, from_data, phrase, reason_of, system_error, with_codes

LINE_LIMIT = 1024 * 1024
ANSWER_LIMIT = 64 * 1024 * 1024
CALLERS = 16


_log = logging.getLogger("hub.control")


class Request(msgspec.Struct):
    call: str
    arguments: dict[str, Any] = {}


class Answer(msgspec.Struct, omit_defaults=True):
    result: Any = None
    error: str = ""
    code: int = 0
    error_text: dict[str, Any] | None = None


@contextlib.asynccontextmanager
async def serving(path: Path, calls: Mapping[str, Call]) -> AsyncIterator[None]:
    """Answer clients on `path` inside this scope. A stale socket of a dead hub is replaced: the caller holds the state
    directory's lock, so no living hub can own it."""
    room = asyncio.Semaphore(CALLERS)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ValueError):  # readline raises ValueError for a line over the limit
            if _same_user(writer):
                async with room:
                    while line := await asyncio.wait_for(reader.readline(), 60):
                        writer.write(msgspec.json.encode(await _answer(line, calls), enc_hook=str) + b"\n")
                        await writer.drain()
        writer.close()

    async def quietly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(TimeoutError):
            await talk(reader, writer)
        writer.close()

    path.unlink(missing_ok=True)  # noqa: ASYNC240 - one call on a local disk
    with _short_path(path) as name:
        former = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(quietly, name, limit=LINE_LIMIT)
        finally:
            os.umask(former)
        try:
            yield
        finally:
            server.close()
            path.unlink(missing_ok=True)  # noqa: ASYNC240


async def _answer(line: bytes, calls: Mapping[str, Call]) -> Answer:
    try:
        request = msgspec.json.decode(shallow_json(line), type=Request)
    except ValueError as error:
        return _refusal(phrase("not-a-request", "not a request: {reason}", reason=reason_of(error)), 2)
    call = calls.get(request.call)
    if call is None:
        return _refusal(
            phrase(
                "no-such-call", "this hub has no call {call!r}; it has {calls}", call=request.call, calls=sorted(calls)
            ),
            2,
        )
    try:
        return Answer(result=with_codes(await call(request.arguments)))
    except HubError as error:
        return _refusal(reason_of(error), error.exit_code)
    except Exception as error:  # a bug in one call must not stop the hub
        _log.exception(phrase("call-failed", "call {call!r} failed", call=request.call))
        return Answer(error=f"{type(error).__name__}: {error}", code=1)


def _refusal(said: str, code: int) -> Answer:
    return Answer(error=str(said), code=code, error_text=as_data(said))


def _same_user(writer: asyncio.StreamWriter) -> bool:
    peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", peer)[1] in (0, os.getuid())


class CallRefused(HubError):
    """The running hub answered with an error; it has that error's exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.exit_code = code


def call(path: Path, name: str, /, *, timeout: float = 30.0, **arguments: Any) -> Any:
    """Call the hub that runs on `path`. Raises NotReady when none does, CallRefused when it answers with an error."""
    with socket.socket(socket.AF_UNIX) as link, _short_path(path) as short:
        link.settimeout(timeout)
        try:
            link.connect(short)
            link.sendall(msgspec.json.encode(Request(name, arguments)) + b"\n")
            with link.makefile("rb") as lines:
                line = lines.readline(ANSWER_LIMIT)
        except (OSError, TimeoutError) as error:
            remedy = phrase(
                "is-it-running", "is `ilot run` running on this directory? --config or --state-dir name another"
            )
            if isinstance(error, PermissionError):
                remedy = phrase("ask-as-its-user", "ask as the user of the hub, or as root")
            said = phrase(
                "no-hub-answers", "no hub answers at {path} ({reason}): {remedy}",
                path=path, reason=system_error(error), remedy=remedy,
            )  # fmt: skip
            raise NotReady(said) from error
    if not line:
        raise NotReady(phrase("hub-closed-the-line", "the hub closed the line"))
    answer = msgspec.json.decode(line, type=Answer)
    if answer.error:
        raise CallRefused(from_data(answer.error, answer.error_text), answer.code)
    return from_codes(answer.result)


@contextlib.contextmanager
def _short_path(path: Path) -> Iterator[str]:
    """Return a name for the socket that fits into the 107 bytes of sockaddr_un, however long its path is."""
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
