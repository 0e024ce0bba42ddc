"""What the hub watches by itself: rules over readings, the alerts they raise, and who is told."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from hub.alerts import Book
from hub.alerts.policy import Policy
from hub.app.field import Field
from hub.app.ground import Ground
from hub.app.path import Path
from hub.app.service import Service
from hub.availability import Availability
from hub.catalogue import METRICS
from hub.config.build import NotifierInstance
from hub.errors import PluginError
from hub.model import Device
from hub.notifying import Notifiers, OwnNotices
from hub.patience import once_the_disk_works
from hub.rules import Rules, compile_rules
from hub.rules.compiling import DEFAULT_ZONE, compile_programme
from hub.rules.programme import Programme
from hub.watching import Watching

RECALLED = 200
"""Alerts that a notifier is reminded of at start: what it had not told yet goes out."""


@dataclass
class Watch:
    watching: Watching
    availability: Availability
    notifiers: Notifiers

    @property
    def services(self) -> list[Service]:
        return [Service(self.watching, "alerts"), Service(self.availability), Service(self.notifiers, "notifiers")]


async def build_watch(ground: Ground, path: Path, field: Field) -> Watch:
    clock, planner = ground.clock, path.planner
    book = Book(ground.store, ground.buffer, clock)
    watching = Watching(book, field.desk, clock, ground.counts, field.packs, lambda: path.devices)
    await once_the_disk_works(book.load, clock.sleep)
    duties = _duties(ground)

    def on_duty(device: Device) -> bool:
        programme = duties.get(device.id)
        return programme is None or programme.active(clock.now())

    planner.rules = watching.rules = rules = Rules(
        compile_rules(ground.loaded.config), place=path.places.get, devices=lambda: path.devices,
        period=watching.period, may_keep=planner.may_keep, now=clock.now, monotonic=clock.monotonic,
        fired=watching.fired, open=book.held(), on_duty=on_duty,
    )  # fmt: skip
    config = ground.loaded.config
    site = config.sites.get(config.hub.site or "")
    availability = Availability(
        devices=lambda: path.devices, seen=path.live.last_seen, period=watching.period, on_duty=on_duty,
        battery_days=field.radio.battery_days, tell=lambda device, values: rules.derived(device, values, METRICS),
        local=ground.buffer, clock=clock, zone=ZoneInfo(site.timezone if site is not None else DEFAULT_ZONE),
    )  # fmt: skip
    return Watch(watching, availability, await _tell(ground, field, book))


async def _tell(ground: Ground, field: Field, book: Book) -> Notifiers:
    """Each notifier has a queue of its own."""
    notifiers = ground.loaded.notifiers
    queues = {
        n.name: OwnNotices(n.name, ground.enrolled.hub, field.http, ground.buffer, ground.clock, _policy(n, ground))
        for n in notifiers
    }
    known = await once_the_disk_works(lambda: book.last(RECALLED), ground.clock.sleep) if queues else []
    for notifier in notifiers:
        queues[notifier.name].recall([*known[::-1], *book.open])
        field.plugins.notify(notifier, lambda name, ready: queues[name].start(ready))
    book.listeners += [queue.offer for queue in queues.values()]
    return Notifiers(list(queues.values()), field.plugins.health)


def _duties(ground: Ground) -> dict[str, Programme]:
    core = ground.loaded.config
    made = {name: compile_programme(schedule, core) for name, schedule in core.schedules.items()}
    return {name: made[device.duty] for name, device in core.devices.items() if device.duty is not None}


def _policy(notifier: NotifierInstance, ground: Ground) -> Policy:
    keys, core = notifier.keys, ground.loaded.config
    quiet = None if keys.quiet is None else compile_programme(core.schedules[keys.quiet], core).active
    try:
        per_hour = keys.per_hour or ground.registry.notifier(notifier.type).per_hour
    except PluginError:  # it does not start; its health says why
        per_hour = keys.per_hour
    return Policy(
        least=keys.least, when=keys.when, states=frozenset(keys.states), zones=frozenset(keys.zones), quiet=quiet,
        quiet_least=keys.quiet_least, per_hour=per_hour,
    )  # fmt: skip
