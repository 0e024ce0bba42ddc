"""Service that changes the configuration of a running hub, one request after the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from hub.config.differences import Differences, differences
from hub.config.history import APPLIED, FOUND, ROLLED_BACK, History
from hub.config.instances import Models
from hub.config.last_good import LastGoodStore
from hub.config.load import Loaded
from hub.config.proposals import Proposal, diff, load_proposal, propose
from hub.config.source import contents, unchanged
from hub.core.actor import actor, asker
from hub.core.clock import Clock
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of
from hub.operations.config_changes.apply import POLL_S, ChangeRunner, RunningHub
from hub.operations.config_changes.inspection import ConfigInspector
from hub.operations.config_changes.lines import new_line
from hub.operations.config_changes.results import (
    COMMITTED,
    FAILED,
    PLANNED,
    SAME,
    TAKEN_BACK,
    UNDER_WAY,
    WRITING,
    Busy,
    ManagedExternally,
    origin,
)
from hub.operations.config_changes.zones import new_zone

Work = Callable[[], Awaitable[dict[str, Any]]]

_log = logging.getLogger("hub.config")


class ConfigChanger:
    """Service behind the `config.*` calls. `problems` are those of the file while the last good configuration runs, and
    are emptied when a valid one does."""

    def __init__(
        self,
        running: Loaded,
        problems: list[str],
        *,
        kept: LastGoodStore,
        models: Models,
        clock: Clock,
        hub: RunningHub,
        said: str = "",
    ) -> None:
        self._started, self._problems, self._path = running, problems, running.path
        self._models, self._clock, self._audit = models, clock, hub.audit
        self._history = History(kept)
        self._do = ChangeRunner(
            running,
            problems,
            kept=kept,
            history=self._history,
            models=models,
            clock=clock,
            hub=hub,
            said=said,
        )
        self._look = ConfigInspector(self._path, models, self._history, lambda: self._do.running, self.progress)
        self._turn = asyncio.Lock()
        self._jobs: asyncio.Queue[tuple[Work, asyncio.Future[dict[str, Any]]]] = asyncio.Queue()
        self._queued = 0

    # the part

    async def run(self) -> None:
        """Record the running configuration in the history; undo changes that nobody confirms."""
        await self._remember_found()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work())
            group.create_task(self._wait_for_words())

    async def _work(self) -> None:
        """Process requests, one after the other: a client may be gone before its request is done."""
        while True:
            work, answer = await self._jobs.get()
            try:
                result = await work()
            except Exception as error:
                if not isinstance(error, HubError):
                    _log.exception(phrase("configuration-change-failed", "a change of the configuration failed"))
                said = (
                    error
                    if isinstance(error, HubError)
                    else HubError(
                        phrase(
                            "unexpected-error",
                            "{kind}: {reason}",
                            kind=type(error).__name__,
                            reason=reason_of(error),
                        )
                    )
                )
                self._do.last = {**self._do.last, "state": FAILED, "why": reason_of(said)}
                if not answer.done():
                    answer.set_exception(said)
                    answer.exception()  # mark it as retrieved, or asyncio logs it when nobody awaits the answer
            else:
                if not answer.done():
                    answer.set_result(result)
            finally:
                self._queued -= 1

    async def _given(self, work: Work, arguments: dict[str, Any]) -> dict[str, Any]:
        """Run the work as a job; with `later`, answer before it is done."""
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._queued += 1
        self._jobs.put_nowait((work, answer))
        if arguments.get("later"):
            return {"state": UNDER_WAY}
        return await asyncio.shield(answer)

    def hang_up(self) -> asyncio.Future[dict[str, Any]]:
        """Apply the files as they are now (SIGHUP); the result is in the log and in `ilot status`, and comes with what
        is returned."""

        async def work() -> dict[str, Any]:
            try:
                return await self._taken_up({"by": "signal", "reason": "SIGHUP"})
            except HubError:
                _log.error(
                    phrase(
                        "edited-configuration-refused",
                        "the edited configuration is not taken up; `ilot check` shows what is wrong",
                    )
                )
                raise

        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._queued += 1
        self._jobs.put_nowait((work, answer))
        return answer

    async def _wait_for_words(self) -> None:
        while True:
            if self._do.before is None:
                self._do.unconfirmed.clear()
                await self._do.unconfirmed.wait()
                continue
            if left := self._do.left():
                await self._clock.sleep(min(left, POLL_S))
                continue
            async with self._turn:
                if self._do.before is not None:
                    await self._do.take_back(
                        *self._do.before, phrase("nobody-confirmed", "nobody confirmed it in time")
                    )

    def status(self) -> dict[str, Any]:
        """Return the state for `ilot status`."""
        return {
            "digest": self._do.running.digest, "mode": self._mode(),
            "managed_by": self._do.running.config.config.managed_by,
            "stage": self._do.stage, "confirm_s": self._do.left(), "restart": self._restart(), "last": self._do.last,
        }  # fmt: skip

    def complaints(self) -> list[str]:
        """Return sentences for `ilot status` about what somebody should look at."""
        said = [self._do.lost] if self._do.lost else []
        if waiting := self._restart():
            said.append(phrase("restart-takes-up", "a restart of the hub takes up: {options}", options=waiting))
        if (left := self._do.left()) is not None:
            said.append(
                phrase(
                    "configuration-to-be-confirmed",
                    "the configuration is to be confirmed within {seconds:.0f} s: `ilot config confirm`",
                    seconds=left,
                )
            )
        if self._do.said:
            said.append(self._do.said)
        return said

    def calls(self) -> dict[str, Callable[[dict[str, Any]], Awaitable[Any]]]:
        """Return the calls by name; see the methods."""
        return {
            "config.show": self._look.show, "config.check": self._look.check, "config.diff": self._diff,
            "config.apply": self._apply, "config.reload": self._reread, "config.log": self._look.log,
            "config.confirm": self._confirm, "config.revert": self._revert, "config.progress": self._progress,
            "config.stage": self._stage,
            "config.form": self._look.form, "config.options": self._look.options, "zone.add": self._add_zone,
            "line.add": self._add_line,
        }  # fmt: skip

    # calls

    async def _diff(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {files | edits | revision} as `config.apply` with `dry_run`; {revision, against} compares two
        versions; {} the running configuration with the files."""
        if not arguments.get("against") and any(arguments.get(name) for name in ("files", "edits", "revision")):
            return await self._apply({**arguments, "dry_run": True})
        return await self._look.diff(arguments)

    async def _apply(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {files | edits | revision, base?, by, reason, dry_run?, anyway?, confirm_s?, later?} with {state,
        diff, digest, instances, parts, restart, lockout, …}.

        `base`: the digest that the client started from. `anyway`: parts that are merely away do not stop the change.
        `later`: answer at once; `config.progress` reports the rest. Raises ConfigError with every problem, Conflict,
        ManagedExternally, Busy, CannotWrite; nothing has changed then.
        """
        if arguments.get("dry_run"):
            return await self._applied(arguments)
        self._may_change()
        return await self._given(lambda: self._applied(arguments), arguments)

    async def _applied(self, arguments: dict[str, Any]) -> dict[str, Any]:
        dry_run = bool(arguments.get("dry_run"))
        async with self._turn:
            if not dry_run:
                self._may_change()
            proposed = await self._look.proposed(arguments)
            new = await asyncio.to_thread(load_proposal, self._path, proposed, self._models)
            found = differences(self._do.running, new)
            plan = self._plan(proposed, found, new)
            if not proposed.written and not found:
                return {**plan, "state": SAME}
            if dry_run:
                return {**plan, "state": PLANNED}
            what = ROLLED_BACK if arguments.get("revision") else APPLIED
            return {**plan, **await self._do.carry_out(proposed, new, found, arguments, what)}

    async def _add_zone(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {id, site, name?, by, reason?, dry_run?} as `config.apply`; see `hub.operations.config_changes.zones`.
        Raises ConfigError, and Conflict where the files differ from the running configuration, since their zones are
        not read here."""
        asked: dict[str, Any] = {name: arguments[name] for name in ("by", "origin", "dry_run") if name in arguments}
        reason = str(arguments.get("reason") or f"zone {arguments.get('id', '')}")
        edits, base = new_zone(self._do.running.config, arguments), self._do.running.digest
        return await self._apply({**asked, "edits": edits, "base": base, "reason": reason})

    async def _add_line(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {type, options, bus, by, dry_run?, later?} as `config.apply`, with the `name` of the new integration;
        see `hub.operations.config_changes.lines`. Raises as `zone.add`."""
        asked: dict[str, Any] = {
            name: arguments[name] for name in ("by", "origin", "dry_run", "later") if name in arguments
        }
        name, edits = new_line(self._do.running.config, arguments)
        base = self._do.running.digest
        how = {**asked, "edits": edits, "base": base, "reason": f"line {name}", "anyway": True}
        return {"name": name, **await self._apply(how)}

    async def _reread(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Apply the files as they are now (SIGHUP, `ilot config reload`); {by, reason?, dry_run?, anyway?}. Also where
        the configuration is managed: whoever manages it writes the files."""
        if arguments.get("dry_run"):
            return await self._taken_up(arguments)
        return await self._given(lambda: self._taken_up(arguments), arguments)

    async def _taken_up(self, arguments: dict[str, Any]) -> dict[str, Any]:
        async with self._turn:
            self._not_busy()
            now = await asyncio.to_thread(propose, self._path, {}, self._look.texts_of)
            new = await asyncio.to_thread(load_proposal, self._path, now, self._models)
            found = differences(self._do.running, new)
            before = {}
            if new.files != self._do.running.files:
                before = await asyncio.to_thread(self._look.former, new)
            # The files are written already: the former ones are those of the running configuration.
            written = {name: text for name, text in now.texts.items() if before.get(name) != text}
            proposed = Proposal(
                before=before,
                texts=now.texts,
                written=written if before else {},
                created=[name for name in written if before and name not in before],
                base=self._do.running.digest,
                digest=new.digest,
                diff=diff(before, now.texts) if before else "",
            )
            plan = self._plan(proposed, found, new)
            if not found and new.files == self._do.running.files:
                return {**plan, "state": SAME}
            if arguments.get("dry_run"):
                return {**plan, "state": PLANNED}
            return {**plan, **await self._do.carry_out(proposed, new, found, arguments, FOUND)}

    async def _confirm(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Commit the change that waits for confirmation; {by}."""
        async with self._turn:
            if self._do.before is None:
                raise HubError(self._nothing_waits())
            _, proposed, change = self._do.before
            await self._do.commit(self._do.running, proposed, change, self._do.what)
            version = self._do.running.digest[:12]
            told = {"config": "confirmed", "version": version, "from": origin(arguments)}
            await self._audit(asker(arguments), told)
            return {"state": COMMITTED, "digest": self._do.running.digest}

    async def _revert(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Undo the change that waits for confirmation now; {by}."""
        async with self._turn:
            if self._do.before is None:
                raise HubError(self._nothing_waits())
            why = phrase("somebody-took-it-back", "{by} took it back", by=actor(asker(arguments)))
            return await self._do.take_back(*self._do.before, why)

    async def _progress(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {} with {stage, confirm_s, last}: the stage of the current change, and the result of the last one."""
        return self.progress()

    async def _stage(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {} with {stage, confirm_s, last} without details, for clients that ask each second."""
        stage = self._do.stage or (WRITING if self._queued else "")
        return {"stage": stage, "confirm_s": self._do.left(), "last": self._do.last}

    def progress(self) -> dict[str, Any]:
        """Return the answer of `config.progress`."""
        return {
            "stage": self._do.stage or (WRITING if self._queued else ""), "confirm_s": self._do.left(),
            "last": self._do.last, "running": self._do.running.digest,
            "restart": self._restart(), "problems": list(self._problems), "undone": self._do.said,
        }  # fmt: skip

    # implementation

    def _plan(self, proposed: Proposal, found: Differences, new: Loaded) -> dict[str, Any]:
        return {
            "diff": proposed.diff, "base": proposed.base, "digest": proposed.digest, "files": list(proposed.written),
            "instances": [{"kind": one.kind, "name": one.name, "how": one.how} for one in found.instances],
            "parts": found.parts, "restart": found.restart, "lockout": found.lockout,
            "confirm_s": new.config.config.confirm.total_seconds() if found.lockout else 0.0,
        }  # fmt: skip

    async def _remember_found(self) -> None:
        """Record the configuration that this hub started with in its history."""
        if self._problems:
            return

        def work() -> None:
            if unchanged(self._path, self._do.running.files):
                texts = contents(self._path, self._do.running.files)
                self._history.add(texts, author="", reason="", at=self._clock.now(), what=FOUND)

        try:
            await asyncio.to_thread(work)
        except HubError as error:
            _log.error("%s", error)

    # predicates

    def _mode(self) -> str:
        return self._do.running.config.config.mode

    def _restart(self) -> list[str]:
        return differences(self._started, self._do.running).restart

    def _may_change(self) -> None:
        if self._mode() == "managed":
            who = self._do.running.config.config.managed_by or phrase("another-system", "another system")
            raise ManagedExternally(
                phrase(
                    "configuration-managed-elsewhere",
                    "this configuration is managed by {manager} (config.mode: managed): change it there, not here",
                    manager=who,
                )
            )
        self._not_busy()

    def _not_busy(self) -> None:
        if self._do.before is not None:
            raise Busy(
                phrase(
                    "configuration-change-waits",
                    "a change waits to be confirmed: `ilot config confirm`, or `ilot config revert`, comes first",
                )
            )

    def _nothing_waits(self) -> str:
        if self._do.last.get("state") != TAKEN_BACK:
            return phrase("no-change-waits", "no change waits to be confirmed")
        return phrase(
            "no-change-waits-any-more",
            "no change waits to be confirmed; the last one was taken back: {reason}",
            reason=self._do.last.get("why", ""),
        )
