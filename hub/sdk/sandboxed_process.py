"""A worker process of a plugin, from the hub's side: started with nothing of its surroundings, killed at the end.

What a worker imports or reads is not to be trusted, so it shuts itself in (`hub.sdk.sandbox`) before it reads the first
byte of a stranger. Here is what every start has: the command, what is passed on, its last words, and its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

_BOOT = "import sys, json; sys.path[:] = json.loads(sys.argv.pop(1)); import runpy; runpy.run_module({!r}, None, {!r})"
_WORDS, _LAST = 65_536, 300
"""Bytes that are read of what it says in the end, and characters of its last line."""


class SandboxedProcess:
    """A running worker process; `pid` is its number."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._process = process

    @staticmethod
    def command(module: str, root: Path) -> list[str]:
        """Python that runs `module` (its `__main__`), found below `root` or on the import path of this process: without
        the site module, its `.pth` files, and the environment."""
        path = [str(root), *filter(None, sys.path)]
        return [sys.executable, "-I", "-S", "-c", _BOOT.format(module, "__main__"), json.dumps(path)]

    @classmethod
    @asynccontextmanager
    async def started(cls, command: Sequence[str], passed: Sequence[int]) -> AsyncIterator[SandboxedProcess]:
        """The process, which has these file descriptors and no others. It is dead at the end of the block. Raises
        OSError."""
        process = await asyncio.create_subprocess_exec(
            *command,
            pass_fds=passed,
            env={},
            cwd="/",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield cls(process)
        finally:
            await ended(process)

    async def last_words(self) -> str:
        """The last line of one that did not start, without its bytes of control; "" where it says nothing."""
        if self._process.stderr is None:
            return ""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                said = await self._process.stderr.read(_WORDS)
                lines = said.decode(errors="replace").strip().splitlines()
                return "".join(letter for letter in lines[-1][:_LAST] if letter.isprintable()) if lines else ""
        return ""


async def ended(process: asyncio.subprocess.Process) -> None:
    """Kill it and wait until it is gone, which takes no time, even when this is cancelled meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    waiting = asyncio.ensure_future(process.wait())
    cancelled: asyncio.CancelledError | None = None
    while not waiting.done():
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
