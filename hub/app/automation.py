"""What the hub watches by itself: rules over readings, the alerts they raise, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from hub.app.base_services import BaseServices
from hub.app.plugins import Field
from hub.app.reading_path import Path
from hub.app.service import Service
from hub.automation.alert_engine import AlertEngine
from hub.automation.alerts import AlertService
from hub.automation.alerts.policy import Policy
from hub.automation.rules import Rules, compile_rules
from hub.automation.rules.compiler import compile_programme
from hub.automation.rules.schedules import Programme
from hub.config.instances import NotifierInstance
from hub.config.load import Loaded
from hub.core.disk.retry import once_the_disk_works
from hub.core.errors import PluginError
from hub.core.metric_catalogue import METRICS
from hub.core.model import Device, Value
from hub.plugin_host.notifier_queue import NotifierQueue, Notifiers
from hub.plugin_host.plugins import notifiers
from hub.rpc.availability import Availability


class ExpectedPresence:
    """When devices are expected to be there. `line` tells who stood where a device stands, itself at the end: the
    configuration may name any of them."""

    def __init__(self, line: Callable[[str], list[str]]) -> None:
        self._line = line
        self.programmes: dict[str, Programme] = {}

    def of(self, device: Device, now: float) -> bool:
        if not self.programmes:
            return True
        programme = next((self.programmes[one] for one in self._line(device.id)[::-1] if one in self.programmes), None)
        return programme is None or programme.active(now)


@dataclass
class Watch:
    """Rules, alerts and who is told of them."""

    watching: AlertEngine
    availability: Availability
    notifiers: Notifiers
    duty: ExpectedPresence

    @property
    def services(self) -> list[Service]:
        return [Service(self.watching, "alerts"), Service(self.availability), Service(self.notifiers, "notifiers")]

    def stands_s(self, device: Device) -> float | None:
        """Seconds for which one reading of a device stands: as its pack says how often it speaks."""
        return self.watching.validity_s(device.id, self.watching.pack_period(device))

    def compile(self, ground: BaseServices, path: Path) -> None:
        """The rules of the configuration are watched from now on; those that stay remember what they saw."""
        clock, planner, watching = ground.clock, path.planner, self.watching
        zones = ground.loaded.config.zones
        former = watching.rules
        self.duty.programmes = _duties(ground)
        compiled = compile_rules(ground.loaded.config)
        before = watching.restored_holders(compiled) if former is None else []
        rules = Rules(
            compiled,
            place=path.places.get,
            devices=lambda: path.devices,
            period=watching.period,
            may_keep=planner.may_keep,
            now=clock.now,
            monotonic=clock.monotonic,
            fired=watching.fired,
            open=[*watching.book.open_keys(), *before],
            on_duty=lambda device: self.duty.of(device, clock.now()),
            zone_name=lambda zone: zones[zone].name if zone in zones else "",
        )
        if former is not None:
            rules.inherit(former)
        watching.rules = rules
        planner.use_rules(rules)

    async def notify(self, notifier: NotifierInstance, ground: BaseServices, field: Field) -> None:
        """Prepare one notifier, with a queue of its own."""
        book, name = self.watching.book, notifier.name
        self.forget(name)
        queue = NotifierQueue(
            name,
            ground.enrolled.hub,
            field.http.of(notifiers(name)),
            ground.buffer,
            ground.clock,
            _policy(notifier, ground),
            ground.loaded.config.timezone,
        )
        self.notifiers.put(queue)
        book.listeners.append(queue.offer)  # before the store is asked: what changes meanwhile is not in its answer
        known = await once_the_disk_works(lambda: book.find_all(queue.remembered), ground.clock.sleep)
        queue.recall([*known, *book.open])
        field.plugins.notify(notifier, lambda _, ready: queue.start(ready))

    def forget(self, name: str) -> None:
        """No notifier of this name is told any more."""
        queue = self.notifiers.pop(name)
        if queue is not None:
            self.watching.book.listeners.remove(queue.offer)


async def build_watch(ground: BaseServices, path: Path, field: Field) -> Watch:
    """Build and wire it; starts nothing."""
    clock = ground.clock
    book = AlertService(ground.store, ground.buffer, clock)
    watching = AlertEngine(ground.store, book, field.desk, clock, ground.counts, field.packs, lambda: path.devices)
    rule_commands = watching.rule_commands
    rule_commands.device, rule_commands.place, rule_commands.current_id = (
        path.devices.get,
        path.places.get,
        path.devices.current_id,
    )
    await once_the_disk_works(book.load, clock.sleep)
    await once_the_disk_works(watching.load, clock.sleep)
    duty = ExpectedPresence(path.devices.succession)

    def derived(device: Device, values: Mapping[str, Value]) -> None:
        if watching.rules is not None:
            watching.rules.derived(device, values, METRICS)

    availability = Availability(
        devices=lambda: path.devices,
        seen=path.live.last_seen,
        period=watching.period,
        on_duty=lambda device: duty.of(device, clock.now()),
        battery_days=field.radio.battery_days,
        tell=derived,
        local=ground.buffer,
        clock=clock,
        zone=zone_of(ground.loaded),
    )
    watch = Watch(watching, availability, Notifiers([], field.plugins.health), duty)
    watch.compile(ground, path)
    for notifier in ground.loaded.notifiers:
        await watch.notify(notifier, ground, field)
    return watch


def zone_of(loaded: Loaded) -> ZoneInfo:
    """The time zone of the hub's site."""
    return ZoneInfo(loaded.config.timezone)


def _duties(ground: BaseServices) -> dict[str, Programme]:
    core = ground.loaded.config
    made = {name: compile_programme(schedule, core) for name, schedule in core.schedules.items()}
    return {name: made[device.duty] for name, device in core.devices.items() if device.duty is not None}


def _policy(notifier: NotifierInstance, ground: BaseServices) -> Policy:
    keys, core = notifier.keys, ground.loaded.config
    quiet = None if keys.quiet is None else compile_programme(core.schedules[keys.quiet], core).active
    try:
        per_hour = keys.per_hour or ground.registry.notifier(notifier.type).per_hour
    except PluginError:  # it does not start; its health says why
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
