"""Delivery of foreign segments by this hub: the copies of `buffer.mirror`, or the buffer on a card from this hub.

The records are sealed and signed already, and name their hub; the backend only requires that this hub sends them. So
they leave over its own transports, unchanged, while the hub itself is stopped: this holds the state directory's lock.
Records that the backend has already are acknowledged again, and stored once.

The segments also hold the hub's own counters, under its store key. Where these are higher than the current ones,
because the hub was restored from an older backup, they are taken over: frames that were accepted meanwhile are not
accepted again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hub.config import last_good
from hub.config.load import Loaded
from hub.core.clock import SystemClock
from hub.core.disk.atomic_files import sync_directory
from hub.core.errors import ConfigError
from hub.core.state_dir import StateDir
from hub.core.store import Store
from hub.core.text import phrase, system_error
from hub.identity import enrolment, keys
from hub.identity.keys import HubKeys
from hub.pipeline.admission.replay import PREFIX
from hub.plugin_host.opening import installed_in
from hub.plugin_host.registry import Registry
from hub.protocol.documents.backup import SENT_JUMP, SENT_PREFIX
from hub.protocol.records.rows import STREAMS
from hub.protocol.records.seal import SealingKeys
from hub.store_and_forward.buffer import Buffer
from hub.store_and_forward.buffer.external_segments import ExternalSegments, homes
from hub.store_and_forward.buffer_options import buffer_config
from hub.store_and_forward.egress import Egress
from hub.store_and_forward.link import AnswerHandlers, Line, Link, Sender, UplinkConfig
from hub.store_and_forward.link.core import MEMORY_KEY


class ForwardResult(msgspec.Struct, frozen=True):
    """Result of a delivery. `records` and `readings` were found in `segments`; `left` records are not acked yet, for
    the reason in `error`; `damaged` ones cannot be read; `removed` segments were wholly acked; `skipped` gives the
    reasons for files left alone."""

    hub: str
    directory: str
    segments: int
    records: int
    readings: int
    acked: int
    left: int
    damaged: int
    removed: int
    skipped: list[str]
    error: str


async def send(
    state: StateDir, config: Path, directory: Path, registry: Registry, *, seconds: float, remove: bool
) -> ForwardResult:
    """Deliver the segments in `directory`; give up after `seconds`, or as soon as no transport is available. `remove`:
    unlink those that are wholly acked. Raises StorageError while a hub runs here, ConfigError, AuthFailed."""
    with state.locked():
        hub_keys, (enrolled, trust) = keys.load(state.keys), enrolment.load(state.path)
        models = installed_in(state, registry, cache=True).models
        # read no more of the file than needed: an integration may not be installed here yet
        loaded = await asyncio.to_thread(last_good.load_sections, config, models, "link", "buffer")
        home = await asyncio.to_thread(hub_directory, directory, enrolled.hub, state)
        found = await asyncio.to_thread(
            ExternalSegments, home, hub=enrolled.hub, identity_public=hub_keys.identity_public
        )
        clock = SystemClock()
        store = await Store.open(state.store, hub_keys.store_key)
        try:
            own = await asyncio.to_thread(
                Buffer.open,
                state.buffer,
                keys=SealingKeys(enrolled.hub, hub_keys.identity, hub_keys.store_key),
                trust=trust,
                clock=clock,
                config=buffer_config(loaded.config.buffer),
            )
            if MEMORY_KEY in own.local:  # number of the newest ack, so that an old one does not count again
                found.put_local(MEMORY_KEY, own.local[MEMORY_KEY])
            higher = advance_counters(
                own.local, await asyncio.to_thread(lambda: list(found.remembered(hub_keys.store_key)))
            )
            if higher:
                own.start(asyncio.get_running_loop())
                for name, value in higher.items():
                    own.put_local(name, value)
            await own.close()
            generation = await store.next_generation()
            link = link_of_stopped(state, hub_keys, loaded, registry, buffer=found, clock=clock, generation=generation)
            if found.segments:
                async with asyncio.TaskGroup() as group:
                    running = group.create_task(link.run())
                    await link.drain(seconds)
                    running.cancel()
            status = link.status()
            error = status.error or (
                phrase("backend-rejects-some", "the backend rejects some of them: its log says why")
                if status.rejected
                else ""
            )
            return await asyncio.to_thread(_result, enrolled.hub, home, found, error, remove)
        finally:
            await store.close()


def link_of_stopped(
    state: StateDir,
    hub_keys: HubKeys,
    loaded: Loaded,
    registry: Registry,
    *,
    buffer: Any,
    clock: SystemClock,
    generation: int,
) -> Link:
    """Return the link of a hub that does not run itself, over `buffer`."""
    enrolled, trust = enrolment.load(state.path)
    egress = Egress(
        trust,
        clock,
        certificate=state.path / enrolment.CERTIFICATE,
        key=hub_keys.tls_key,
        proxy=loaded.config.link.proxy_url(),
    )
    return Link(
        Sender(enrolled.hub, hub_keys.identity, generation),
        Line(_carriers(loaded, registry, enrolled.url)),
        trust=trust,
        buffer=buffer,
        egress=egress,
        clock=clock,
        handlers=AnswerHandlers(clock.told),
    )


def advance_counters(own: Mapping[str, Any], told: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return the counters of the segments that are higher than `own`: the segments are newer than a backup made before
    them. Receive windows as they are, sent counters SENT_JUMP ahead: the old machine may have spent more since."""
    found: dict[str, int] = {}
    for state in told:
        for name, value in state.items():
            if type(value) is int and name.startswith((PREFIX, SENT_PREFIX)):
                found[name] = max(found.get(name, 0), value + SENT_JUMP * name.startswith(SENT_PREFIX))
    return {name: value for name, value in found.items() if value > _number(own.get(name))}


def _number(value: Any) -> int:
    return value if type(value) is int else -1


def hub_directory(directory: Path, hub: str, state: StateDir) -> Path:
    try:
        home = next(homes(directory, hub), None)
        if home is None:
            raise ConfigError(
                phrase(
                    "no-segments-of-hub",
                    "{folder} holds no segments of {hub}: give the mirror's directory, or an old buffer's",
                    folder=directory,
                    hub=hub,
                )
            )
        streams = [(home / stream, state.buffer / stream) for stream in STREAMS]
        if any(theirs.exists() and ours.exists() and theirs.samefile(ours) for theirs, ours in streams):
            raise ConfigError(
                phrase("buffer-of-running-hub", "{home} is this hub's own buffer: `ilot run` delivers it", home=home)
            )
    except OSError as error:
        raise ConfigError(
            phrase(
                "folder-not-examined",
                "cannot look at {folder}: {reason}",
                folder=directory,
                reason=system_error(error),
            )
        ) from error
    return home


def _carriers(loaded: Loaded, registry: Registry, url: str) -> list[UplinkConfig]:
    return [UplinkConfig(one.name, one.config, registry.uplink(one.name).run, url) for one in loaded.uplinks]


def _result(hub: str, home: Path, found: ExternalSegments, error: str, remove: bool) -> ForwardResult:
    left = damaged = 0
    done = []
    for info in found.segments:
        owed, broken = found.owed(info), found.damaged(info)
        left += sum(last - first + 1 for first, last in owed)
        damaged += sum(last - first + 1 for first, last in broken)
        if not owed and not broken:
            done.append(info.path)
    removed, skipped = _removed(done) if remove else (0, [])
    return ForwardResult(
        hub=hub,
        directory=str(home),
        segments=len(found.segments),
        records=found.records,
        readings=found.readings,
        acked=sum(map(found.delivered, found.segments)),
        left=left,
        damaged=damaged,
        removed=removed,
        skipped=[*found.skipped, *skipped],
        error=error if left else "",
    )


def _removed(done: list[Path]) -> tuple[int, list[str]]:
    """Unlink files; return how many, and why others stayed: a stick may be mounted read-only."""
    removed, why = 0, list[str]()
    for path in done:
        try:
            path.unlink()
            sync_directory(path.parent)
            removed += 1
        except OSError as error:
            why.append(
                phrase(
                    "delivered-segment-not-removed",
                    "{file} is delivered and could not be removed: {reason}",
                    file=path.name,
                    reason=system_error(error),
                )
            )
    return removed, why
