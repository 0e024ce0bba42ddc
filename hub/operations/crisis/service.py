"""Service of crisis mode: calls `crisis.status`, `crisis.isolate`, `crisis.readonly`, `crisis.end`, `crisis.export`,
`crisis.runbook`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from hub.core.actor import actor, asker
from hub.core.backoff import Backoff
from hub.core.errors import HubError, StorageError
from hub.core.text import phrase, reason_of
from hub.operations.crisis.isolation import Verdict
from hub.operations.crisis.justification import author_and_reason
from hub.operations.crisis.pending_writes import AuditStore, PendingWrites
from hub.operations.crisis.state import ISOLATED, READ_ONLY, State

AGAIN_S, SELDOM_S = 5.0, 60.0
"""Seconds until a refused write is first repeated, and then between repetitions."""

_log = logging.getLogger("hub.crisis")


class CrisisActions(Protocol):
    """Operations of a crisis on the hub's parts; each may be called twice."""

    async def cut(self) -> None:
        """Close every connection to the outside, and stop the integrations concerned."""
        ...

    async def join(self) -> None:
        """Reopen them."""
        ...

    def freeze(self, frozen: bool) -> None:
        """Refuse every write, or no longer."""
        ...

    def verdicts(self) -> list[Verdict]:
        """Return which plugins would stop, and which would go on."""
        ...

    def digest(self) -> str:
        """Return the digest of the running configuration."""
        ...


class Sampling(Protocol):
    """The part of `hub.operations.crisis.sampling.service.Sampling` that is used here."""

    @property
    def holds(self) -> bool: ...
    @property
    def digest(self) -> str: ...
    def summary(self) -> dict[str, Any]: ...
    async def load(self) -> None: ...
    async def restore(self, by: str, why: str) -> None: ...


_NAMES = {ISOLATED: phrase("state-isolated", "isolated"), READ_ONLY: phrase("state-read-only", "read-only")}


def _in_crisis(state: State) -> str:
    by, why = [actor(one) for one in state.by.split(", ")], state.why
    if state.isolated and state.read_only:
        return phrase(
            "hub-isolated-and-read-only",
            "this hub is isolated and read-only since {by} said so ({why}): `ilot crisis end` leaves it",
            by=by,
            why=why,
        )
    if state.isolated:
        return phrase(
            "hub-isolated",
            "this hub is isolated since {by} said so ({why}): `ilot crisis end` leaves it",
            by=by,
            why=why,
        )
    return phrase(
        "hub-read-only",
        "this hub is read-only since {by} said so ({why}): `ilot crisis end` leaves it",
        by=by,
        why=why,
    )


class Crisis:
    """Crisis mode of one hub. `export` writes the folder and returns its contents; `runbook` returns the printable
    page."""

    def __init__(
        self,
        memory: AuditStore,
        actions: CrisisActions,
        now: Callable[[], float],
        *,
        export: Callable[[Path], Awaitable[dict[str, Any]]],
        runbook: Callable[[], Awaitable[str]],
        sampling: Sampling | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._actions, self._now, self._sleep = actions, now, sleep
        self._pending = PendingWrites(memory, now)
        self._export, self._runbook = export, runbook
        self._sampling = sampling
        self._turn = asyncio.Lock()
        self._owes = asyncio.Event()
        self.state = State()

    async def load(self) -> None:
        """Restore the state of the last run, before anything is sent."""
        self.state = await self._pending.load()
        if self.state.read_only:
            self._actions.freeze(True)
        if self.state.isolated:
            await self._actions.cut()
        if self._sampling is not None:
            await self._sampling.load()
        if self.state.holds:
            _log.warning(
                phrase(
                    "crisis-as-before-restart",
                    "this hub is still {states}, as before its restart",
                    states=[_NAMES[name] for name in self.state.names],
                )
            )

    async def run(self) -> None:
        """Repeat writes that the disk refused, until it accepts them."""
        while True:
            await self._owes.wait()
            pauses = Backoff(AGAIN_S, SELDOM_S)
            while self._pending.pending:
                await self._sleep(pauses.next())
                await self._flush()
            self._owes.clear()

    def status(self) -> dict[str, Any]:
        """Return the state. `remembered`: a restart would keep it. `error`: why the disk did not store all of it, or
        ""."""
        state = self.state
        return {
            "isolated": state.isolated, "read_only": state.read_only, "since": state.since if state.holds else None,
            "by": state.by, "why": state.why, "remembered": self._is_remembered, "error": self._pending.error,
        }  # fmt: skip

    def complaints(self) -> list[str]:
        said = [_in_crisis(self.state)] if self.state.holds else []
        if not self._is_remembered:
            said.append(
                phrase(
                    "crisis-not-on-disk",
                    "the disk does not remember the state of crisis, a restart would undo it; it is tried again: "
                    "{reason}",
                    reason=self._pending.error or phrase("disk-has-not-answered", "it has not answered yet"),
                )
            )
        return said

    @property
    def _is_remembered(self) -> bool:
        """Return whether a restart would keep the state."""
        return self._pending.kept.names == self.state.names

    def calls(self) -> dict[str, Any]:
        return {
            "crisis.status": self._status, "crisis.isolate": self._isolate, "crisis.readonly": self._read_only,
            "crisis.end": self._end, "crisis.export": self._exported, "crisis.runbook": self._answer,
        }  # fmt: skip

    async def _status(self, arguments: dict[str, Any]) -> dict[str, Any]:
        verdicts = [one._asdict() for one in self._actions.verdicts()]
        return {**self.status(), "sampling": self._raised(), "parts": verdicts}

    def _raised(self) -> dict[str, Any] | None:
        """Return the state of raised sampling, None where it is as usual."""
        told = self._sampling.summary() if self._sampling is not None else None
        return None if told is None or (told["phase"] == "over" and not told["unconfirmed"]) else told

    async def _isolate(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {by, why, dry_run} as `crisis.status`."""
        return await self._enter(ISOLATED, arguments)

    async def _read_only(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {by, why, dry_run} as `crisis.status`."""
        return await self._enter(READ_ONLY, arguments)

    async def _enter(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments.get("dry_run"):
            return await self._status({})
        by, why = author_and_reason(arguments)
        async with self._turn:
            at = self._now()
            self.state = self.state.entered(name, now=at, by=by, why=why, digest=self._actions.digest())
            try:  # act before the write: a disk that refuses, or hangs, must not keep a connection open
                if name == ISOLATED:
                    await self._actions.cut()
                else:
                    self._actions.freeze(True)
                _log.warning(phrase("crisis-entered", "this hub is {state} now", state=_NAMES[name]))
            finally:
                self._remember(self.state, at, by, {"crisis": name, "why": why})
        await self._flush()
        return await self._status({})

    async def _end(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """End all states, raised sampling too. Answer {by, why} as `crisis.status`, and `same`: whether the
        configuration is the one at the beginning."""
        by, why = author_and_reason(arguments)
        async with self._turn:
            before, raised = self.state, self._sampling is not None and self._sampling.holds
            if not (before.holds or raised):
                raise HubError(phrase("hub-in-no-crisis", "this hub is in no crisis: there is nothing to leave"))
            digests = {before.digest, self._sampling.digest if self._sampling is not None and raised else ""}
            same = digests <= {"", self._actions.digest()}
            self._remember(State(), self._now(), by, {"crisis": "end", "why": why, "same": same})
            try:
                await self._pending.flush()
            except StorageError:
                if self._pending.kept.holds:  # a restart would bring the state back, so stay in it and report the error
                    self._pending.discard()
                    raise
            self.state = State()
            self._actions.freeze(False)
            await self._actions.join()
            if self._sampling is not None:
                await self._sampling.restore(by, why)
            _log.warning(
                phrase("crisis-over", "the crisis is over; the configuration is the same as before")
                if same
                else phrase("crisis-over-and-changed", "the crisis is over; the configuration is another one")
            )
        return {**await self._status({}), "same": same}

    def _remember(self, state: State, at: float, by: str, what: dict[str, object]) -> None:
        self._pending.add(state, at, by, what)
        self._owes.set()

    async def _flush(self) -> None:
        before = self._pending.error
        try:
            await self._pending.flush()
        except StorageError as error:
            if str(error) != before:
                _log.error(
                    phrase(
                        "crisis-state-not-written",
                        "the state of crisis is not remembered, a restart would undo it: {reason}",
                        reason=reason_of(error),
                    )
                )

    async def _exported(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {directory, by} with {directory, files, bytes, missing}. Raises HubError when it exists already."""
        by = asker(arguments)
        directory = Path(str(arguments.get("directory", "")))
        if not directory.is_absolute():
            raise HubError(
                phrase(
                    "export-folder-not-absolute",
                    "the directory of an export is an absolute path, on a USB stick for instance",
                )
            )
        done = await self._export(directory)
        async with self._turn:  # not while another request ends the crisis, or the former state would be stored last
            self._remember(self.state, self._now(), by, {"crisis": "export", "files": done["files"]})
        await self._flush()  # the folder exists even if its audit entry cannot be written yet
        return done

    async def _answer(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"html": await self._runbook()}
