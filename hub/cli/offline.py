"""The calls of `hub.changing` on the files themselves, where no hub runs: checked and kept in the history alike; the
next start takes them up."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hub.config import history, proposing
from hub.config.build import Models
from hub.config.history import APPLIED, ROLLED_BACK, Change, History, write_texts
from hub.config.lastgood import Kept
from hub.config.load import Loaded
from hub.config.source import digest, digests
from hub.errors import ConfigError, HubError


def offline(config: Path, state: Path, call: str, arguments: dict[str, Any]) -> Any:
    """As the running hub would answer. Raises HubError."""
    kept = _kept(state)
    book = History(kept) if kept is not None else None

    def texts_of(name: str) -> dict[str, bytes]:
        if book is None:
            raise ConfigError(f"there is no history in {state}: this hub is not enrolled, or may not be read by you")
        return book.texts(book.find(name))

    if call == "config.log":
        revisions = book.revisions() if book is not None else []
        shown = [{"parent": one.parent, "runs": False, **_shown(one)} for one in reversed(revisions)]
        return {"revisions": shown, "running": ""}
    if call == "config.show":
        texts = texts_of(arguments["revision"]) if arguments.get("revision") else proposing.lying_there(config)
        named = {name: text.decode("utf-8", "replace") for name, text in texts.items()}
        return {"path": str(config), "first": config.name, "digest": digest(digests(texts)), "files": named,
                "running": "", "mode": "", "managed_by": ""}  # fmt: skip
    if call == "config.diff":
        names = [str(arguments.get(name) or "") for name in ("against", "revision")]
        if not names[0]:
            raise ConfigError("no hub runs: name the version that the file is compared with (`ilot config log`)")
        both = [texts_of(name) if name else proposing.lying_there(config) for name in names]
        return {"diff": proposing.diff(*both), "state": "planned"}
    models = _models(config, state)
    if call == "config.check":
        try:
            proposing.judge(config, proposing.propose(config, arguments, texts_of), models)
        except ConfigError as error:
            return {"ok": False, "problems": [asdict(problem) for problem in error.problems]}
        return {"ok": True, "problems": []}
    return _apply(config, arguments, texts_of, models, kept)


def _apply(
    config: Path, arguments: dict[str, Any], texts_of: proposing.Revisions, models: Models, kept: Kept | None
) -> dict[str, Any]:
    now = _now(config, models)
    if now is not None and now.config.config.mode == "managed" and not arguments.get("dry_run"):
        who = now.config.config.managed_by or "another system"
        raise ManagedFile(f"this configuration is managed by {who} (config.mode: managed): change it there, not here")
    proposed = proposing.propose(config, arguments, texts_of)
    proposing.judge(config, proposed, models)
    plan = {
        "diff": proposed.diff, "base": proposed.base, "digest": proposed.digest, "files": list(proposed.written),
        "instances": [], "parts": [], "restart": [], "lockout": [], "confirm_s": 0.0,
    }  # fmt: skip
    if not proposed.written:
        return {**plan, "state": "same"}
    if arguments.get("dry_run"):
        return {**plan, "state": "planned"}
    author, why = str(arguments.get("by") or "cli"), str(arguments.get("reason") or "")
    before = {name: proposed.before[name] for name in proposed.written if name in proposed.before}
    change = Change(
        first=str(config.absolute()), before=before, created=proposed.created, after=digests(proposed.written),
        author=author, reason=why, at=time.time(),
    )  # fmt: skip
    if kept is None:
        write_texts(config, proposed.written)
        return {**plan, "state": "written"}
    history.begin(kept, change)
    write_texts(config, proposed.written)
    history.end(kept)
    what = ROLLED_BACK if arguments.get("revision") else APPLIED
    History(kept).add(proposed.texts, author=author, reason=why, at=change.at, what=what)
    return {**plan, "state": "written"}


class ManagedFile(HubError):
    """The configuration is somebody else's to change."""

    exit_code = 5


def _now(config: Path, models: Models) -> Loaded | None:
    from hub.config.load import load

    try:
        return load(config, models)
    except ConfigError:
        return None


def _kept(state: Path) -> Kept | None:
    from hub import keys
    from hub.state import StateDir

    try:
        return Kept(state, keys.load(StateDir(state).keys).store_key)
    except (HubError, OSError):
        return None


def _models(config: Path, state: Path) -> Models:
    from hub.installed import installed_models
    from hub.registry import Registry
    from hub.state import StateDir

    return installed_models(Registry.discover(), packs=StateDir(state).packs)


def _shown(one: history.Revision) -> dict[str, Any]:
    return {"id": one.id, "at": one.at, "author": one.author, "reason": one.reason, "what": one.what,
            "detail": one.detail}  # fmt: skip
