"""Read-only calls about the configuration: files, forms, versions, and problems of a proposal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel

from hub.config.history import REFUSED, History
from hub.config.instances import Models
from hub.config.load import Loaded
from hub.config.positions import dotted
from hub.config.proposals import Proposal, current_texts, diff, load_proposal, propose
from hub.config.source import contents, digest, digests, includes_unchanged, read, unchanged
from hub.core.errors import ConfigError, HubError, Problem
from hub.core.text import phrase
from hub.operations.config_changes.results import PLANNED
from hub.operations.config_changes.validation import FileValidator


class ConfigInspector:
    """Service behind the read-only calls. `running` returns the running configuration, `progress` the state of a
    change."""

    def __init__(
        self,
        path: Path,
        models: Models,
        history: History,
        running: Callable[[], Loaded],
        progress: Callable[[], dict[str, Any]],
    ) -> None:
        self._path, self._models, self._history = path, models, history
        self._running, self._progress = running, progress
        self._validator = FileValidator(path, models, running)

    async def show(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {revision?} with {path, files, digest, running, mode, managed_by, problems, progress}: the files, or a
        version of the history."""
        if arguments.get("revision"):
            revision = await asyncio.to_thread(self._history.find, str(arguments["revision"]))
            texts, problems = await asyncio.to_thread(self._history.texts, revision), []
        else:
            texts, found = await asyncio.to_thread(self._validator)
            problems = [asdict(problem) for problem in found]
        return {
            "path": str(self._path), "first": self._path.name, "digest": digest(digests(texts)),
            "files": {name: text.decode("utf-8", "replace") for name, text in texts.items()},
            "running": self._running().digest, "mode": self._running().config.config.mode,
            "managed_by": self._running().config.config.managed_by, "problems": problems, "progress": self._progress(),
        }  # fmt: skip

    async def form(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {at: [key, …], type?, filled?} with the form there (`hub.config.forms.Form`), the digest that it
        shows, and with `filled` the edits that it means. `type`: of an entry that does not exist yet. Raises
        ConfigError."""

        def work() -> dict[str, Any]:
            from hub.config import forms
            from hub.config.schema import schema

            at = tuple(str(part) for part in arguments.get("at") or [])
            data, digest = self._current()
            kind = str(arguments.get("type") or "")
            try:
                shown = forms.form(schema(_only(self._models, data, at, kind)), data, at, kind)
                meant = forms.edits(shown, arguments["filled"]) if "filled" in arguments else []
            except KeyError:
                raise ConfigError(
                    phrase("option-without-form", "no form shows {option}; edit the text", option=".".join(at))
                ) from None
            except forms.InvalidInput as error:
                raise ConfigError([Problem(why, dotted((*at, name))) for name, why in error.found.items()]) from None
            return {"form": msgspec.to_builtins(shown), "digest": digest, "edits": meant}

        return await asyncio.to_thread(work)

    async def options(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer with {digest, options}: those of the hub and of the plugins that the file names
        (`hub.config.option_list.Option`); {digest} alone where `digest` is that of the files. Raises ConfigError."""

        def work() -> dict[str, Any]:
            from hub.config.option_list import MOST, options
            from hub.config.schema import schema

            data, digest = self._current()
            if arguments.get("digest") == digest:
                return {"digest": digest}
            found = islice(options(schema(_named(self._models, data)), data), MOST)
            return {"digest": digest, "options": msgspec.to_builtins(list(found))}

        return await asyncio.to_thread(work)

    def _current(self) -> tuple[Any, str]:
        """Return the current contents of the files, and their digest. Raises ConfigError."""
        running = self._running()
        if running.asked and includes_unchanged(self._path, running.asked):
            return running.data, running.digest
        source = read(self._path)
        if source.problems:
            raise ConfigError(source.problems)
        return source.data, source.digest

    async def check(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {files | edits | revision} with {ok, problems}."""
        try:
            proposed = await self.proposed(arguments)
            await asyncio.to_thread(load_proposal, self._path, proposed, self._models)
        except ConfigError as error:
            return {"ok": False, "problems": [asdict(problem) for problem in error.problems]}
        return {"ok": True, "problems": []}

    def _version(self, name: str) -> dict[str, bytes]:
        return self._history.texts(self._history.find(name)) if name else current_texts(self._path)

    def _running_texts(self) -> dict[str, bytes]:
        if unchanged(self._path, self._running().files):
            return contents(self._path, self._running().files)
        return self._version(self._running().digest)

    def former(self, new: Loaded) -> dict[str, bytes]:
        """Return the texts of the running configuration, from the history; {} when they are not there."""
        try:
            return self._history.texts(self._history.find(self._running().digest))
        except HubError:
            return {}

    async def log(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {} with {revisions, running}: the newest first."""
        revisions = await asyncio.to_thread(self._history.revisions)
        shown = [
            {
                "id": one.id,
                "parent": one.parent,
                "at": one.at,
                "author": one.author,
                "reason": one.reason,
                "what": one.what,
                "detail": one.why,
                "runs": one.id == self._running().digest and one.what != REFUSED,
            }
            for one in reversed(revisions)
        ]
        return {"revisions": shown, "running": self._running().digest}

    async def proposed(self, arguments: dict[str, Any]) -> Proposal:
        return await asyncio.to_thread(propose, self._path, arguments, self.texts_of)

    def texts_of(self, revision: str) -> dict[str, bytes]:
        return self._history.texts(self._history.find(revision))

    async def diff(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Compare two versions for {revision, against}; for {} the running configuration with the files."""
        if arguments.get("against"):
            both = [str(arguments["against"]), str(arguments.get("revision") or "")]
            texts = [await asyncio.to_thread(self._version, name) for name in both]
            return {"diff": diff(*texts), "state": PLANNED}
        now = await asyncio.to_thread(current_texts, self._path)
        before = await asyncio.to_thread(self._running_texts)
        return {"diff": diff(before, now), "state": PLANNED}


class _NoOptions(BaseModel):
    """Empty model of options, for parts whose form is not requested."""


def _named(models: Models, data: Any) -> Models:
    """Return the models of the plugins that the file names: no other is imported."""

    def kinds(*path: str) -> set[str]:
        here = data
        for part in path:
            here = here.get(part) if isinstance(here, dict) else None
        entries = here.items() if isinstance(here, dict) else ()
        return {str(one.get("type") or name) if isinstance(one, dict) else name for name, one in entries}

    def some(known: Mapping[str, Any], named: set[str], otherwise: Any) -> dict[str, Any]:
        return {kind: known[kind] if kind in named else otherwise for kind in known}

    return Models(
        some(models.integrations, kinds("integrations"), (_NoOptions, None)),
        some(models.uplinks, kinds("link", "uplinks"), _NoOptions),
        some(models.exporters, kinds("exporters"), _NoOptions),
        some(models.notifiers, kinds("notifiers"), _NoOptions),
        packs=models.packs,
    )


def _only(models: Models, data: Any, at: tuple[str, ...], kind: str = "") -> Models:
    """Return the models that a form at this place needs: a plugin is imported for its own form, not for all others'."""
    if at[:1] == ("link",):
        named = {kind: models.uplinks[kind] if kind in at[2:3] else _NoOptions for kind in models.uplinks}
        return Models(uplinks=named, packs=models.packs)
    if not at or at[0] not in ("integrations", "exporters", "notifiers"):
        return Models(packs=models.packs)
    section, name = at[0], at[1] if len(at) > 1 else ""
    here: Any = data.get(section) if isinstance(data, dict) else None
    here = here.get(name) if isinstance(here, dict) else None
    kind = str(here.get("type") or name) if isinstance(here, dict) else kind or name
    if section == "integrations":
        ours = models.integrations
        return Models({one: ours[one] if one == kind else (_NoOptions, None) for one in ours}, packs=models.packs)
    known = models.exporters if section == "exporters" else models.notifiers
    asked = {one: known[one] if one == kind else _NoOptions for one in known}
    return Models(exporters=asked, packs=models.packs) if section == "exporters" else Models(notifiers=asked)
