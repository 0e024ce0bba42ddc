"""The calls of a running hub that concern releases: what runs, what is offered, wishes, and its own health.

Nothing is installed here. A wish is handed over to root, which verifies all of it again. The fleet comes in here too:
it puts the bundle that it fetched into the inbox and calls `release.install`, and its states say what `release.list`
says.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from hub.core.calls import Call
from hub.core.clock import Clock
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of
from hub.operations.config_changes.health_gate import PartStatus, PartStatuses, objections
from hub.operations.releases.acceptance import Refused, expect_acceptable
from hub.operations.releases.bundle import Bundle
from hub.operations.releases.inbox import INSTALL, RETURN, Inbox, Request
from hub.operations.releases.knowledge import here, trusted
from hub.operations.releases.machine import PACKAGE, Machine
from hub.operations.releases.notes import ROOT, Journal, Kept, Notes, Outcome, told_release
from hub.operations.releases.package import Package
from hub.operations.releases.trees import CURRENT, RELEASES, number_of
from hub.operations.releases.trial import Health, Said
from hub.protocol.documents.release import read_release

TOLD_S = 7 * 86_400.0
"""Seconds for which the status tells that a release was taken back."""


class Signs(NamedTuple):
    """What a hub says of itself after a switch: its parts, devices heard of those expected by now, whether the link is
    up, age of the oldest reading that waits, readings written, and the address of the pages on this machine."""

    parts: Callable[[], PartStatuses]
    devices: Callable[[], tuple[int, int]]
    link: Callable[[], bool]
    oldest_unsent_s: Callable[[], float]
    written: Callable[[], int]
    pages: Callable[[], str]


class Releases:
    """Part with the calls `release.*`. `audit(who, what)`. The directories are others in tests."""

    def __init__(
        self,
        state: Path,
        signs: Signs,
        clock: Clock,
        audit: Callable[[str, dict[str, Any]], Awaitable[None]],
        *,
        root: Path = ROOT,
        package: Path = PACKAGE,
        own: Path = Path(sys.prefix),
    ) -> None:
        self.inbox = Inbox(state)
        self._state, self._signs, self._clock, self._audit = state, signs, clock, audit
        self._notes, self._package = Notes(root), Package(package)
        self._own = Package(own)

    def calls(self) -> Mapping[str, Call]:
        return {
            "release.health": self._health, "release.list": self._list, "release.offered": self._offered,
            "release.begin": self._begin, "release.install": self._install,
            "release.return": self._return, "release.discard": self._discard,
        }  # fmt: skip

    # -- told ------------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        journal = self._notes.journal()
        return {
            "counter": self._own.counter(),
            "package": self._package.counter(),
            "phase": self._notes.progress().phase,
            "stale": journal.stale(self._clock.now()),
            "last": _outcome(journal.last),
        }

    def complaints(self) -> list[str]:
        journal, now = self._notes.journal(), self._clock.now()
        said: list[str] = []
        if journal.stale(now):
            said.append(
                phrase(
                    "release-stale",
                    "release {counter} was to be followed by now: ask for a newer one, or somebody keeps it away",
                    counter=journal.floor.counter if journal.floor is not None else 0,
                )
            )
        last = journal.last
        if last is not None and last.result == "taken-back" and now - last.at < TOLD_S and last.reason is not None:
            said.append(
                phrase(
                    "release-was-taken-back",
                    "release {counter} was taken back: {reason}",
                    counter=last.counter,
                    reason=last.reason.phrase,
                )
            )
        return said

    async def _list(self, arguments: dict[str, Any]) -> Any:
        found = await asyncio.to_thread(listed, self._state, self._notes.root, self._package.tree)
        return {**found, "running": self._own.counter()}

    async def _offered(self, arguments: dict[str, Any]) -> Any:
        """Return what the bundle in the inbox says, verified, and why it would be refused. Raises HubError."""
        return await asyncio.to_thread(self._shown)

    def _shown(self) -> dict[str, Any]:
        with self.inbox.bundle() as source:
            return shown(source, self._state, self._notes.root, self._package.tree)

    # -- wished ----------------------------------------------------------------------------------------------------

    async def _begin(self, arguments: dict[str, Any]) -> Any:
        """Make the file that a bundle is to be written to, and return its path. Raises HubError."""

        def begin() -> str:
            self.inbox.begin().close()
            return str(self.inbox.file)

        return {"path": await asyncio.to_thread(begin)}

    async def _install(self, arguments: dict[str, Any]) -> Any:
        """Wish for the bundle in the inbox. Root verifies whatever lies there. Raises HubError."""
        shown = await asyncio.to_thread(self._shown)
        again = bool(arguments.get("again"))
        if shown["objection"] and not again:
            raise HubError(shown["objection"])
        who = str(arguments.get("by", ""))
        await self._audit(who, {"release": "install", "counter": shown["counter"]})
        await asyncio.to_thread(self.inbox.ask, Request(do=INSTALL, by=who, again=again))
        return {"counter": shown["counter"]}

    async def _return(self, arguments: dict[str, Any]) -> Any:
        who = str(arguments.get("by", ""))
        await self._audit(who, {"release": "return"})
        await asyncio.to_thread(self.inbox.ask, Request(do=RETURN, by=who))
        return {}

    async def _discard(self, arguments: dict[str, Any]) -> Any:
        await asyncio.to_thread(self.inbox.drop)
        return {}

    # -- judged ----------------------------------------------------------------------------------------------------

    async def _health(self, arguments: dict[str, Any]) -> Any:
        """Return `Health`, with objections against `before`, the parts of the release before."""
        parts, signs = self._signs.parts(), self._signs
        before = arguments.get("before")
        reporting, expected = signs.devices()
        said = objections(_parts(before), parts, (), over=bool(arguments.get("over"))) if before is not None else []
        return msgspec.to_builtins(
            Health(
                counter=self._own.counter(),
                reporting=reporting,
                expected=expected,
                link=signs.link(),
                oldest_unsent_s=signs.oldest_unsent_s(),
                written=signs.written(),
                pages=signs.pages(),
                parts=[
                    (kind, name, str(one.state), str(one.error), one.crashes, one.through)
                    for (kind, name), one in sorted(parts.items())
                ],
                objections=[Said.of(one) for one in said],
            )
        )


def listed(state: Path, root: Path = ROOT, package: Path = PACKAGE) -> dict[str, Any]:
    """Return what root tells of the releases of a hub, which need not run."""
    notes, shipped = Notes(root), Package(package)
    journal, progress, current = notes.journal(), notes.progress(), _current(state)
    trial = journal.trial
    return {
        "wanted": max(current, shipped.counter()),
        "package": shipped.counter(),
        "stale": journal.stale(time.time()),
        "releases": [_kept(one, journal) for _, one in sorted(journal.kept.items(), reverse=True)],
        "can_return": current > shipped.counter() and trial is None,
        "keys": len(trusted(shipped, journal).keys),
        "trial": None if trial is None else {"to": trial.to, "back": trial.back, "by": trial.by},
        "phase": progress.phase,
        "progress": None if not progress.phase else {"done": progress.done, "of": progress.of},
        "waiting": Inbox(state).waiting(),
        "failed": {str(n): why.phrase for n, why in journal.failed.items()},
        "last": _outcome(journal.last),
    }


def shown(source: BinaryIO, state: Path, root: Path = ROOT, package: Path = PACKAGE) -> dict[str, Any]:
    """Return what a bundle says, verified, and why this hub would refuse it. Raises HubError where nothing of it can be
    believed."""
    journal, shipped = Notes(root).journal(), Package(package)
    release = read_release(Bundle(source).document, trusted(shipped, journal)).release
    objection = ""
    try:
        expect_acceptable(release, here(shipped, journal, _current(state), Machine(state / "hub.sock")))
    except Refused as error:
        objection = reason_of(error)
    return {**told_release(release), "objection": objection, "failed": release.counter in journal.failed}


def _current(state: Path) -> int:
    try:
        return number_of(os.readlink(state / RELEASES / CURRENT))
    except OSError:
        return 0


def _parts(given: Any) -> PartStatuses:
    """Return the parts of the release before; raises HubError for anything else. A former life's crashes are no crashes
    of this one."""
    try:
        rows = msgspec.convert(given, list[tuple[str, str, str, str, int, bool]])
    except msgspec.ValidationError as error:
        raise HubError(phrase("release-parts-unreadable", "`before` is no list of parts")) from error
    return {(kind, name): PartStatus(state, said, 0, through) for kind, name, state, said, _, through in rows}


def _kept(one: Kept, journal: Journal) -> dict[str, Any]:
    return {
        "counter": one.counter, "version": one.version, "issued": one.issued, "expires": one.expires,
        "notes": one.notes, "former": one.counter == journal.former,
    }  # fmt: skip


def _outcome(last: Outcome | None) -> dict[str, Any] | None:
    if last is None:
        return None
    reason = last.reason.phrase if last.reason is not None else ""
    return {"result": last.result, "counter": last.counter, "at": last.at, "by": last.by, "reason": reason}
