"""Execution of one change: written, applied, watched, committed; or everything undone. See
`hub.operations.config_changes`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from hub.config import history, last_good
from hub.config.differences import REMOVED, Differences, differences
from hub.config.history import APPLIED, FOUND, REFUSED, ROLLED_BACK, Change, History, write_texts
from hub.config.instances import Models
from hub.config.last_good import LastGoodStore
from hub.config.load import Loaded
from hub.config.proposals import Proposal, load_proposal
from hub.config.source import digests
from hub.core.actor import asker
from hub.core.clock import Clock
from hub.core.errors import ConfigError, DiskRefuses, HubError, StorageError
from hub.core.text import phrase, reason_of, with_codes
from hub.operations.config_changes import health_gate
from hub.operations.config_changes.health_gate import PartStatuses
from hub.operations.config_changes.results import (
    COMMITTED,
    RELOADING,
    RETURNING,
    TAKEN_BACK,
    UNCONFIRMED,
    WAITING,
    WATCHING,
    WRITING,
    confirm_seconds,
    origin,
)

POLL_S = 0.25
TO_CONFIRM, UNDONE = "to be confirmed", "taken back"
_DONE = {
    TO_CONFIRM: phrase("change-to-be-confirmed", "to be confirmed"),
    UNDONE: phrase("change-taken-back", "taken back"),
    APPLIED: phrase("change-applied", "applied"),
    ROLLED_BACK: phrase("change-rolled-back", "rolled-back"),
    FOUND: phrase("change-found", "found"),
}
"""What became of a change, as the audit log has it, in sentences."""

Reload = Callable[[Loaded, Loaded, Differences], Awaitable[None]]
Audit = Callable[[str, dict[str, Any]], Awaitable[None]]

_log = logging.getLogger("hub.config")


class RunningHub(NamedTuple):
    """The hub as a change of its configuration needs it: `reload` applies the differences, `stands` returns the status
    of every part, `audit` writes to the audit chain, `changed` reports that the next backup is due."""

    reload: Reload
    stands: Callable[[], PartStatuses]
    audit: Audit
    changed: Callable[[], None]


class ChangeRunner:
    """Runner of one change at a time. `running` is the configuration that runs; `before` the one before a change that
    waits for confirmation, which came from `what`; `stage` is the stage of a change, `last` the result of the last one;
    `said` what a start undid, `lost` what could not be undone."""

    def __init__(
        self,
        running: Loaded,
        problems: list[str],
        *,
        kept: LastGoodStore,
        history: History,
        models: Models,
        clock: Clock,
        hub: RunningHub,
        said: str,
    ) -> None:
        self.running, self._problems, self._path = running, problems, running.path
        self._kept, self._history, self._models, self._clock = kept, history, models, clock
        self._reload, self._stands, self._audit, self._changed = hub
        self.before: tuple[Loaded, Proposal, Change] | None = None
        self.unconfirmed = asyncio.Event()  # set with `before`
        self.what, self.stage, self.said, self.lost = APPLIED, "", said, ""
        self._until, self._origin = 0.0, ""
        self.last: dict[str, Any] = {}

    def left(self) -> float | None:
        """Return the seconds left to confirm the change; None when none waits."""
        return None if self.before is None else max(0.0, self._until - self._clock.monotonic())

    async def carry_out(
        self, proposed: Proposal, new: Loaded, found: Differences, arguments: dict[str, Any], what: str
    ) -> dict[str, Any]:
        """Carry a change out; return its result for the call. See `hub.operations.config_changes`."""
        confirm_s = confirm_seconds(arguments, new.config.config.confirm.total_seconds())
        self._origin = origin(arguments)
        author, reason, old = asker(arguments), str(arguments.get("reason") or "")[:500], self.running
        change = Change(
            first=str(self._path),
            before={name: proposed.before[name] for name in proposed.written if name in proposed.before},
            created=proposed.created,
            after=digests(proposed.written),
            author=author,
            reason=reason,
            at=self._clock.now(),
        )
        self.last = {"at": change.at, "by": author, "reason": reason, "digest": new.digest}
        self.said = ""
        before = self._stands()
        changed = [one[:2] for one in found.instances if one.how != REMOVED]
        changed += [("part", part) for part in ("web", "link") if part in found.parts]
        try:
            self.stage = WRITING
            try:
                await asyncio.to_thread(history.begin, self._kept, change)
                if what != FOUND:
                    await asyncio.to_thread(write_texts, self._path, proposed.written)
            except HubError:
                await asyncio.to_thread(self._unwrite, change)
                raise
            self.stage = RELOADING
            why = await self._reloaded(old, new, found)
            if not why:
                self.running = new
                self.stage = WATCHING
                gate = new.config.config.gate.total_seconds()
                why = await self._watch(before, changed, gate, anyway=bool(arguments.get("anyway")))
            if why:
                return await self.take_back(old, proposed, change, why)
            if found.lockout:
                self.before, self._until = (old, proposed, change), self._clock.monotonic() + confirm_s
                self.unconfirmed.set()
                self.what = what
                self.stage = WAITING
                await self._note(author, TO_CONFIRM, new.digest, reason)
                self.last = {**self.last, "state": UNCONFIRMED}
                return {"state": UNCONFIRMED, "confirm_s": self.left()}
            await self.commit(new, proposed, change, what)
            return {"state": COMMITTED}
        finally:
            if self.before is None:
                self.stage = ""

    async def _reloaded(self, old: Loaded, new: Loaded, found: Differences) -> str:
        """Reload; return why it failed, "" when it did not."""
        try:
            await self._reload(old, new, found)
        except HubError as error:
            return reason_of(error)
        except Exception as error:  # a bug of a part: undo the change, and keep the hub running
            _log.exception(phrase("configuration-reload-failed", "the configuration could not be reloaded"))
            return phrase("unexpected-error", "{kind}: {reason}", kind=type(error).__name__, reason=reason_of(error))
        return ""

    async def _watch(
        self, before: PartStatuses, changed: Iterable[tuple[str, str]], seconds: float, *, anyway: bool
    ) -> str:
        """Run the health gate; return its objection, or ""."""
        keys = list(changed)
        end = self._clock.monotonic() + seconds
        await self._clock.sleep(POLL_S)
        while True:
            now, over = self._stands(), self._clock.monotonic() >= end
            if why := health_gate.objections(before, now, keys, over=over and not anyway):
                return why[0] if len(why) == 1 else phrase("several-objections", "{objections}", objections=why)
            if over or health_gate.settled(now, keys):
                return ""
            await self._clock.sleep(POLL_S)

    async def commit(self, new: Loaded, proposed: Proposal, change: Change, what: str) -> None:
        try:
            await asyncio.to_thread(self._remember, new, proposed, change, what)
        except StorageError as error:  # the change runs all the same, and its files are written
            _log.error("%s", error)
        self.before, self.stage = None, ""
        self._problems.clear()
        self.last = {**self.last, "state": COMMITTED}
        await self._note(change.author, what, new.digest, change.reason)
        self._changed()
        _log.info(
            phrase(
                "configuration-change-kept",
                "a change of the configuration is kept; `ilot config log` shows who made it",
            )
        )

    def _remember(self, new: Loaded, proposed: Proposal, change: Change, what: str) -> None:
        history.end(self._kept)
        self._history.add(
            proposed.texts, author=change.author, reason=change.reason, at=change.at, what=what, detail=""
        )
        last_good.remember(self._kept, new)

    async def take_back(self, old: Loaded, proposed: Proposal, change: Change, why: str) -> dict[str, Any]:
        """Undo a change; return its result for the call."""
        self.stage = RETURNING
        _log.warning(
            phrase(
                "configuration-change-reverted",
                "a change of the configuration is taken back; `ilot config log` says why",
            )
        )
        failed = ""
        try:
            await asyncio.to_thread(self._unwrite, change)
        except HubError as error:
            failed = reason_of(error)
        was = self.running
        found = differences(was, old) if was is not old else differences(await self._tried(proposed, old), old)
        failed = await self._reloaded(was, old, found) or failed
        self.running = old
        self.before = None
        if failed:
            self.lost = phrase(
                "configuration-change-not-undone",
                "a change could not be taken back whole, restart the hub: {reason}",
                reason=failed,
            )
            _log.error("%s", self.lost)
        else:
            self.lost = ""
        try:
            await asyncio.to_thread(
                lambda: self._history.add(
                    proposed.texts, author=change.author, reason=change.reason, at=change.at, what=REFUSED, detail=why
                )
            )
        except StorageError as error:
            _log.error("%s", error)
        finally:  # stage and result change together: whoever sees the end also sees the result
            self.stage, self.last = "", {**self.last, "state": TAKEN_BACK, "why": why}
        await self._note(change.author, UNDONE, proposed.digest, why)
        return {"state": TAKEN_BACK, "why": why}

    async def _note(self, author: str, what: str, version: str, why: str) -> None:
        """Write author, origin and version into the audit log. The change has happened: if the disk refuses, that is
        reported, and the answer still gives the state of the change."""
        try:
            await self._audit(
                author, with_codes({"config": what, "version": version[:12], "why": why, "from": self._origin})
            )
        except (DiskRefuses, StorageError) as error:
            self.said = phrase(
                "configuration-change-not-audited",
                "a change of the configuration ({what}) is missing in the audit log: {reason}",
                what=_DONE.get(what, what),
                reason=reason_of(error),
            )
            _log.error("%s", self.said)

    async def _tried(self, proposed: Proposal, old: Loaded) -> Loaded:
        """Return the configuration that a failed reload was applying."""
        try:
            return await asyncio.to_thread(load_proposal, self._path, proposed, self._models)
        except ConfigError:
            return old

    def _unwrite(self, change: Change) -> None:
        history.put_back(self._path, change)
        history.end(self._kept)
