"""An examination of this machine for the pages: the command `ilot doctor`, run by the hub as its own user.

In a process of its own: what it imports and reads would stay in the hub's memory for months, and what hangs in it is
killed. It says each finding as soon as it has it, so that a page shows how far it is. What only root sees is the
command's alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from hub.core.actor import asker
from hub.core.calls import Call
from hub.core.clock import Clock
from hub.core.errors import HubError
from hub.core.nesting import shallow_json
from hub.core.text import from_codes, phrase, reason_of

NEVER, RUNNING, DONE, FAILED = "never", "running", "done", "failed"
MOST_S = 30.0
"""Six times what it may take."""
MOST_FOUND = 500
MOST_LINE = 64 * 1024
_ENDS = (0, 6, 9)
"""Exit codes of the command: nothing to do, something wrong, something to be seen to."""


class _Line(msgspec.Struct):
    """One finding, as the command prints it."""

    what: str
    state: Literal["ok", "note", "wrong"]
    says: str
    remedy: str


class Examination:
    """The last examination, and the one that runs; there is one at a time. `isolated`: this hub is cut off, and must
    not call the backend."""

    def __init__(self, config: Path, state: Path, isolated: Callable[[], bool], clock: Clock) -> None:
        self._command: Sequence[str] = (
            sys.executable, "-P", "-m", "hub", "doctor", "--lines", "--config", str(config), "--state-dir", str(state),
        )  # fmt: skip
        self._isolated, self._clock = isolated, clock
        self._asked = asyncio.Event()
        self._state, self._error, self._by = NEVER, "", ""
        self._began = self._took = 0.0
        self._found: list[dict[str, Any]] = []

    def calls(self) -> dict[str, Call]:
        return {"doctor.start": self._start, "doctor.state": self._tell}

    async def run(self) -> None:
        """Examine whenever somebody asks."""
        while True:
            await self._asked.wait()
            began = self._clock.monotonic()
            try:
                async with asyncio.timeout(MOST_S):
                    code = await self._examine()
                self._end(phrase("doctor-died", "the check ended with {code}: the log says more", code=code), code)
            except TimeoutError:
                self._end(phrase("doctor-too-slow", "the check was not done within {seconds:.0f} s", seconds=MOST_S))
            except (OSError, ValueError, HubError, msgspec.DecodeError) as error:
                self._end(
                    phrase("doctor-not-understood", "the check cannot be read: {reason}", reason=reason_of(error))
                )
            self._took = self._clock.monotonic() - began
            self._asked.clear()

    def _end(self, error: str, code: int | None = None) -> None:
        self._state, self._error = (DONE, "") if code in _ENDS else (FAILED, error)

    async def _examine(self) -> int:
        """Run the command and keep what it says; returns its exit code. Its process is dead afterwards."""
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, limit=MOST_LINE
        )
        assert process.stdout is not None  # noqa: S101 - started with a pipe
        try:
            async for line in process.stdout:
                self._keep(line)
            return await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _keep(self, line: bytes) -> None:
        data = msgspec.json.decode(shallow_json(line))
        msgspec.convert(data, _Line)
        if len(self._found) < MOST_FOUND:
            said = from_codes(data)
            self._found.append({name: said[name] for name in _Line.__struct_fields__})

    async def _start(self, arguments: dict[str, Any]) -> Any:
        """Begin one, {by}, unless one runs; answers as `doctor.state`."""
        if self._state != RUNNING:
            if self._isolated():
                raise HubError(
                    phrase(
                        "doctor-isolated",
                        "this hub is isolated, and a check would call the backend: on the machine itself, "
                        "`sudo ilot doctor --no-probe`",
                    )
                )
            self._state, self._error, self._found, self._took = RUNNING, "", [], 0.0
            self._began, self._by = self._clock.now(), asker(arguments)
            self._asked.set()
        return await self._tell({})

    async def _tell(self, arguments: dict[str, Any]) -> Any:
        """Answer with the last one, or the one that runs: {state, at, by, took_s, error, found: [{what, state, says,
        remedy}]}."""
        return {
            "state": self._state, "at": self._began or None, "by": self._by, "took_s": self._took,
            "error": self._error, "found": list(self._found),
        }  # fmt: skip
