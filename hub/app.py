"""The composition root: builds the parts of one hub, owns the top TaskGroup and the order of shutdown.

Siblings meet only here. Start: lock, keys, trust, configuration, store, buffer (recovery), link, plugins.
Stop (SIGTERM): plugins, the last commit, acks until a deadline, link, buffer, store.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from hub import control, enrolment, keys
from hub.admission.quarantine import Quarantine
from hub.admission.replay import ReplayWindows
from hub.adoption import Service, adopting, join, memory
from hub.alerts import Book
from hub.answering import Answering
from hub.buffer import Buffer
from hub.buffer.stream import Durable
from hub.buses import Buses, BusOptions
from hub.catalogue import METRICS
from hub.clock import SystemClock
from hub.commands import Desk
from hub.config import lastgood
from hub.config.build import Models, strategies
from hub.config.devices import Bus
from hub.config.load import Loaded
from hub.counts import Counts
from hub.dating import Dating
from hub.devices import Devices
from hub.egress import Egress, EgressHttp
from hub.errors import HubError, StorageError
from hub.exporting import LiveView
from hub.following import Following
from hub.gather import Gatherer
from hub.installed import installed_models
from hub.keeper import Keeper
from hub.kept import Kept
from hub.link import Carrier, Link
from hub.live import Live
from hub.mirror import Mirror, Stick
from hub.model import Strategy
from hub.notifying import OwnNotices
from hub.overview import Overview, Room
from hub.packs import Library, Packs
from hub.patience import once_the_disk_works
from hub.pipeline import Pipeline
from hub.places import Places
from hub.plan import Planner
from hub.plugins import Plugins, declared_hosts
from hub.privacy import Privacy
from hub.pulse import Pulses
from hub.radio import Radio
from hub.registry import Registry
from hub.rekey import Rekey
from hub.renewal import Renewal
from hub.rules import Rules, compile_rules
from hub.runtime import Core
from hub.sizes import buffer_config
from hub.state import StateDir, state_of
from hub.store import Store
from hub.told import Told
from hub.trust import Trust
from hub.watching import Watching
from hub.web.part import Web
from hub.web.parts import Parts
from hub.writing import Writing

_log = logging.getLogger("hub")

PLUGIN_STOP_S = 5.0


class Answers(Protocol):
    """A part that tells how it stands, and in sentences what somebody should look at."""

    def status(self) -> dict[str, Any]: ...
    def complaints(self) -> list[str]: ...


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How one hub process is started. `state_dir` None: what the configuration says. `drain_s` is how long a
    stopping hub waits for acknowledgements."""

    config: Path
    state_dir: Path | None = None
    drain_s: float = 10.0


async def serve(settings: Settings, registry: Registry, ready: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Run one hub until SIGTERM or SIGINT. `ready` is called once with what a supervisor wants to know; returns
    the closing figures. Raises HubError when it cannot start."""
    state = StateDir(state_of(settings.config, settings.state_dir))
    with state.locked():
        models = installed_models(registry, state.path / "cache")
        hub_keys = keys.load(state.keys)
        kept = lastgood.Kept(state.path, hub_keys.store_key)
        started = await asyncio.to_thread(lastgood.start, settings.config, models, kept=kept)
        problems = [str(problem) for problem in started.problems]
        for problem in started.problems:  # where, not what: a log is kept in clear, and the text names devices
            _log.error("configuration: %s:%d:%d is wrong", problem.file, problem.line, problem.column)
        if problems:
            _log.error("the last good configuration runs; `ilot check` shows what is wrong in the file")
        else:
            try:
                await asyncio.to_thread(lastgood.remember, kept, started.loaded)
            except StorageError as error:  # it runs all the same: what is on file is good
                _log.error("%s", error)
        hub = await Hub.build(state, hub_keys, started.loaded, problems, registry, models)
        return await hub.run(settings.drain_s, lambda: ready(dict(hub.facts)))


class Hub:
    """The parts of one hub, built and wired. `build`, then `run` once."""

    def __init__(
        self, *, name: str, clock: SystemClock, store: Store, buffer: Buffer, link: Link, devices: Devices,
        places: Places, live: Live, pipeline: Pipeline, plugins: Plugins, overview: Overview, state: StateDir,
        http: EgressHttp, keeper: Keeper, mirror: Mirror, rekey: Rekey, following: Following, renewal: Renewal,
        packs: Packs, dating: Dating, desk: Desk, buses: Buses, writing: Writing, adoption: Service, kept: Kept,
        watching: Watching, answering: Answering,
        radio: Radio, web: Callable[[Callable[[], dict[str, control.Call]]], Web],
    ) -> None:  # fmt: skip
        self.facts = {"hub": name, "state_dir": str(state.path), "socket": str(state.socket)}
        self._clock = clock
        self._store = store
        self._buffer = buffer
        self._link = link
        self._devices = devices
        self._places = places
        self._live = live
        self._pipeline = pipeline
        self._plugins = plugins
        self._overview = overview
        self._state = state
        self._http = http
        self._keeper = keeper
        self._mirror = mirror
        self._rekey = rekey
        self._following = following
        self._renewal = renewal
        self._packs = packs
        self._dating = dating
        self._desk = desk
        self._kept = kept
        self._watching, self._answering = watching, answering
        self._radio = radio
        self._buses = buses
        self._writing = writing
        self._adoption = adoption
        self._web = web(self._calls)

    @classmethod
    async def build(
        cls, state: StateDir, hub_keys: keys.HubKeys, loaded: Loaded, problems: list[str], registry: Registry,
        models: Models,
    ) -> Hub:  # fmt: skip
        """Open everything that outlives the process and wire the parts. Starts nothing."""
        enrolled, trust = await asyncio.to_thread(enrolment.load, state.path)
        clock = SystemClock()
        store = await once_the_disk_works(lambda: Store.open(state.store, hub_keys.store_key), clock.sleep)
        replaced = await once_the_disk_works(store.replaced, clock.sleep)
        rekeyed = await once_the_disk_works(store.keys, clock.sleep)
        roll = await once_the_disk_works(lambda: memory.load(store), clock.sleep)
        options, sizes = loaded.config.buffer, buffer_config(loaded.config.buffer)
        buffer = await once_the_disk_works(lambda: asyncio.to_thread(
            Buffer.open, state.buffer, hub=enrolled.hub, identity=hub_keys.identity, store_key=hub_keys.store_key,
            trust=trust, clock=clock, config=sizes,
        ), clock.sleep)  # fmt: skip
        dating = Dating(clock, buffer)

        joined = join(roll, loaded, replaced, models)
        devices = Devices([*loaded.devices, *joined.devices], replaced, rekeyed)
        places = Places([*loaded.places, *joined.places])
        counts, live, quarantine = Counts(), Live(), Quarantine()
        replay = ReplayWindows(buffer.local, buffer.put_local)
        pulses = Pulses(buffer.local, buffer.put_local, counts.add)
        protected = {instance.name for instance in loaded.integrations if instance.perimeter}
        metrics = dict(METRICS)
        planner = Planner(
            metrics=metrics, place=places.get, live=live, replay=replay,
            privacy=Privacy({name: zone.personal for name, zone in loaded.config.zones.items()}),
            protected=protected.__contains__, levels=_levels(loaded), pulses=pulses,
        )  # fmt: skip
        pipeline = Pipeline(
            device=devices.get, planner=planner, replay=replay, quarantine=quarantine, buffer=buffer, clock=clock,
            counts=counts,
        )  # fmt: skip
        egress = Egress(
            trust, clock, certificate=state.path / enrolment.CERTIFICATE, key=hub_keys.tls_key,
            hosts=declared_hosts([*loaded.integrations, *loaded.notifiers]), proxy=loaded.config.link.proxy_url(),
        )  # fmt: skip
        http = egress.http()
        packs = Packs(Library(state.packs))
        await packs.expect({device.pack for device in devices if device.pack})
        desk = Desk(
            store, devices, clock, counts, metric=planner.metric, last=live.value, downlink=packs.check_downlink
        )  # fmt: skip
        await once_the_disk_works(desk.load, clock.sleep)
        buses = Buses({name: _bus(bus) for name, bus in loaded.config.buses.items()})
        kept = Kept(
            store=store, buffer=buffer, pipeline=pipeline, planner=planner, devices=devices, packs=packs, clock=clock,
            counts=counts,
        )  # fmt: skip
        await once_the_disk_works(kept.load, clock.sleep)
        watching = Watching(Book(store, buffer, clock), desk, clock, counts, packs, lambda: devices)
        await once_the_disk_works(watching.book.load, clock.sleep)
        planner.rules = watching.rules = Rules(
            compile_rules(loaded.config), place=places.get, devices=lambda: devices, period=watching.period,
            may_keep=planner.may_keep, now=clock.now, monotonic=clock.monotonic, fired=watching.fired,
            open=watching.book.held(),
        )  # fmt: skip
        told = Told()
        core = Core(
            pipeline, planner, devices, buffer, clock, counts, http, registry.decoders, packs, desk, buses, kept, told
        )  # fmt: skip
        radio = Radio(told=told, devices=devices, places=places, live=live, packs=packs, buffer=buffer, clock=clock)
        plugins = Plugins(loaded.integrations, registry, core, clock)
        for exporter in loaded.exporters:
            plugins.export(exporter, lambda name, ready: LiveView(
                name, enrolled.hub, ready, live=live, devices=devices, places=places, planner=planner, buffer=buffer,
                clock=clock, pulse=overview.pulse,
            ))  # fmt: skip
        queues = {n.name: OwnNotices(n.name, enrolled.hub, http, buffer) for n in loaded.notifiers}
        known = await once_the_disk_works(lambda: watching.book.last(200), clock.sleep) if queues else []
        for notifier in loaded.notifiers:
            queues[notifier.name].recall([*known[::-1], *watching.book.open])
            plugins.notify(notifier, lambda name, ready: queues[name].start(ready))
        watching.book.listeners += [queue.offer for queue in queues.values()]
        carriers = [Carrier(u.name, u.config, registry.uplink(u.name).run) for u in loaded.uplinks]

        def adopt(newer: Trust) -> None:
            buffer.retrust(newer)
            if egress.retrust(newer):
                link.reconnect()
            link.retrust(newer)

        following = Following(state.path, trust, clock, adopt)
        link = Link(
            hub=enrolled.hub, identity=hub_keys.identity, trust=trust, buffer=buffer, egress=egress, clock=clock,
            uplinks=carriers, on_clock=clock.told, on_trust=following.offer, metered=loaded.config.link.metered,
        )  # fmt: skip
        renewal = Renewal(
            state.path, enrolled, hub_keys, http=http, clock=clock, up=link.up, renewed=link.reconnect
        )  # fmt: skip
        link.delivery.stating.generation = await once_the_disk_works(store.start, clock.sleep)
        gatherer = Gatherer(
            state=state, hub_keys=hub_keys, store=store, buffer=buffer, config=loaded.path, files=loaded.files
        )  # fmt: skip
        beside = loaded.config.backup.directory
        keeper = Keeper(
            gatherer, hub=enrolled.hub, url=enrolled.url, http=http, buffer=buffer, clock=clock,
            directory=loaded.path.parent / beside if beside else None, beside=state.path,
            told=lambda generation: setattr(link.delivery.stating, "generation", generation),
        )  # fmt: skip
        stick = loaded.path.parent / options.mirror if options.mirror else None
        mirror = Mirror(
            Stick(stick, enrolled.hub, state.buffer) if stick else None, buffer=buffer, clock=clock,
        )  # fmt: skip
        adoption = adopting(
            store=store, roll=roll, joined=joined, loaded=loaded, models=models, devices=devices, places=places,
            packs=packs, pipeline=pipeline, quarantine=quarantine, live=live, counts=counts, health=plugins.health,
            clock=clock, changed=keeper.changed, enrolled=(enrolled.hub, enrolled.root), hub_keys=hub_keys,
        )  # fmt: skip
        metrics.update(registry.metrics())  # of the plugins loaded by now: those that run
        overview = Overview(
            hub=enrolled.hub, clock=clock, pipeline=pipeline, planner=planner, buffer=buffer, link=link, live=live,
            devices=devices, places=places, quarantine=quarantine, counts=counts, health=plugins.health,
            problems=problems, room=Room(
                state.buffer, sizes.max_bytes - sizes.reserve_bytes, options.autonomy_warning.total_seconds()
            ),
            standing=adoption.standing,
        )  # fmt: skip
        site = loaded.config.sites.get(loaded.config.hub.site or "")
        parts = Parts(
            live=live, devices=devices, places=places, metric=planner.metric, title=loaded.config.hub.name,
            zones={name: (zone.name, zone.site) for name, zone in loaded.config.zones.items()},
            timezone=site.timezone if site is not None else "Europe/Paris",
        )  # fmt: skip
        return cls(
            name=enrolled.hub, clock=clock, store=store, buffer=buffer, link=link, devices=devices, places=places,
            live=live, pipeline=pipeline, plugins=plugins, overview=overview, state=state,
            http=http, keeper=keeper, mirror=mirror,
            rekey=Rekey(store, devices, pipeline, quarantine, clock, keeper.changed), following=following,
            renewal=renewal, packs=packs, dating=dating, desk=desk, buses=buses, writing=Writing(desk, planner.metric),
            kept=kept, radio=radio, watching=watching,
            answering=Answering(
                watching.book, http=http, url=enrolled.url, clock=clock, up=link.up, metered=loaded.config.link.metered
            ),
            adoption=adoption, web=lambda calls: Web(
                loaded.config.web, hub=enrolled.hub, directory=state.keys, parts=parts, store=store, clock=clock,
                calls=calls, changed=keeper.changed,
            ),
        )  # fmt: skip

    async def run(self, drain_s: float, ready: Callable[[], None]) -> dict[str, Any]:
        """Run until a signal says stop; then stop in order. Returns the closing figures."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        self._buffer.on_durable = self._durable
        self._buffer.start(loop)
        try:
            async with self._packs, control.serving(self._state.socket, self._calls()), asyncio.TaskGroup() as group:
                services = [
                    group.create_task(work)
                    for work in (
                        self._link.run(), self._dating.run(), self._keeper.run(), self._mirror.run(),
                        self._following.run(), self._renewal.run(), self._desk.run(), self._adoption.run(),
                        self._kept.run(), self._watching.run(), self._answering.run(), self._radio.run(),
                        self._web.run(),
                    )
                ]  # fmt: skip
                plugins = [group.create_task(supervisor.run()) for supervisor in self._plugins.starts]
                ready()
                await stop.wait()
                _log.info("stopping: plugins, then the last commit, then acks for at most %.0f s", drain_s)
                await _cancel(plugins, PLUGIN_STOP_S)
                await self._link.drain(drain_s)  # the last commit first, then its acks
                await _cancel(services, PLUGIN_STOP_S)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
            error = await self._close()
        status = self._overview.status()
        return {
            "hub": self.facts["hub"],
            "reports": status["reports"],
            "readings": status["readings"],
            "acked": status["link"]["acked"],
            "buffered": status["buffer"]["readings"],
            "error": error,
        }

    async def _close(self) -> str:
        """Close what outlives the process; what went wrong, empty when nothing did."""
        error = ""
        try:
            await self._buffer.close()
        except HubError as failed:
            error = f"readings in memory could not be written: {failed}"
            _log.error("%s", error)
        await self._http.close()
        await self._buses.close()
        await self._desk.flush()
        await self._adoption.flush()
        await self._store.close()
        return error

    def _durable(self, durable: Durable) -> None:
        self._overview.wrote(durable.readings, durable.bytes)
        self._link.durable(durable)

    def _calls(self) -> dict[str, control.Call]:
        async def status(arguments: dict[str, Any]) -> Any:
            others: dict[str, Answers] = {
                "backup": self._keeper, "mirror": self._mirror, "trust": self._following, "certificate": self._renewal,
                "clock": self._dating, "packs": self._packs, "writes": self._writing, "kept": self._kept,
                "alerts": self._watching,
                "devices": self._adoption, "web": self._web,
            }  # fmt: skip
            answer = self._overview.status()
            said = [sentence for other in others.values() for sentence in other.complaints()]
            return {
                **answer, **{name: other.status() for name, other in others.items()},
                "degraded": [*answer["degraded"], *said],
            }  # fmt: skip

        async def backup(arguments: dict[str, Any]) -> Any:
            if arguments.get("document"):
                return {"document": base64.b64encode(await self._keeper.make()).decode()}
            return await self._keeper.now()

        async def pulse(arguments: dict[str, Any]) -> Any:
            return self._overview.pulse()

        async def devices(arguments: dict[str, Any]) -> Any:
            return self._overview.devices()

        return {
            "status": status, "pulse": pulse, "devices": devices, "device.replace": self._replace,
            "device.key": self._rekey.call, "backup": backup, **self._writing.calls(), **self._adoption.calls(),
            **self._web.calls(),
            **self._watching.calls(),
            "redecode": self._kept.call, "packs.reload": self._kept.reload,
            "radio": self._radio.call,
        }  # fmt: skip

    async def _replace(self, arguments: dict[str, Any]) -> Any:
        """`ilot device replace OLD NEW`: durable in the store before anybody sees it."""
        old, new = str(arguments.get("old", "")), str(arguments.get("new", ""))
        key = bytes.fromhex(arguments["key"]) if arguments.get("key") else None
        successor = self._devices.replacement(old, new, key)
        place = self._places.get(successor.place)
        if not arguments.get("dry_run"):
            await self._store.replace(old, new, key, self._clock.now(), str(arguments.get("by") or "cli")[:64])
            self._keeper.changed()
            self._devices.replace(old, new, key)
            self._pipeline.recompile(old)
            self._live.forget(old)
            _log.info("a device was replaced by another; `ilot devices` shows it")
        return {"device": new, "place": successor.place, "zone": place.zone if place else "", "replaced": old}


def _levels(loaded: Loaded) -> Callable[[str], tuple[dict[str, Strategy], ...]]:
    """The report strategies above a device's own: the hub's, then its integration's."""
    whole = strategies(loaded.config.report)
    of = {instance.name: instance.report for instance in loaded.integrations}
    return lambda integration: (whole, of.get(integration, {}))


def _bus(bus: Bus) -> BusOptions:
    quiet = None if bus.quiet is None else bus.quiet.total_seconds()
    return BusOptions(bus.port, bus.baudrate, bus.bits, bus.parity, quiet)


async def _cancel(tasks: list[asyncio.Task[None]], seconds: float) -> None:
    """Cancel and wait; a plugin that does not let go within its time is named and left behind."""
    for task in tasks:
        task.cancel()
    if tasks:
        _, hanging = await asyncio.wait(tasks, timeout=seconds)
        for task in hanging:
            _log.error("%s did not stop within %.0f s", task.get_name(), seconds)
