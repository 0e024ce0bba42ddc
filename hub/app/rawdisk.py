"""Raw history on disk, where the owner declares it; where he does not, nothing of it lies there."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from hub.app.ground import Ground
from hub.app.path import Path
from hub.errors import DiskRefuses, StorageError
from hub.history import History
from hub.observing import Observer
from hub.privacy.classes import PERSONAL, privacy_of

if TYPE_CHECKING:
    from hub.rawdisk import RawDisk

NONE = "none"

_log = logging.getLogger("hub.rawdisk")


async def build_raw(ground: Ground, path: Path, history: History, observer: Observer) -> tuple[RawDisk | None, str]:
    """Raw history on disk, None where it is not wanted; and what to say where former one could not be destroyed."""
    options, state = ground.loaded.config.history, ground.state
    if options.raw_on_disk == NONE and not state.raw.exists():
        return None, ""  # the usual case: nothing of it is imported
    from hub.rawdisk import RawDisk, roots
    from hub.rawdisk.folder import Folder
    from hub.rawdisk.keeping import destroy
    from hub.rawdisk.memory import Memory

    folder, memory, left = Folder(state.raw), Memory(ground.store), ""
    others = [where for where in roots.lying(state.keys) if where != options.raw_on_disk]
    if others or options.raw_on_disk == NONE:
        try:
            for where in others:
                await asyncio.to_thread(roots.destroy, where, state.keys)
            await destroy(folder, memory)
            if options.raw_on_disk == NONE:
                await asyncio.to_thread(state.raw.rmdir)
            _log.warning("raw history on disk was destroyed: history.raw_on_disk is %s now", options.raw_on_disk)
        except (DiskRefuses, StorageError, OSError) as error:
            left = f"raw history that is no longer wanted could not be destroyed; the next start tries again: {error}"
            _log.error("%s", left)
    if options.raw_on_disk == NONE:
        return None, left
    raw = RawDisk(
        folder, memory, history, ground.clock, root=lambda: roots.root(options.raw_on_disk, state.keys),
        wanted=lambda place, key: options.raw_personal or _impersonal(path, place, key), drain=observer.drain,
        keep_s=options.raw_days.total_seconds(), most=options.raw_max_size, where=options.raw_on_disk,
    )  # fmt: skip
    return raw, left


def _impersonal(path: Path, place: str, key: str) -> bool | None:
    """Whether such readings say nothing of people, by metric and zone; None where the metric is not known yet."""
    declared = (one.metrics[key] for one in path.planner.declared.values() if key in one.metrics)
    known = [*declared, *([path.metrics[key]] if key in path.metrics else [])]
    if not known:
        return None
    where = path.places.get(place)
    home = path.privacy.dwelling(where.zone if where else "")
    return all(privacy_of(metric, dwelling=home) != PERSONAL for metric in known)
