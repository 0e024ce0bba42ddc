"""Builds the path of a report: admission, plans, pipeline, latest values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hub.app.base_services import BaseServices
from hub.app.recording import Recording, build_recording
from hub.config.build import strategies
from hub.config.load import Loaded
from hub.core.disk.retry import once_the_disk_works
from hub.core.metric_catalogue import METRICS
from hub.core.model import Candidate, Device, Frame, Metric, Report, Strategy
from hub.devices.places import Places
from hub.devices.registry import Devices
from hub.history.latest import LatestValues
from hub.onboarding.adoption import decision_table, merge, tables
from hub.onboarding.adoption.merging import MergedDevices
from hub.onboarding.adoption.tables import AddedDevices
from hub.pipeline.admission.decisions import BLOCK, CONFIGURATION, IGNORE, Decision, Decisions, Filter
from hub.pipeline.admission.guard import Guard, Options
from hub.pipeline.admission.quarantine import Quarantine
from hub.pipeline.admission.replay import ReplayWindows
from hub.pipeline.admission.strangers import Strangers
from hub.pipeline.holding_queue import HeldReportTable, HoldingQueue
from hub.pipeline.pipeline import Pipeline
from hub.pipeline.plan import Planner
from hub.pipeline.pulse_counters import Pulses
from hub.plugin_host.registry import Registry
from hub.privacy.rules_engine import Consents, OpenWindows, Privacy, Windows, compile_privacy
from hub.sdk.options import Config


@dataclass
class ReadingPath:
    """The parts that a report passes. `metrics` grows by those of running plugins; `roll` and `joined`: devices and
    places that the store adds to the configuration."""

    devices: Devices
    places: Places
    live: LatestValues
    quarantine: Quarantine
    decisions: Decisions
    guard: Guard
    metrics: dict[str, Metric]
    planner: Planner
    pipeline: Pipeline
    privacy: Privacy
    roll: AddedDevices
    joined: MergedDevices
    recording: Recording
    holding_queue: HoldingQueue


async def build_reading_path(base: BaseServices, stands_s: Callable[[Device], float | None]) -> ReadingPath:
    """Build everything that a report passes, with its stored state; starts nothing.

    `stands_s`: seconds for which one reading of a device is valid.
    """
    store, clock, buffer, loaded = base.store, base.clock, base.buffer, base.loaded
    replaced = await once_the_disk_works(store.replaced, clock.sleep)
    rekeyed = await once_the_disk_works(store.keys, clock.sleep)
    roll = await once_the_disk_works(lambda: tables.load(store), clock.sleep)
    joined = merge(roll, loaded, replaced, base.models)
    devices = Devices([*loaded.devices, *joined.devices], replaced, rekeyed)
    places = Places([*loaded.places, *joined.places])

    def period(name: str) -> float | None:
        device = devices.get(name)
        return stands_s(device) if device is not None else None

    recording = await build_recording(base, places, period)
    live, quarantine, metrics = LatestValues(), Quarantine(), dict(METRICS)
    replay = ReplayWindows(buffer.local, buffer.put_local)
    protected = {instance.name for instance in loaded.integrations if instance.perimeter}
    privacy = _privacy(base)
    planner = Planner(
        metrics=metrics,
        place=places.get,
        live=live,
        replay=replay,
        privacy=privacy,
        protected=protected.__contains__,
        levels=levels_of(loaded),
        registered=registered_of(loaded, base.registry),
        holds_keys=holds_keys_of(loaded, base.registry),
        pulses=Pulses(buffer.local, buffer.put_local, base.counts.add),
    )
    guard = Guard(
        _options(loaded),
        tell=base.events.tell,
        monotonic=clock.monotonic,
        remembered=buffer.local,
        remember=buffer.put_local,
    )
    decisions = Decisions(
        _configured(loaded), await once_the_disk_works(lambda: decision_table.load(store), clock.sleep)
    )

    # The queue returns its reports to the pipeline, so one of the two is named before it exists.
    def hold(candidate: Candidate, report: Report) -> None:
        holding_queue.offer(candidate, report)

    def hold_sealed(candidate: Candidate, frame: Frame) -> None:
        holding_queue.offer_sealed(candidate, frame)

    pipeline = Pipeline(
        strangers=Strangers(
            device=devices.get,
            quarantine=quarantine,
            now=clock.now,
            count=base.counts.add,
            decisions=decisions,
            events=base.events,
            hold=hold,
            hold_sealed=hold_sealed,
            successor=devices.successor,
        ),
        planner=planner,
        replay=replay,
        buffer=buffer,
        clock=clock,
        counts=base.counts,
        guard=guard,
        observer=recording.observer,
    )
    admission = loaded.config.admission
    holding_queue = HoldingQueue(
        table=HeldReportTable(store, admission.hold.total_seconds(), admission.hold_size),
        buffer=buffer,
        pipeline=pipeline,
        devices=devices,
        clock=clock,
        counts=base.counts,
        decoders=base.registry.decoders,
    )
    await once_the_disk_works(holding_queue.load, clock.sleep)
    return ReadingPath(
        devices,
        places,
        live,
        quarantine,
        decisions,
        guard,
        metrics,
        planner,
        pipeline,
        privacy,
        roll,
        joined,
        recording,
        holding_queue,
    )


def _privacy(base: BaseServices) -> Privacy:
    zones = base.loaded.config.zones
    return Privacy(
        {name: zone.personal for name, zone in zones.items()},
        uses={name: zone.use for name, zone in zones.items()},
        rules=compile_privacy(base.loaded.config),
        consents=Consents(),
        windows=Windows(
            base.clock.now,
            base.counts.add,
            monotonic=base.clock.monotonic,
            sure=base.clock.sure,
            unfinished=OpenWindows(base.buffer.local, base.buffer.put_local),
        ),
    )


def _options(loaded: Loaded) -> Options:
    said = loaded.config.admission
    return Options(
        keep_out=said.suspects == "quarantine",
        signal_jump=said.signal_jump,
        apart=said.apart,
        rate_factor=said.rate_factor,
        most_per_minute=said.most_per_minute,
        neighbours={name: zone.neighbours for name, zone in loaded.config.zones.items() if zone.neighbours},
    )


def _configured(loaded: Loaded) -> list[Decision]:
    said = loaded.config.admission
    return [
        Decision(kind=kind, filter=Filter(one.id, one.integration, one.model), by=CONFIGURATION)
        for kind, filters in ((BLOCK, said.block), (IGNORE, said.ignore))
        for one in filters
    ]


def levels_of(loaded: Loaded) -> Callable[[str], tuple[dict[str, Strategy], ...]]:
    """Return the report strategies above a device's own: the hub's, then its integration's."""
    whole = strategies(loaded.config.report)
    of = {instance.name: instance.report for instance in loaded.integrations}
    return lambda integration: (whole, of.get(integration, {}))


def registered_of(loaded: Loaded, registry: Registry) -> Callable[[str], Mapping[str, Metric]]:
    """Return the metrics that the plugin of an integration registers, once it is loaded."""
    types = {instance.name: instance.type for instance in loaded.integrations}
    return lambda integration: registry.metrics_of(types.get(integration, ""))


def holds_keys_of(loaded: Loaded, registry: Registry) -> Callable[[str], bool]:
    """Return whether the options of an integration hold keys for its devices: only of one of this distribution, since
    it is the plugin's own word."""
    holds = {
        instance.name
        for instance in loaded.integrations
        if (plugin := registry.plugins.get(instance.type)) is not None and plugin.shipped
        if isinstance(instance.config, Config) and instance.config.holds_keys()
    }
    return holds.__contains__
