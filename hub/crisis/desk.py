"""The crisis of one hub: calls `crisis.status`, `crisis.isolate`, `crisis.readonly`, `crisis.end`, `crisis.export`,
`crisis.runbook`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from hub.asker import asker
from hub.crisis.isolation import Verdict
from hub.crisis.state import ISOLATED, KEY, READ_ONLY, State, decode, encode
from hub.errors import HubError

_log = logging.getLogger("hub.crisis")


class Memory(Protocol):
    """`hub.store.Store`, as much as is needed of it."""

    async def get(self, key: str) -> bytes | None: ...
    async def audit(
        self, at: float, who: str, what: Mapping[str, object], noting: Mapping[str, bytes] | None = None
    ) -> None: ...


class Hands(Protocol):
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
    """`hub.crisis.sampling.desk.Sampling`, as much as is needed of it."""

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
        self, memory: Memory, hands: Hands, now: Callable[[], float], *,
        export: Callable[[Path], Awaitable[dict[str, Any]]], runbook: Callable[[], Awaitable[str]],
        sampling: Sampling | None = None,
    ) -> None:  # fmt: skip
        self._memory, self._hands, self._now = memory, hands, now
        self._export, self._runbook = export, runbook
        self._sampling = sampling
        self._turn = asyncio.Lock()
        self.state = State()

    async def load(self) -> None:
        """What held when the hub stopped holds again, before anything speaks."""
        self.state = decode(await self._memory.get(KEY))
        if self.state.read_only:
            self._hands.freeze(True)
        if self.state.isolated:
            await self._hands.cut()
        if self._sampling is not None:
            await self._sampling.load()
        if self.state.holds:
            _log.warning("this hub is still %s, as before its restart", " and ".join(self.state.names))

    def status(self) -> dict[str, Any]:
        state = self.state
        return {
            "isolated": state.isolated, "read_only": state.read_only, "since": state.since if state.holds else None,
            "by": state.by, "why": state.why,
        }  # fmt: skip

    def complaints(self) -> list[str]:
        state = self.state
        if not state.holds:
            return []
        how = " and ".join(state.names)
        return [f"this hub is {how} since {state.by} said so ({state.why}): `ilot crisis end` leaves it"]

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
        by, why = _who(arguments)
        async with self._turn:
            await self._remember(
                self.state.entered(name, now=self._now(), by=by, why=why, digest=self._hands.digest()),
                by, {"crisis": name, "why": why},
            )  # fmt: skip
            if name == ISOLATED:
                await self._hands.cut()
            else:
                self._hands.freeze(True)
            _log.warning("this hub is %s now", name)
        return await self._status({})

    async def _end(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Everything of it, raised sampling too. {by, why} → as `crisis.status`, and `same`: whether the configuration
        is what it was at the beginning."""
        by, why = _who(arguments)
        async with self._turn:
            before, raised = self.state, self._sampling is not None and self._sampling.holds
            if not (before.holds or raised):
                raise HubError("this hub is in no crisis: there is nothing to leave")
            digests = {before.digest, self._sampling.digest if self._sampling is not None and raised else ""}
            same = digests <= {"", self._hands.digest()}
            await self._remember(State(), by, {"crisis": "end", "why": why, "same": same})
            self._hands.freeze(False)
            await self._hands.join()
            if self._sampling is not None:
                await self._sampling.restore(by, why)
            _log.warning("the crisis is over; the configuration is %s", "the same as before" if same else "another one")
        return {**await self._status({}), "same": same}

    async def _remember(self, state: State, by: str, what: dict[str, object]) -> None:
        # with its audit, and first: a hub that is switched off now comes back so, and one whose disk refuses does not
        await self._memory.audit(self._now(), by, what, {KEY: encode(state)})
        self.state = state

    async def _exported(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{directory, by} → {directory, files, bytes}. Raises HubError when it is there already."""
        by, _ = _who({"why": "export", **arguments})
        directory = Path(str(arguments.get("directory", "")))
        if not directory.is_absolute():
            raise HubError("the directory of an export is an absolute path, on a USB stick for instance")
        done = await self._export(directory)
        await self._memory.audit(self._now(), by, {"crisis": "export", "files": done["files"]})
        return done

    async def _told(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"html": await self._runbook()}


def _who(arguments: dict[str, Any]) -> tuple[str, str]:
    by, why = asker(arguments), str(arguments.get("why") or "").strip()[:200]
    if not why:
        raise HubError("say why: it stands in the audit log and on every page until the crisis is over")
    return by, why
