"""Calls of `hub.operations.config_changes` on the files themselves, where no hub runs: checked and recorded in the
history alike; the next start applies them.

A writer holds the state directory's lock: no hub starts between reading and writing, and where one runs that does not
answer, nothing is written. A change that a hub left unconfirmed is undone first, as its next start would.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hub.cli.hub_client import current_user
from hub.config import history, proposals
from hub.config.history import APPLIED, ROLLED_BACK, Change, History, refuse_links, write_texts
from hub.config.instances import Models
from hub.config.last_good import LastGoodStore
from hub.config.source import digest, digests
from hub.core.errors import ConfigError, HubError, NotReady, StorageError
from hub.core.text import phrase, reason_of


def offline(config: Path, state: Path, call: str, arguments: dict[str, Any], models: Models | None = None) -> Any:
    """Return the answer of a running hub; `models` None: of all installed plugins. Raises HubError."""
    if call == "config.apply":
        return _apply(config, state, arguments, models or _models(state))
    book = _OfflineHistory(state, _last_good_store(state))
    if call == "config.log":
        return {"revisions": book.shown(), "running": ""}
    if call == "config.show":
        texts = book.texts(str(arguments["revision"])) if arguments.get("revision") else proposals.current_texts(config)
        named = {name: text.decode("utf-8", "replace") for name, text in texts.items()}
        return {"path": str(config), "first": config.name, "digest": digest(digests(texts)), "files": named,
                "running": "", "mode": "", "managed_by": ""}  # fmt: skip
    if call == "config.diff":
        names = [str(arguments.get(name) or "") for name in ("against", "revision")]
        if not names[0]:
            raise ConfigError(
                phrase(
                    "version-to-compare-missing",
                    "no hub runs: name the version that the file is compared with (`ilot config log`)",
                )
            )
        both = [book.texts(name) if name else proposals.current_texts(config) for name in names]
        return {"diff": proposals.diff(*both), "state": "planned"}
    if call == "config.check":
        try:
            proposals.load_proposal(config, proposals.propose(config, arguments, book.texts), models or _models(state))
        except ConfigError as error:
            return {"ok": False, "problems": [asdict(problem) for problem in error.problems]}
        return {"ok": True, "problems": []}
    raise NotReady(
        phrase("call-needs-running-hub", "no hub runs on {state}: {call} is for a running one", state=state, call=call)
    )


class ManagedFile(HubError):
    """The configuration is managed by somebody else."""

    exit_code = 5


class HubMayRun(HubError):
    """A hub runs here, or that is unknown."""

    exit_code = 6


class _OfflineHistory:
    """The history, or the error where there is none."""

    def __init__(self, state: Path, kept: LastGoodStore | None) -> None:
        self._state, self._book = state, History(kept) if kept is not None else None

    def texts(self, name: str) -> dict[str, bytes]:
        if self._book is None:
            raise ConfigError(
                phrase(
                    "no-configuration-history",
                    "there is no history in {state}: this hub is not enrolled, or may not be read by you",
                    state=self._state,
                )
            )
        return self._book.texts(self._book.find(name))

    def shown(self) -> list[dict[str, Any]]:
        revisions = self._book.revisions() if self._book is not None else []
        return [
            {
                "id": one.id,
                "parent": one.parent,
                "at": one.at,
                "author": one.author,
                "reason": one.reason,
                "what": one.what,
                "detail": one.why,
                "runs": False,
            }
            for one in reversed(revisions)
        ]


def _apply(config: Path, state: Path, arguments: dict[str, Any], models: Models) -> dict[str, Any]:
    dry_run = bool(arguments.get("dry_run"))
    with contextlib.nullcontext() if dry_run else _state_lock(state):
        kept = _last_good_store(state, strict=not dry_run)
        undone = history.undo(kept, time.time()) if kept is not None and not dry_run else ""
        if not dry_run:
            _may_change(config, models)
        proposed = proposals.propose(config, arguments, _OfflineHistory(state, kept).texts)
        proposals.load_proposal(config, proposed, models)
        plan = {
            "diff": proposed.diff, "base": proposed.base, "digest": proposed.digest, "files": list(proposed.written),
            "instances": [], "parts": [], "restart": [], "lockout": [], "confirm_s": 0.0, "undone": undone,
        }  # fmt: skip
        if not proposed.written:
            return {**plan, "state": "same"}
        if dry_run:
            return {**plan, "state": "planned"}
        _write(config, kept, proposed, arguments)
        return {**plan, "state": "written", "remembered": kept is not None}


def _write(config: Path, kept: LastGoodStore | None, proposed: proposals.Proposal, arguments: dict[str, Any]) -> None:
    """Write the files and the history, all or nothing."""
    refuse_links(config, proposed.written)
    change = Change(
        first=str(config.absolute()),
        created=proposed.created,
        after=digests(proposed.written),
        before={name: proposed.before[name] for name in proposed.written if name in proposed.before},
        author=str(arguments.get("by") or current_user()),
        reason=str(arguments.get("reason") or ""),
        at=time.time(),
    )
    if kept is not None:
        history.begin(kept, change)
    try:
        write_texts(config, proposed.written)
        if kept is not None:
            what = ROLLED_BACK if arguments.get("revision") else APPLIED
            History(kept).add(proposed.texts, author=change.author, reason=change.reason, at=change.at, what=what)
    except HubError:
        history.put_back(config, change)
        if kept is not None:
            history.end(kept)
        raise
    if kept is not None:
        history.end(kept)


@contextlib.contextmanager
def _state_lock(state: Path) -> Iterator[None]:
    """Hold the lock of the state directory, if it exists. Raises HubMayRun."""
    from hub.core.state_dir import Held, StateDir

    if not os.path.lexists(state):  # no hub ever used it
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(StateDir(state).locked())
        except Held:
            raise HubMayRun(
                phrase(
                    "running-hub-silent",
                    "a hub runs on {state} and does not answer at its socket: nothing was changed. Try again in a "
                    "while, as the user of the hub or as root; or stop the hub",
                    state=state,
                )
            ) from None
        except StorageError as error:
            raise HubMayRun(
                phrase(
                    "unknown-whether-hub-runs",
                    "nobody can tell whether a hub runs ({reason}): nothing was changed. Try again as the user of "
                    "the hub",
                    reason=reason_of(error),
                )
            ) from error
        yield


def _may_change(config: Path, models: Models) -> None:
    """Check that the file is not managed, also where something else in it is wrong. Raises ManagedFile."""
    from hub.config.last_good import load_sections

    try:
        engine = load_sections(config, models, "config").config.config
    except ConfigError:
        return
    if engine.mode == "managed":
        raise ManagedFile(
            phrase(
                "configuration-managed",
                "this configuration is managed by {manager} (config.mode: managed): change it there, not here",
                manager=engine.managed_by or phrase("another-system", "another system"),
            )
        )


def _last_good_store(state: Path, *, strict: bool = False) -> LastGoodStore | None:
    """Return the store of the history; None where this hub is not enrolled. `strict`: raises HubError when it is
    enrolled and its key cannot be read; otherwise None."""
    from hub.core.state_dir import StateDir
    from hub.identity import keys

    try:
        return LastGoodStore(state, keys.load(StateDir(state).keys).store_key)
    except (HubError, OSError) as error:
        if strict and StateDir(state).keys.is_dir():
            raise HubMayRun(
                phrase(
                    "keys-of-hub-not-read",
                    "the keys of this hub cannot be read ({reason}): nothing was changed",
                    reason=reason_of(error),
                )
            ) from error
        return None


def _models(state: Path) -> Models:
    from hub.core.state_dir import StateDir
    from hub.plugin_host.opening import installed_in

    return installed_in(StateDir(state)).models
