"""Builds the plugins: integrations with their packs, buses and commands, and the egress."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from hub.app.base_services import BaseServices
from hub.app.crash_notes import SafeMode
from hub.app.reading_path import ReadingPath
from hub.app.service import Service
from hub.automation.commands import CommandService, FactoryCredentials, credentials_of
from hub.core.disk.retry import once_the_disk_works
from hub.core.security_events import REDIRECT
from hub.devices.packs import Library, Packs
from hub.identity import enrolment
from hub.pipeline.dead_letters import DeadLetters
from hub.pipeline.holding_queue import HoldingQueue
from hub.pipeline.recent_frames import RecentFrames
from hub.plugin_host.declared_hosts import callers, declared_hosts
from hub.plugin_host.plugin_facts import PluginFacts
from hub.plugin_host.plugins import Plugins
from hub.plugin_host.poll_scheduler import PollScheduler
from hub.plugin_host.serial_buses import Buses, bus_options
from hub.plugin_host.session_parts import Core
from hub.rpc.commands import CommandCalls
from hub.rpc.radio import Radio
from hub.sdk.session_rules import LED_ELSEWHERE
from hub.store_and_forward.egress import Egress
from hub.store_and_forward.egress_http import EgressHttp
from hub.store_and_forward.egress_network import EgressNetwork


@dataclass
class FieldServices:
    """The parts that communicate with devices and neighbours."""

    egress: Egress
    http: EgressHttp
    packs: Packs
    commands: CommandService
    buses: Buses
    dead_letters: DeadLetters
    holding_queue: HoldingQueue
    plugins: Plugins
    radio: Radio
    writing: CommandCalls
    factory: FactoryCredentials
    plugin_facts: PluginFacts
    poll_scheduler: PollScheduler
    recent_frames: RecentFrames

    @property
    def services(self) -> list[Service]:
        return [
            Service(self.packs, "packs"), Service(self.commands), Service(self.writing, "writes"),
            Service(self.dead_letters, "kept"), Service(self.holding_queue, "held"), Service(self.radio),
            Service(self.factory, "factory_credentials"),
        ]  # fmt: skip


async def build_field_services(base: BaseServices, path: ReadingPath, safe: SafeMode | None = None) -> FieldServices:
    """Load the plugins and wire them; none runs yet. `safe`: which are left out."""
    store, clock, buffer, loaded = base.store, base.clock, base.buffer, base.loaded
    egress = Egress(
        base.trust,
        clock,
        certificate=base.state.path / enrolment.CERTIFICATE,
        key=base.keys.tls_key,
        hosts=declared_hosts(callers(loaded, base.registry), base.registry.permissions),
        proxy=loaded.config.link.proxy_url(),
        led=partial(count_redirect, base),
    )
    http = EgressHttp(egress)
    packs = Packs(Library(base.state.packs))
    await packs.expect({device.pack for device in path.devices if device.pack})
    factory = FactoryCredentials(
        path.devices, packs, {one.name: [*credentials_of(one.config)] for one in loaded.integrations}, clock
    )
    commands = CommandService(
        store,
        path.devices,
        clock,
        base.counts,
        metric=path.planner.metric,
        last=path.live.value,
        downlink=packs.check_downlink,
        barred=factory.refuses,
    )
    await once_the_disk_works(commands.load, clock.sleep)
    buses = Buses({name: bus_options(bus) for name, bus in loaded.config.buses.items()})
    dead_letters = DeadLetters(
        store=store,
        buffer=buffer,
        pipeline=path.pipeline,
        planner=path.planner,
        devices=path.devices,
        packs=packs,
        clock=clock,
        counts=base.counts,
    )
    await once_the_disk_works(dead_letters.load, clock.sleep)
    holding_queue = path.holding_queue
    plugin_facts, poll_scheduler, recent_frames = PluginFacts(), PollScheduler(), RecentFrames()
    core = Core(
        path.pipeline,
        path.planner,
        path.devices,
        buffer,
        clock,
        base.counts,
        http.of,
        base.registry.decoders,
        packs,
        commands,
        buses,
        dead_letters,
        plugin_facts,
        holding_queue,
        poll_scheduler,
        lambda: base.loaded.config.timezone,
        recent_frames,
        EgressNetwork(egress).of,
    )
    plugins = Plugins(
        loaded.integrations,
        base.registry,
        core,
        clock,
        lambda plugin: safe.leaves_out(plugin.name, shipped=plugin.shipped) if safe else "",
    )
    radio = Radio(
        told=plugin_facts,
        devices=path.devices,
        places=path.places,
        live=path.live,
        packs=packs,
        buffer=buffer,
        clock=clock,
    )
    writing = CommandCalls(commands, path.planner.metric)
    return FieldServices(
        egress,
        http,
        packs,
        commands,
        buses,
        dead_letters,
        holding_queue,
        plugins,
        radio,
        writing,
        factory,
        plugin_facts,
        poll_scheduler,
        recent_frames,
    )


def count_redirect(base: BaseServices, whose: str, server: str, to: str, followed: bool) -> None:
    """Count a redirection of `whose` call by `server`, and report it as an event if it was not followed."""
    subject = f"{whose} {server}".strip()
    base.counts.add("led-on" if followed else LED_ELSEWHERE, subject)
    if not followed:
        base.events.tell(REDIRECT, subject, {"to": to})
