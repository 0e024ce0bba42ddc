"""Builds automation: rules on readings, the alerts they raise, and the notifiers that send these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from hub.app.base_services import BaseServices
from hub.app.plugins import FieldServices
from hub.app.reading_path import ReadingPath
from hub.app.service import Service
from hub.automation.alert_engine import AlertEngine
from hub.automation.alerts import AlertService
from hub.automation.alerts.policy import Policy
from hub.automation.rules import Rules, Surroundings, compile_rules
from hub.automation.rules.compiler import compile_programme
from hub.automation.rules.schedules import Programme
from hub.config.instances import NotifierInstance
from hub.config.load import Loaded
from hub.core.disk.retry import once_the_disk_works
from hub.core.errors import PluginError
from hub.core.metric_catalogue import METRICS
from hub.core.model import Device, Value
from hub.plugin_host.declared_hosts import notifiers
from hub.plugin_host.notifier_queue import NotifierQueue, Notifiers
from hub.rpc.availability import Availability, Reporting


class ExpectedPresence:
    """The schedules on which devices are expected to report. `line` returns the successive devices at a device's place,
    itself last: the configuration may name any of them."""

    def __init__(self, line: Callable[[str], list[str]]) -> None:
        self._line = line
        self.programmes: dict[str, Programme] = {}

    def of(self, device: Device, now: float) -> bool:
        if not self.programmes:
            return True
        programme = next((self.programmes[one] for one in self._line(device.id)[::-1] if one in self.programmes), None)
        return programme is None or programme.active(now)


@dataclass
class AutomationServices:
    """Rules, alerts, availability and notifiers."""

    alert_engine: AlertEngine
    availability: Availability
    notifiers: Notifiers
    presence: ExpectedPresence

    @property
    def services(self) -> list[Service]:
        return [Service(self.alert_engine, "alerts"), Service(self.availability), Service(self.notifiers, "notifiers")]

    def stands_s(self, device: Device) -> float | None:
        """Return the seconds for which one reading of a device is valid, by the period that its pack states."""
        return self.alert_engine.validity_s(device.id, self.alert_engine.pack_period(device))

    def compile(self, base: BaseServices, path: ReadingPath) -> None:
        """Compile the configured rules and use them from now on; unchanged rules keep their state."""
        clock, planner, alert_engine = base.clock, path.planner, self.alert_engine
        former = alert_engine.rules
        self.presence.programmes = _presence_programmes(base)
        compiled = compile_rules(base.loaded.config)
        before = alert_engine.rule_commands.restored_holders(compiled) if former is None else []
        rules = Rules(
            compiled,
            self.surroundings(base, path),
            may_keep=planner.may_keep,
            now=clock.now,
            monotonic=clock.monotonic,
            fired=alert_engine.fired,
            open=[*alert_engine.book.open_keys(), *before],
        )
        if former is not None:
            rules.inherit(former)
        alert_engine.rules = rules
        planner.use_rules(rules)

    def surroundings(self, base: BaseServices, path: ReadingPath) -> Surroundings:
        """Return what rules ask about the devices and where they are, as the hub is at each moment."""

        def zone_name(zone: str) -> str:
            zones = base.loaded.config.zones
            return zones[zone].name if zone in zones else ""

        return Surroundings(
            place=path.places.get,
            devices=lambda: path.devices,
            period=self.alert_engine.period,
            on_duty=lambda device: self.presence.of(device, base.clock.now()),
            zone_name=zone_name,
        )

    async def notify(self, notifier: NotifierInstance, base: BaseServices, field: FieldServices) -> None:
        """Prepare one notifier with its own queue."""
        book, name = self.alert_engine.book, notifier.name
        self.forget(name)
        queue = NotifierQueue(
            name,
            base.enrolled.hub,
            field.http.of(notifiers(name)),
            base.buffer,
            base.clock,
            _policy(notifier, base),
            base.loaded.config.timezone,
        )
        self.notifiers.put(queue)
        book.listeners.append(queue.offer)  # before reading the store, whose answer lacks changes made meanwhile
        known = await once_the_disk_works(lambda: book.find_all(queue.known_alerts), base.clock.sleep)
        queue.restore([*known, *book.open])
        field.plugins.prepare_notifier(notifier, lambda _, ready: queue.start(ready))

    def forget(self, name: str) -> None:
        """Remove a notifier's queue."""
        queue = self.notifiers.pop(name)
        if queue is not None:
            self.alert_engine.book.listeners.remove(queue.offer)


async def build_automation(base: BaseServices, path: ReadingPath, field: FieldServices) -> AutomationServices:
    """Build and wire automation; starts nothing."""
    clock = base.clock
    book = AlertService(base.store, base.buffer, clock)
    alert_engine = AlertEngine(base.store, book, field.commands, clock, base.counts, field.packs, lambda: path.devices)
    rule_commands = alert_engine.rule_commands
    rule_commands.device, rule_commands.place, rule_commands.current_id = (
        path.devices.get,
        path.places.get,
        path.devices.current_id,
    )
    await once_the_disk_works(book.load, clock.sleep)
    field.factory.announce(book, path.places.get)
    await once_the_disk_works(alert_engine.rule_commands.load, clock.sleep)
    presence = ExpectedPresence(path.devices.succession)

    def derived(device: Device, values: Mapping[str, Value]) -> None:
        if alert_engine.rules is not None:
            alert_engine.rules.derived(device, values, METRICS)

    availability = Availability(
        devices=lambda: path.devices,
        reporting=Reporting(
            seen=path.live.last_seen,
            period=alert_engine.period,
            on_duty=lambda device: presence.of(device, clock.now()),
            battery_days=field.radio.battery_days,
        ),
        tell=derived,
        local=base.buffer,
        clock=clock,
        zone=zone_of(base.loaded),
    )
    automation = AutomationServices(alert_engine, availability, Notifiers([], field.plugins.health), presence)
    automation.compile(base, path)
    for notifier in base.loaded.notifiers:
        await automation.notify(notifier, base, field)
    return automation


def zone_of(loaded: Loaded) -> ZoneInfo:
    """Return the time zone of the hub's site."""
    return ZoneInfo(loaded.config.timezone)


def _presence_programmes(base: BaseServices) -> dict[str, Programme]:
    core = base.loaded.config
    made = {name: compile_programme(schedule, core) for name, schedule in core.schedules.items()}
    return {name: made[device.duty] for name, device in core.devices.items() if device.duty is not None}


def _policy(notifier: NotifierInstance, base: BaseServices) -> Policy:
    keys, core = notifier.keys, base.loaded.config
    quiet = None if keys.quiet is None else compile_programme(core.schedules[keys.quiet], core).active
    try:
        per_hour = keys.per_hour or base.registry.notifier(notifier.type).per_hour
    except PluginError:  # it will not start; its health says why
        per_hour = keys.per_hour
    return Policy(
        least=keys.least,
        when=keys.when,
        states=frozenset(keys.states),
        zones=frozenset(keys.zones),
        quiet=quiet,
        quiet_least=keys.quiet_least,
        per_hour=per_hour,
    )
