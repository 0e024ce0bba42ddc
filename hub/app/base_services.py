"""Builds what everything else needs: keys, trust, configuration, clock, store and buffer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hub.app.service import Service
from hub.config.instances import Models
from hub.config.load import Loaded
from hub.core.clock import SystemClock
from hub.core.clock_sync import ClockSync
from hub.core.counters import Counts
from hub.core.disk.retry import once_the_disk_works
from hub.core.logs import Ring
from hub.core.security_events import Events
from hub.core.state_dir import StateDir
from hub.core.store import Store
from hub.identity import enrolment, keys
from hub.plugin_host.registry import Registry
from hub.protocol.documents.trust import Trust
from hub.protocol.records.seal import SealingKeys
from hub.store_and_forward.buffer import Buffer
from hub.store_and_forward.buffer.batch import BufferConfig
from hub.store_and_forward.buffer_options import buffer_config


@dataclass
class BaseServices:
    """The basis of a hub.

    `problems`: those of the configuration file, when the hub runs on the last good one; `undone`: the sentence about a
    change of the configuration that the start took back, "" for none. `trust` is the document at the start;
    `backend_link` follows newer ones. `generation` is the store's, one higher with each start.
    """

    state: StateDir
    keys: keys.HubKeys
    loaded: Loaded
    problems: list[str]
    undone: str
    registry: Registry
    models: Models
    enrolled: enrolment.Enrolment
    trust: Trust
    clock: SystemClock
    store: Store
    generation: int
    buffer: Buffer
    sizes: BufferConfig
    counts: Counts
    events: Events
    dating: ClockSync
    logs: Ring

    @property
    def services(self) -> list[Service]:
        return [Service(self.dating, "clock")]


async def build_base_services(
    state: StateDir,
    hub_keys: keys.HubKeys,
    loaded: Loaded,
    problems: list[str],
    undone: str,
    registry: Registry,
    models: Models,
) -> BaseServices:
    """Open everything that outlives the process. Raises HubError."""
    await asyncio.to_thread(state.claim_format)
    enrolled, trust = await asyncio.to_thread(enrolment.load, state.path)
    clock = SystemClock()
    store = await once_the_disk_works(lambda: Store.open(state.store, hub_keys.store_key), clock.sleep)
    sizes = buffer_config(loaded.config.buffer)
    buffer = await once_the_disk_works(
        lambda: asyncio.to_thread(
            Buffer.open,
            state.buffer,
            keys=SealingKeys(enrolled.hub, hub_keys.identity, hub_keys.store_key),
            trust=trust,
            clock=clock,
            config=sizes,
        ),
        clock.sleep,
    )
    counts = Counts()
    return BaseServices(
        state=state,
        keys=hub_keys,
        loaded=loaded,
        problems=problems,
        undone=undone,
        registry=registry,
        models=models,
        enrolled=enrolled,
        trust=trust,
        clock=clock,
        store=store,
        generation=await once_the_disk_works(store.start, clock.sleep),
        buffer=buffer,
        sizes=sizes,
        counts=counts,
        events=Events(clock.now, clock.monotonic),
        dating=ClockSync(clock, buffer),
        logs=Ring(),
    )
