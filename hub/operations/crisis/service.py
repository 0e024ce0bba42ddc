"""The crisis of one hub: calls `crisis.status`, `crisis.isolate`, `crisis.readonly`, `crisis.end`, `crisis.export`,
`crisis.runbook`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from hub.core.actor import asker
from hub.core.backoff import Backoff
from hub.core.errors import HubError, StorageError
from hub.operations.crisis.isolation import Verdict
from hub.operations.crisis.justification import reasoned
from hub.operations.crisis.pending_writes import Memory, PendingWrites
from hub.operations.crisis.state import ISOLATED, READ_ONLY, State

AGAIN_S, SELDOM_S = 5.0, 60.0
"""How soon, and then how often, a disk that refused is asked again."""

_log = logging.getLogger("hub.crisis")


class CrisisActions(Protocol):
    """What a crisis does to the hub's parts; each may be done twice."""

    async def cut(self) -> None:
        """Close every way out; who is cut off stops."""
        ...

    async def join(self) -> None:
        """Open them again."""
        ...

    def freeze(self, frozen: bool) -> None:
        """Refuse every write, or no longer."""
        ...

    def verdicts(self) -> list[Verdict]:
        """Who would be cut off, and who would go on."""
        ...

    def digest(self) -> str:
        """Of the configuration that runs."""
        ...


class Sampling(Protocol):
    """`hub.operations.crisis.sampling.service.Sampling`, as much as is needed of it."""

    @property
    def holds(self) -> bool: ...
    @property
    def digest(self) -> str: ...
    def told(self) -> dict[str, Any]: ...
    async def load(self) -> None: ...
    async def restore(self, by: str, why: str) -> None: ...


class Crisis:
    """`export` writes the folder and says what is in it; `runbook` gives the printable page."""

    def __init__(
        self,
        memory: Memory,
        hands: CrisisActions,
        now: Callable[[], float],
        *,
        export: Callable[[Path], Awaitable[dict[str, Any]]],
        runbook: Callable[[], Awaitable[str]],
        sampling: Sampling | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._hands, self._now, self._sleep = hands, now, sleep
        self._remembering = PendingWrites(memory, now)
        self._export, self._runbook = export, runbook
        self._sampling = sampling
        self._turn = asyncio.Lock()
        self._owes = asyncio.Event()
        self.state = State()

    async def load(self) -> None:
        """What held when the hub stopped holds again, before anything speaks."""
        self.state = await self._remembering.load()
        if self.state.read_only:
            self._hands.freeze(True)
        if self.state.isolated:
            await self._hands.cut()
        if self._sampling is not None:
            await self._sampling.load()
        if self.state.holds:
            _log.warning("this hub is still %s, as before its restart", " and ".join(self.state.names))

    async def run(self) -> None:
        """Where the disk refused to remember what holds, ask it again until it does."""
        while True:
            await self._owes.wait()
            pauses = Backoff(AGAIN_S, SELDOM_S)
            while self._remembering.owes:
                await self._sleep(pauses.next())
                await self._settle()
            self._owes.clear()

    def status(self) -> dict[str, Any]:
        """`remembered`: whether a restart would leave it so. `error`: why the disk did not take all of it, "" when
        it did."""
        state = self.state
        return {
            "isolated": state.isolated, "read_only": state.read_only, "since": state.since if state.holds else None,
            "by": state.by, "why": state.why, "remembered": self._stands, "error": self._remembering.error,
        }  # fmt: skip

    def complaints(self) -> list[str]:
        state, said = self.state, []
        if state.holds:
            how = " and ".join(state.names)
            said.append(f"this hub is {how} since {state.by} said so ({state.why}): `ilot crisis end` leaves it")
        if not self._stands:
            why = self._remembering.error or "it has not answered yet"
            said.append(
                f"the disk does not remember the state of crisis, a restart would undo it: {why}; it is tried again"
            )
        return said

    @property
    def _stands(self) -> bool:
        """Whether a restart would leave it as it is."""
        return self._remembering.kept.names == self.state.names

    def calls(self) -> dict[str, Any]:
        return {
            "crisis.status": self._status, "crisis.isolate": self._isolate, "crisis.readonly": self._read_only,
            "crisis.end": self._end, "crisis.export": self._exported, "crisis.runbook": self._told,
        }  # fmt: skip

    async def _status(self, arguments: dict[str, Any]) -> dict[str, Any]:
        verdicts = [one._asdict() for one in self._hands.verdicts()]
        return {**self.status(), "sampling": self._raised(), "parts": verdicts}

    def _raised(self) -> dict[str, Any] | None:
        """How raised sampling stands, None where it is as ever."""
        told = self._sampling.told() if self._sampling is not None else None
        return None if told is None or (told["phase"] == "over" and not told["unconfirmed"]) else told

    async def _isolate(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{by, why, dry_run} → as `crisis.status`."""
        return await self._enter(ISOLATED, arguments)

    async def _read_only(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{by, why, dry_run} → as `crisis.status`."""
        return await self._enter(READ_ONLY, arguments)

    async def _enter(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments.get("dry_run"):
            return await self._status({})
        by, why = reasoned(arguments)
        async with self._turn:
            at = self._now()
            self.state = self.state.entered(name, now=at, by=by, why=why, digest=self._hands.digest())
            try:  # at once: a disk that refuses, or that hangs, must not keep a way out open
                if name == ISOLATED:
                    await self._hands.cut()
                else:
                    self._hands.freeze(True)
                _log.warning("this hub is %s now", name)
            finally:
                self._owe(self.state, at, by, {"crisis": name, "why": why})
        await self._settle()
        return await self._status({})

    async def _end(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Everything of it, raised sampling too. {by, why} → as `crisis.status`, and `same`: whether the configuration
        is what it was at the beginning."""
        by, why = reasoned(arguments)
        async with self._turn:
            before, raised = self.state, self._sampling is not None and self._sampling.holds
            if not (before.holds or raised):
                raise HubError("this hub is in no crisis: there is nothing to leave")
            digests = {before.digest, self._sampling.digest if self._sampling is not None and raised else ""}
            same = digests <= {"", self._hands.digest()}
            self._owe(State(), self._now(), by, {"crisis": "end", "why": why, "same": same})
            try:
                await self._remembering.settle()
            except StorageError:
                if self._remembering.kept.holds:  # a restart would bring it back: what is open must stay open
                    self._remembering.disown()
                    raise
            self.state = State()
            self._hands.freeze(False)
            await self._hands.join()
            if self._sampling is not None:
                await self._sampling.restore(by, why)
            _log.warning("the crisis is over; the configuration is %s", "the same as before" if same else "another one")
        return {**await self._status({}), "same": same}

    def _owe(self, state: State, at: float, by: str, what: dict[str, object]) -> None:
        self._remembering.owe(state, at, by, what)
        self._owes.set()

    async def _settle(self) -> None:
        before = self._remembering.error
        try:
            await self._remembering.settle()
        except StorageError as error:
            if str(error) != before:
                _log.error("the state of crisis is not remembered, a restart would undo it: %s", error)

    async def _exported(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{directory, by} → {directory, files, bytes, missing}. Raises HubError when it is there already."""
        by = asker(arguments)
        directory = Path(str(arguments.get("directory", "")))
        if not directory.is_absolute():
            raise HubError("the directory of an export is an absolute path, on a USB stick for instance")
        done = await self._export(directory)
        async with self._turn:  # not while somebody leaves the crisis: the state of before would be noted last
            self._owe(self.state, self._now(), by, {"crisis": "export", "files": done["files"]})
        await self._settle()  # a disk that takes no note of it has not undone the folder
        return done

    async def _told(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"html": await self._runbook()}
