"""Changes of the configuration of a running hub: one at a time, whole or not at all.

    validate ─▶ write ─▶ reload what differs ─▶ health gate ─▶ commit
                  │            │                    │    └─ web, link: wait for a word ─▶ commit
                  └────────────┴────────────────────┴────── or everything back, with the reason

While a change is not committed, `hub.config.history` holds what the files said before: a hub that ends meanwhile, for
whatever reason, starts with that. What only a new start takes up is said beforehand; it is written and waits.

`reload` is the only thing here that touches running parts; it is called with two configurations and what differs, and
called again the other way round to take a change back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from typing import Any

import msgspec

from hub import gating
from hub.clock import Clock
from hub.config import history, lastgood
from hub.config.build import Models
from hub.config.differences import REMOVED, Differences, differences
from hub.config.history import APPLIED, FOUND, REFUSED, ROLLED_BACK, Change, History, write_texts
from hub.config.lastgood import Kept
from hub.config.load import Loaded
from hub.config.proposing import Proposed, diff, judge, lying_there, propose
from hub.config.source import contents, digest, digests, unchanged
from hub.errors import ConfigError, HubError, StorageError
from hub.gating import Stands

POLL_S = 0.25
LINGER_S = 1.0
"""A change of the pages waits so long before they move: whoever asked for it reads the answer first."""

# what became of a change
SAME, PLANNED, COMMITTED, UNCONFIRMED, TAKEN_BACK = "same", "planned", "committed", "unconfirmed", "taken-back"
UNDER_WAY, FAILED = "under-way", "failed"
# where a change under way stands
WRITING, RELOADING, WATCHING, WAITING, RETURNING = "writing", "reloading", "watching", "waiting", "returning"

Reload = Callable[[Loaded, Loaded, Differences], Awaitable[None]]
Work = Callable[[], Awaitable[dict[str, Any]]]
Audit = Callable[[str, dict[str, Any]], Awaitable[None]]

_log = logging.getLogger("hub.config")


class Managed(HubError):
    """The configuration is somebody else's to change."""

    exit_code = 5


class Busy(HubError):
    """A change is under way."""

    exit_code = 6


class Changing:
    """`problems` are those of the file when the last good configuration runs, and are emptied when a right one does.
    `stands` tells how every part stands, `audit` writes to the audit chain, `changed` says that the next backup is
    due."""

    def __init__(
        self, running: Loaded, problems: list[str], *, kept: Kept, models: Models, clock: Clock, reload: Reload,
        stands: Callable[[], Stands], audit: Audit, changed: Callable[[], None], said: str = "",
    ) -> None:  # fmt: skip
        self.running = running
        self._started = running
        self._problems = problems
        self._kept, self._models, self._clock = kept, models, clock
        self._reload, self._stands, self._audit, self._changed = reload, stands, audit, changed
        self._history = History(kept)
        self._path = running.path
        self._turn = asyncio.Lock()
        self._jobs: asyncio.Queue[tuple[Work, asyncio.Future[dict[str, Any]]]] = asyncio.Queue()
        self._queued = 0
        self._before: tuple[Loaded, Proposed, Change] | None = None  # of a change that waits for a word
        self._what = APPLIED  # how it came to be
        self._until = 0.0
        self._stage = ""
        self._last: dict[str, Any] = {}
        self._said = said  # what a start undid
        self._lost = ""  # a change could not be taken back

    # the part

    async def run(self) -> None:
        """Remember what runs; take back what nobody confirms."""
        await self._remember_found()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work())
            group.create_task(self._wait_for_words())

    async def _work(self) -> None:
        """Carry out what is asked for, one after the other: whoever asked may be gone before it is done."""
        while True:
            work, answer = await self._jobs.get()
            try:
                result = await work()
            except Exception as error:
                if not isinstance(error, HubError):
                    _log.exception("a change of the configuration failed")
                said = error if isinstance(error, HubError) else HubError(f"{type(error).__name__}: {error}")
                self._last = {**self._last, "state": FAILED, "why": str(said)}
                if not answer.done():
                    answer.set_exception(said)
                    answer.exception()  # told or not, it was looked at
            else:
                if not answer.done():
                    answer.set_result(result)
            finally:
                self._queued -= 1

    async def _given(self, work: Work, arguments: dict[str, Any]) -> dict[str, Any]:
        """As a job; with `later`, answered before it is done."""
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._queued += 1
        self._jobs.put_nowait((work, answer))
        if arguments.get("later"):
            return {"state": UNDER_WAY}
        return await asyncio.shield(answer)

    def hang_up(self) -> None:
        """SIGHUP: take up what the files say by now; how it went stands in the log and in `ilot status`."""

        async def work() -> dict[str, Any]:
            try:
                return await self._taken_up({"by": "signal", "reason": "SIGHUP"})
            except HubError:
                _log.error("the edited configuration is not taken up; `ilot check` shows what is wrong")
                raise

        self._queued += 1
        self._jobs.put_nowait((work, asyncio.get_running_loop().create_future()))

    async def _wait_for_words(self) -> None:
        while True:
            if self._before is None:
                await self._clock.sleep(POLL_S)
                continue
            left = self._until - self._clock.monotonic()
            if left > 0:
                await self._clock.sleep(min(left, POLL_S))
                continue
            async with self._turn:
                if self._before is not None:
                    await self._take_back(*self._before, "nobody confirmed it in time")

    def status(self) -> dict[str, Any]:
        """For `ilot status`."""
        return {
            "digest": self.running.digest, "mode": self._mode(), "managed_by": self.running.config.config.managed_by,
            "stage": self._stage, "confirm_s": self._left(), "restart": self._restart(), "last": self._last,
        }  # fmt: skip

    def complaints(self) -> list[str]:
        """What somebody should look at."""
        said = [self._lost] if self._lost else []
        if waiting := self._restart():
            said.append(f"a restart of the hub takes up: {', '.join(waiting)}")
        if (left := self._left()) is not None:
            said.append(f"the configuration is to be confirmed within {left:.0f} s: `ilot config confirm`")
        if self._said:
            said.append(self._said)
        return said

    def calls(self) -> dict[str, Callable[[dict[str, Any]], Awaitable[Any]]]:
        """See the methods."""
        return {
            "config.show": self._show, "config.check": self._check, "config.diff": self._diff,
            "config.apply": self._apply, "config.reload": self._reread, "config.log": self._log,
            "config.confirm": self._confirm, "config.revert": self._revert, "config.progress": self._progress,
            "config.form": self._form,
        }  # fmt: skip

    # what is asked

    async def _show(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{revision?} → {path, files, digest, running, mode, managed_by, problems, progress}: what lies there, or a
        version of the history."""
        if arguments.get("revision"):
            revision = await asyncio.to_thread(self._history.find, str(arguments["revision"]))
            texts = await asyncio.to_thread(self._history.texts, revision)
        else:
            texts = await asyncio.to_thread(lying_there, self._path)
        problems = [] if arguments.get("revision") else await asyncio.to_thread(self._judged, texts)
        return {
            "path": str(self._path), "first": self._path.name, "digest": digest(digests(texts)),
            "files": {name: text.decode("utf-8", "replace") for name, text in texts.items()},
            "running": self.running.digest, "mode": self._mode(),
            "managed_by": self.running.config.config.managed_by, "problems": problems, "progress": self.progress(),
        }  # fmt: skip

    async def _form(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{at: [key, …], filled?} → the form there (`hub.config.forms.Form`), the digest that it shows, and with
        `filled` the edits that it means. Raises ConfigError."""

        def work() -> dict[str, Any]:
            from hub.config import forms
            from hub.config.schema import schema
            from hub.config.source import read

            at = tuple(str(part) for part in arguments.get("at") or [])
            source = read(self._path)
            if source.problems:
                raise ConfigError(source.problems)
            try:
                shown = forms.form(schema(_only(self._models, source.data, at)), source.data, at)
                meant = forms.edits(shown, arguments["filled"]) if "filled" in arguments else []
            except KeyError:
                raise ConfigError(f"no form shows {'.'.join(at)}; edit the text") from None
            except ValueError as error:
                raise ConfigError(str(error)) from None
            return {"form": msgspec.to_builtins(shown), "digest": source.digest, "edits": meant}

        return await asyncio.to_thread(work)

    def _judged(self, texts: dict[str, bytes]) -> list[dict[str, Any]]:
        try:
            judge(self._path, Proposed({}, texts), self._models)
        except ConfigError as error:
            return [asdict(problem) for problem in error.problems]
        return []

    async def _check(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{files | edits | revision} → {ok, problems}."""
        try:
            proposed = await self._proposed(arguments)
            await asyncio.to_thread(judge, self._path, proposed, self._models)
        except ConfigError as error:
            return {"ok": False, "problems": [asdict(problem) for problem in error.problems]}
        return {"ok": True, "problems": []}

    async def _diff(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{files | edits | revision} → as `config.apply` with `dry_run`; {revision, against} compares two versions;
        {} what runs with what the files say."""
        if arguments.get("against"):
            both = [str(arguments["against"]), str(arguments.get("revision") or "")]
            texts = [await asyncio.to_thread(self._version, name) for name in both]
            return {"diff": diff(*texts), "state": PLANNED}
        if any(arguments.get(name) for name in ("files", "edits", "revision")):
            return await self._apply({**arguments, "dry_run": True})
        now = await asyncio.to_thread(lying_there, self._path)
        before = await asyncio.to_thread(self._running_texts)
        return {"diff": diff(before, now), "state": PLANNED}

    def _version(self, name: str) -> dict[str, bytes]:
        return self._history.texts(self._history.find(name)) if name else lying_there(self._path)

    def _running_texts(self) -> dict[str, bytes]:
        if unchanged(self._path, self.running.files):
            return contents(self._path, self.running.files)
        return self._version(self.running.digest)

    async def _apply(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{files | edits | revision, base?, by, reason, dry_run?, anyway?, confirm_s?, later?} → {state, diff, digest,
        instances, parts, restart, lockout, …}.

        `base`: the digest that the caller started from. `anyway`: what is only away does not stop the change.
        `later`: answer at once; `config.progress` tells the rest. Raises ConfigError with every problem, Conflict,
        Managed, Busy, CannotWrite; nothing has changed then."""
        if arguments.get("dry_run"):
            return await self._applied(arguments)
        self._may_change()
        return await self._given(lambda: self._applied(arguments), arguments)

    async def _applied(self, arguments: dict[str, Any]) -> dict[str, Any]:
        dry_run = bool(arguments.get("dry_run"))
        async with self._turn:
            if not dry_run:
                self._may_change()
            proposed = await self._proposed(arguments)
            new = await asyncio.to_thread(judge, self._path, proposed, self._models)
            found = differences(self.running, new)
            plan = self._plan(proposed, found, new)
            if not proposed.written and not found:
                return {**plan, "state": SAME}
            if dry_run:
                return {**plan, "state": PLANNED}
            what = ROLLED_BACK if arguments.get("revision") else APPLIED
            return {**plan, **await self._carry_out(proposed, new, found, arguments, what)}

    async def _reread(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{by, reason?, dry_run?, anyway?}: take up what the files say by now (SIGHUP, `ilot config reload`). Also
        where the configuration is managed: whoever manages it writes the files."""
        if arguments.get("dry_run"):
            return await self._taken_up(arguments)
        return await self._given(lambda: self._taken_up(arguments), arguments)

    async def _taken_up(self, arguments: dict[str, Any]) -> dict[str, Any]:
        async with self._turn:
            self._not_busy()
            now = await asyncio.to_thread(propose, self._path, {}, self._texts_of)
            new = await asyncio.to_thread(judge, self._path, now, self._models)
            found = differences(self.running, new)
            before = {}
            if new.files != self.running.files:
                before = await asyncio.to_thread(self._former, new)
            # They are written already: what there was before is what ran.
            written = {name: text for name, text in now.texts.items() if before.get(name) != text}
            proposed = Proposed(
                before=before, texts=now.texts, written=written if before else {},
                created=[name for name in written if before and name not in before],
                base=self.running.digest, digest=new.digest, diff=diff(before, now.texts) if before else "",
            )  # fmt: skip
            plan = self._plan(proposed, found, new)
            if not found and new.files == self.running.files:
                return {**plan, "state": SAME}
            if arguments.get("dry_run"):
                return {**plan, "state": PLANNED}
            return {**plan, **await self._carry_out(proposed, new, found, arguments, FOUND)}

    def _former(self, new: Loaded) -> dict[str, bytes]:
        """The texts of what runs, from the history; nothing when they are not there."""
        try:
            return self._history.texts(self._history.find(self.running.digest))
        except HubError:
            return {}

    async def _log(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{} → {revisions, running}: the newest first."""
        revisions = await asyncio.to_thread(self._history.revisions)
        shown = [
            {"id": one.id, "parent": one.parent, "at": one.at, "author": one.author, "reason": one.reason,
             "what": one.what, "detail": one.detail, "runs": one.id == self.running.digest and one.what != REFUSED}
            for one in reversed(revisions)
        ]  # fmt: skip
        return {"revisions": shown, "running": self.running.digest}

    async def _confirm(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{by}: a change that waits for a word stays."""
        async with self._turn:
            if self._before is None:
                raise HubError("no change waits to be confirmed" + self._last_words())
            _, proposed, change = self._before
            await self._commit(self.running, proposed, change, self._what)
            await self._audit(_by(arguments), {"config": "confirmed", "version": self.running.digest[:12]})
            return {"state": COMMITTED, "digest": self.running.digest}

    async def _revert(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{by}: a change that waits for a word is taken back now."""
        async with self._turn:
            if self._before is None:
                raise HubError("no change waits to be confirmed" + self._last_words())
            return await self._take_back(*self._before, f"{_by(arguments)} took it back")

    async def _progress(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{} → {stage, confirm_s, last}: how the change under way stands, and what became of the last one."""
        return self.progress()

    def progress(self) -> dict[str, Any]:
        """See `config.progress`."""
        return {
            "stage": self._stage or (WRITING if self._queued else ""), "confirm_s": self._left(), "last": self._last,
            "running": self.running.digest,
            "restart": self._restart(), "problems": list(self._problems), "undone": self._said,
        }  # fmt: skip

    # how it is done

    async def _proposed(self, arguments: dict[str, Any]) -> Proposed:
        return await asyncio.to_thread(propose, self._path, arguments, self._texts_of)

    def _texts_of(self, revision: str) -> dict[str, bytes]:
        return self._history.texts(self._history.find(revision))

    def _plan(self, proposed: Proposed, found: Differences, new: Loaded) -> dict[str, Any]:
        return {
            "diff": proposed.diff, "base": proposed.base, "digest": proposed.digest, "files": list(proposed.written),
            "instances": [{"kind": one.kind, "name": one.name, "how": one.how} for one in found.instances],
            "parts": found.parts, "restart": found.restart, "lockout": found.lockout,
            "confirm_s": new.config.config.confirm.total_seconds() if found.lockout else 0.0,
        }  # fmt: skip

    async def _carry_out(
        self, proposed: Proposed, new: Loaded, found: Differences, arguments: dict[str, Any], what: str
    ) -> dict[str, Any]:
        author, reason, old = _by(arguments), str(arguments.get("reason") or "")[:500], self.running
        change = Change(
            first=str(self._path), before={name: proposed.before[name] for name in proposed.written
                                           if name in proposed.before},
            created=proposed.created, after=digests(proposed.written), author=author, reason=reason,
            at=self._clock.now(),
        )  # fmt: skip
        self._last = {"at": change.at, "by": author, "reason": reason, "digest": new.digest}
        self._said = ""
        before = self._stands()
        changed = [one[:2] for one in found.instances if one.how != REMOVED]
        changed += [("part", part) for part in ("web", "link") if part in found.parts]
        try:
            self._stage = WRITING
            try:
                await asyncio.to_thread(history.begin, self._kept, change)
                if what != FOUND:
                    await asyncio.to_thread(write_texts, self._path, proposed.written)
            except HubError:
                await asyncio.to_thread(self._unwrite, change)
                raise
            self._stage = RELOADING
            why = await self._reloaded(old, new, found)
            if not why:
                self.running = new
                self._stage = WATCHING
                gate = new.config.config.gate.total_seconds()
                why = await self._watch(before, changed, gate, anyway=bool(arguments.get("anyway")))
            if why:
                return await self._take_back(old, proposed, change, why)
            if found.lockout:
                seconds = float(arguments.get("confirm_s") or new.config.config.confirm.total_seconds())
                self._before, self._until = (old, proposed, change), self._clock.monotonic() + min(900.0, seconds)
                self._what = what
                self._stage = WAITING
                await self._audit(author, {"config": "to be confirmed", "version": new.digest[:12], "why": reason})
                self._last = {**self._last, "state": UNCONFIRMED}
                return {"state": UNCONFIRMED, "confirm_s": self._left()}
            await self._commit(new, proposed, change, what)
            return {"state": COMMITTED}
        finally:
            if self._before is None:
                self._stage = ""

    async def _reloaded(self, old: Loaded, new: Loaded, found: Differences) -> str:
        """Reload; why it failed, "" when it did not."""
        try:
            await self._reload(old, new, found)
        except HubError as error:
            return str(error)
        except Exception as error:  # a bug of a part: the change is taken back, the hub goes on
            _log.exception("the configuration could not be reloaded")
            return f"{type(error).__name__}: {error}"
        return ""

    async def _watch(self, before: Stands, changed: Iterable[tuple[str, str]], seconds: float, *, anyway: bool) -> str:
        """The health gate; what is wrong, "" when nothing is."""
        keys = list(changed)
        end = self._clock.monotonic() + seconds
        await self._clock.sleep(POLL_S)
        while True:
            now, over = self._stands(), self._clock.monotonic() >= end
            if why := gating.wrong(before, now, keys, over=over and not anyway):
                return "; ".join(why)
            if over or gating.settled(now, keys):
                return ""
            await self._clock.sleep(POLL_S)

    async def _commit(self, new: Loaded, proposed: Proposed, change: Change, what: str) -> None:
        try:
            await asyncio.to_thread(self._remember, new, proposed, change, what)
        except StorageError as error:  # it runs all the same, and its files are written
            _log.error("%s", error)
        self._before, self._stage = None, ""
        self._problems.clear()
        self._last = {**self._last, "state": COMMITTED}
        version = {"config": what, "version": new.digest[:12], "why": change.reason}
        await self._audit(change.author, version)
        self._changed()
        _log.info("a change of the configuration is kept; `ilot config log` shows who made it")

    def _remember(self, new: Loaded, proposed: Proposed, change: Change, what: str) -> None:
        history.end(self._kept)
        self._history.add(
            proposed.texts, author=change.author, reason=change.reason, at=change.at, what=what, detail=""
        )
        lastgood.remember(self._kept, new)

    async def _take_back(self, old: Loaded, proposed: Proposed, change: Change, why: str) -> dict[str, Any]:
        """Everything as it was."""
        self._stage = RETURNING
        _log.warning("a change of the configuration is taken back; `ilot config log` says why")
        failed = ""
        try:
            await asyncio.to_thread(self._unwrite, change)
        except HubError as error:
            failed = str(error)
        was = self.running
        found = differences(was, old) if was is not old else differences(await self._tried(proposed, old), old)
        failed = await self._reloaded(was, old, found) or failed
        self.running = old
        self._before, self._stage = None, ""
        if failed:
            self._lost = f"a change could not be taken back whole ({failed}): restart the hub"
            _log.error("%s", self._lost)
        else:
            self._lost = ""
        try:
            await asyncio.to_thread(
                lambda: self._history.add(
                    proposed.texts, author=change.author, reason=change.reason, at=change.at, what=REFUSED, detail=why
                )
            )
        except StorageError as error:
            _log.error("%s", error)
        self._last = {**self._last, "state": TAKEN_BACK, "why": why}
        await self._audit(change.author, {"config": "taken back", "version": proposed.digest[:12], "why": why})
        return {"state": TAKEN_BACK, "why": why}

    async def _tried(self, proposed: Proposed, old: Loaded) -> Loaded:
        """What a reload that failed half-way was on the way to."""
        try:
            return await asyncio.to_thread(judge, self._path, proposed, self._models)
        except ConfigError:
            return old

    def _unwrite(self, change: Change) -> None:
        history.put_back(self._path, change)
        history.end(self._kept)

    async def _remember_found(self) -> None:
        """What this hub started with stands in its history."""
        if self._problems:
            return

        def work() -> None:
            if unchanged(self._path, self.running.files):
                texts = contents(self._path, self.running.files)
                self._history.add(texts, author="", reason="", at=self._clock.now(), what=FOUND)

        try:
            await asyncio.to_thread(work)
        except HubError as error:
            _log.error("%s", error)

    # small questions

    def _mode(self) -> str:
        return self.running.config.config.mode

    def _left(self) -> float | None:
        return None if self._before is None else max(0.0, self._until - self._clock.monotonic())

    def _restart(self) -> list[str]:
        return differences(self._started, self.running).restart

    def _may_change(self) -> None:
        if self._mode() == "managed":
            who = self.running.config.config.managed_by or "another system"
            raise Managed(f"this configuration is managed by {who} (config.mode: managed): change it there, not here")
        self._not_busy()

    def _not_busy(self) -> None:
        if self._before is not None:
            raise Busy("a change waits to be confirmed: `ilot config confirm`, or `ilot config revert`, comes first")

    def _last_words(self) -> str:
        state = self._last.get("state")
        return f"; the last one was {state}: {self._last.get('why', '')}" if state == TAKEN_BACK else ""


def _only(models: Models, data: Any, at: tuple[str, ...]) -> Models:
    """The models that a form at this place needs: a plugin is imported for its own form, not for all others'."""
    if len(at) < 2 and at not in (("integrations",), ("exporters",), ("notifiers",)):
        return Models(packs=models.packs)
    section, name = at[0], at[1] if len(at) > 1 else ""
    here: Any = data.get(section) if isinstance(data, dict) else None
    here = here.get(name) if isinstance(here, dict) else None
    kind = str(here.get("type") or name) if isinstance(here, dict) else name
    if len(at) == 1:
        return models
    return Models(
        integrations={kind: models.integrations[kind]} if section == "integrations" else {},
        exporters={kind: models.exporters[kind]} if section == "exporters" else {},
        notifiers={kind: models.notifiers[kind]} if section == "notifiers" else {},
        uplinks=models.uplinks if section == "link" else {},
        packs=models.packs,
    )


def _by(arguments: dict[str, Any]) -> str:
    return str(arguments.get("by") or "cli")[:64]
