"""The straight path over a buffer that only lists its rows (the real one has tests of its own)."""

from __future__ import annotations

from contextlib import nullcontext

from hub.core.counters import Counts
from hub.core.metric_catalogue import METRICS
from hub.core.model import Device, Place, Report
from hub.core.small_state import packed
from hub.devices.places import Places
from hub.devices.registry import Devices
from hub.history.latest import LatestValues
from hub.pipeline.admission.quarantine import Quarantine
from hub.pipeline.admission.replay import ReplayWindows
from hub.pipeline.admission.strangers import Strangers
from hub.pipeline.pipeline import Pipeline
from hub.pipeline.plan import Planner
from hub.pipeline.pulse_counters import Pulses
from hub.privacy.rules_engine import Consents, Privacy, Windows
from hub.sdk.testing import ManualClock

TAG = Device(id="ble:AA:AA:AA:AA:AA:AA", integration="bluetooth", place="classe-1", key=b"k" * 16)
METER = Device(id="modbus:meter", integration="modbus", place="compteur")


class ListedBuffer:
    full = False

    def __init__(self):
        self.rows = []
        self.local = {}
        self.flushed = 0

    def append(self, row):
        self.rows.append(row)

    def together(self):
        return nullcontext()

    async def flush(self):
        self.flushed += 1

    def put_local(self, key, value):
        packed(key, value)  # as the buffer does: raises what cannot be stored
        self.local[key] = value


class Path:
    def __init__(
        self, purposes=None, *, sure=True, pulse=None, local=None, uses=None, rules=(), observer=None, buffer=None
    ):
        self.clock = ManualClock(sure=sure)
        self.buffer = ListedBuffer() if buffer is None else buffer
        self.buffer.local |= local or {}
        self.counts = Counts()
        self.live = LatestValues()
        self.quarantine = Quarantine()
        self.devices = Devices([TAG, METER])
        places = Places(
            [
                Place(id="classe-1", site="ecole", zone="classes"),
                Place(id="compteur", site="ecole", zone="technique", pulse=pulse),
            ]
        )
        replay = ReplayWindows({}, self.buffer.local.__setitem__)
        self.consents = Consents()
        self.windows = Windows(self.clock.now, self.counts.add)
        self.privacy = Privacy(purposes, uses=uses, rules=rules, consents=self.consents, windows=self.windows)
        self.planner = Planner(
            metrics=METRICS,
            place=places.get,
            privacy=self.privacy,
            live=self.live,
            replay=replay,
            protected=lambda integration: integration == "modbus",
            pulses=Pulses(dict(self.buffer.local), self.buffer.put_local, self.counts.add),
        )
        self.pipeline = Pipeline(
            strangers=Strangers(
                device=self.devices.get, quarantine=self.quarantine, now=self.clock.now, count=self.counts.add
            ),
            planner=self.planner,
            replay=replay,
            buffer=self.buffer,
            clock=self.clock,
            counts=self.counts,
            observer=observer,
        )

    async def emit(self, integration="bluetooth", device=TAG.id, **report):
        await self.pipeline.emit(integration, Report(device=device, **report))
        return self.buffer.rows
