"""The configuration that a hub starts with: the file, or the last good one where the file is wrong."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from pathlib import Path

from hub.config import history, last_good
from hub.config.instances import Models
from hub.config.load import Loaded
from hub.core.errors import HubError, StorageError
from hub.core.state_dir import StateDir
from hub.core.text import phrase, reason_of
from hub.identity import keys

_log = logging.getLogger("hub")


async def configured(
    config: Path, models: Models, state: StateDir, hub_keys: keys.HubKeys
) -> tuple[Loaded, list[str], str]:
    """Return the configuration, the problems of the file where the last good one runs in its place, and a sentence
    about a change that was taken back, "" for none. Raises ConfigError when nothing can run."""
    kept = last_good.LastGoodStore(state.path, hub_keys.store_key)
    undone = await asyncio.to_thread(_undo, kept)
    bearing = replace(models, packs=None)  # a missing pack affects its devices only, not the start
    started = await asyncio.to_thread(last_good.start, config, bearing, kept=kept)
    problems = [problem.sentence for problem in started.problems]
    for problem in started.problems:  # only the location: logs are stored in clear, and the text names devices
        _log.error(
            phrase(
                "config-problem-at",
                "configuration: {file}:{line}:{column} is wrong",
                file=problem.file,
                line=problem.line,
                column=problem.column,
            )
        )
    if problems:
        _log.error(
            phrase(
                "last-good-config-runs",
                "the last good configuration runs; `ilot check` shows what is wrong in the file",
            )
        )
    else:
        try:
            await asyncio.to_thread(last_good.remember, kept, started.loaded)
        except StorageError as error:  # not fatal: the file itself is valid
            _log.error(reason_of(error))
    return started.loaded, problems, undone


def _undo(kept: last_good.LastGoodStore) -> str:
    """Take back a configuration change that was not confirmed before the former run ended; returns a sentence about
    it."""
    try:
        said = history.undo(kept, time.time())
    except HubError as error:
        said = phrase(
            "config-change-not-undone",
            "a change of the configuration could not be taken back: {reason}",
            reason=reason_of(error),
        )
    if said:
        _log.warning(
            phrase(
                "config-change-interrupted",
                "a change of the configuration was under way when the hub ended; `ilot config log` shows it",
            )
        )
    return said
