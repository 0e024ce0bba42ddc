"""Salvage of an old card that can be read in part: delivers what is left of its buffer and declares the rest lost.

The files of the old buffer are copied into this hub's state directory, sectors that the medium refuses as damage, and
opened as the hub itself would open them after a crash. So the same code decides what counts, what was delivered
already, and what must be declared (`hub.store_and_forward.buffer.recovery`): the numbers of segments that vanished too,
as long as one segment is left that lists them. The old card is not written to. The copy has a run of its own, which
holds nothing but the declarations.

An interrupted salvage goes on with its copy. A finished one leaves a mark of the files that it saw, so that the same
card declares nothing a second time.

    <state directory>/salvage/<digest of the segments' names>/      the copy
    <state directory>/salvage/<digest of the segments' names>.done  the mark
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import msgspec

from hub.config import last_good
from hub.core.clock import SystemClock
from hub.core.disk.atomic_files import make_directory, sync_directory, write_atomically
from hub.core.errors import ConfigError, StorageError
from hub.core.state_dir import StateDir
from hub.core.store import Store
from hub.core.text import phrase, system_error
from hub.identity import enrolment, keys
from hub.operations.buffer_forwarding import advance_counters, hub_directory, link_of_stopped
from hub.plugin_host.opening import installed_in
from hub.plugin_host.registry import Registry
from hub.protocol.length_prefix import lp
from hub.protocol.records.rows import STREAMS
from hub.protocol.records.seal import H, SealingKeys
from hub.store_and_forward.buffer import Buffer
from hub.store_and_forward.buffer.disk import Disk, SystemDisk
from hub.store_and_forward.buffer.segment import MAX_SEGMENT, SegmentName
from hub.store_and_forward.buffer_options import buffer_config
from hub.store_and_forward.link import Link
from hub.store_and_forward.link.core import MEMORY_KEY

FOLDER = "salvage"
_PASSES = 8
"""More than it takes: the last one finds nothing to deliver."""


class Salvaged(msgspec.Struct, frozen=True):
    """Result of a salvage. `records` and `readings` were delivered; `declared` counts what was declared lost; `left`
    records are not delivered yet, for the reason in `error`; `skipped` gives the reasons for files left alone. `again`:
    this card was salvaged before, and nothing was done."""

    hub: str
    directory: str
    segments: int = 0
    records: int = 0
    readings: int = 0
    declared: int = 0
    left: int = 0
    skipped: list[str] = []
    error: str = ""
    again: bool = False


async def salvage(state: StateDir, config: Path, card: Path, registry: Registry, *, seconds: float) -> Salvaged:
    """Deliver and declare; give up after `seconds`, or as soon as no transport is available. Raises StorageError while
    a hub runs here, ConfigError, AuthFailed."""
    with state.locked():
        hub_keys, (enrolled, trust) = keys.load(state.keys), enrolment.load(state.path)
        models = installed_in(state, registry, cache=True).models
        loaded = await asyncio.to_thread(last_good.load_sections, config, models, "link", "buffer")
        home = await asyncio.to_thread(hub_directory, card, enrolled.hub, state)
        try:
            copy, segments, skipped = await asyncio.to_thread(_copied, home, state, SystemDisk())
        except OSError as error:
            raise StorageError(
                phrase(
                    "salvage-not-copied",
                    "the old card's segments cannot be copied to {folder}: {reason}",
                    folder=state.path / FOLDER,
                    reason=system_error(error),
                )
            ) from error
        done = Salvaged(enrolled.hub, str(home), segments, skipped=skipped)
        mark = copy.with_suffix(".done")
        if mark.exists():
            return msgspec.structs.replace(done, again=True)
        sealing = SealingKeys(enrolled.hub, hub_keys.identity, hub_keys.store_key)
        clock, options = SystemClock(), buffer_config(loaded.config.buffer)
        store = await Store.open(state.store, hub_keys.store_key)
        try:
            own = await asyncio.to_thread(
                Buffer.open, state.buffer, keys=sealing, trust=trust, clock=clock, config=options
            )
            memory = own.local.get(MEMORY_KEY)
            counted = False
            for _ in range(_PASSES):
                old = await asyncio.to_thread(Buffer.open, copy, keys=sealing, trust=trust, clock=clock, config=options)
                if not counted:
                    await _count(own, old)
                    counted = True
                generation = await store.next_generation()
                link = link_of_stopped(
                    state, hub_keys, loaded, registry, buffer=old, clock=clock, generation=generation
                )
                one = await _pass(old, link, memory, seconds)
                done = _sum(done, one)
                if one.left or not one.records:
                    break
        finally:
            await store.close()
        if not done.left:
            await asyncio.to_thread(_finish, copy, mark)
        return done


async def _count(own: Buffer, old: Buffer) -> None:
    """Take over the counters of the old card that are higher, and close this hub's own buffer."""
    higher = advance_counters(own.local, [old.local])
    if higher:
        own.start(asyncio.get_running_loop())
        for name, value in higher.items():
            own.put_local(name, value)
    await own.close()


async def _pass(old: Buffer, link: Link, memory: Any, seconds: float) -> Salvaged:
    """Deliver what there is once, and close the buffer. What is found damaged while it is read is declared then, and
    leaves with the next pass."""
    old.start(asyncio.get_running_loop(), [link.durable])
    if memory is not None:  # number of the newest ack, so that an old one does not count again
        old.put_local(MEMORY_KEY, memory)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(link.run())
        complete = await link.drain(seconds)
        running.cancel()
    await old.flush()
    status = link.status()
    found = Salvaged(
        hub="",
        directory="",
        records=link.delivery.acked_records,
        readings=link.delivery.acked_readings,
        declared=sum(old.status().losses.values()),
        left=0 if complete else max(1, sum(status.waiting.values())),
        error="" if complete else status.error,
    )
    await old.close()
    return found


def _sum(all_: Salvaged, one: Salvaged) -> Salvaged:
    return msgspec.structs.replace(
        all_,
        records=all_.records + one.records,
        readings=all_.readings + one.readings,
        declared=all_.declared + one.declared,
        left=one.left,
        error=one.error,
    )


def _copied(home: Path, state: StateDir, disk: Disk) -> tuple[Path, int, list[str]]:
    """Copy the segments below `home`; return the copy's directory, how many there are, and why others were left alone.
    What was copied before stays as it is: a former try may have written to it. Raises ConfigError."""
    found, skipped = list[tuple[str, Path]](), list[str]()
    for stream in STREAMS:
        try:
            names = disk.names(home / stream)
        except FileNotFoundError:
            continue
        except OSError as error:
            skipped.append(phrase("fault-in-file", "{file}: {reason}", file=home / stream, reason=system_error(error)))
            continue
        found += sorted((stream, home / stream / name) for name in names if SegmentName.parse(name) is not None)
    if not found:
        raise ConfigError(
            phrase(
                "nothing-to-salvage",
                "no segment can be read in {folder}: what its hub had announced and not delivered stands in the "
                "backend's alarms as a hole",
                folder=home,
            )
        )
    copy = state.path / FOLDER / H(lp(*(path.name.encode() for _, path in found))).hex()[:32]
    if copy.exists() or copy.with_suffix(".done").exists():
        return copy, len(found), skipped
    making = copy.with_suffix(".making")
    shutil.rmtree(making, ignore_errors=True)
    for stream, path in found:
        try:
            if disk.size(path) > MAX_SEGMENT:
                skipped.append(phrase("segment-too-large", "{file} is larger than a segment can be", file=path.name))
                continue
            data = disk.read(path)
        except OSError as error:
            skipped.append(phrase("fault-in-file", "{file}: {reason}", file=path, reason=system_error(error)))
            continue
        make_directory(making / stream)
        (making / stream / path.name).write_bytes(data)
    make_directory(making)
    making.rename(copy)  # whole or not at all: an interrupted copy is made anew
    sync_directory(copy.parent)
    return copy, len(found), skipped


def _finish(copy: Path, mark: Path) -> None:
    write_atomically(mark, b"")
    shutil.rmtree(copy, ignore_errors=True)
