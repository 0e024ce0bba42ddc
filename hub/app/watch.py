"""What the hub watches by itself: rules over readings, the alerts they raise, and who is told."""

from __future__ import annotations

from dataclasses import dataclass

from hub.alerts import Book
from hub.app.field import Field
from hub.app.ground import Ground
from hub.app.path import Path
from hub.app.service import Service
from hub.notifying import OwnNotices
from hub.patience import once_the_disk_works
from hub.rules import Rules, compile_rules
from hub.watching import Watching

RECALLED = 200
"""Alerts that a notifier is reminded of at start: what it had not told yet goes out."""


@dataclass
class Watch:
    watching: Watching

    @property
    def services(self) -> list[Service]:
        return [Service(self.watching, "alerts")]


async def build_watch(ground: Ground, path: Path, field: Field) -> Watch:
    clock, planner = ground.clock, path.planner
    book = Book(ground.store, ground.buffer, clock)
    watching = Watching(book, field.desk, clock, ground.counts, field.packs, lambda: path.devices)
    await once_the_disk_works(book.load, clock.sleep)
    planner.rules = watching.rules = Rules(
        compile_rules(ground.loaded.config), place=path.places.get, devices=lambda: path.devices,
        period=watching.period, may_keep=planner.may_keep, now=clock.now, monotonic=clock.monotonic,
        fired=watching.fired, open=book.held(),
    )  # fmt: skip
    await _tell(ground, field, book)
    return Watch(watching)


async def _tell(ground: Ground, field: Field, book: Book) -> None:
    """Each notifier has a queue of its own."""
    notifiers = ground.loaded.notifiers
    queues = {n.name: OwnNotices(n.name, ground.enrolled.hub, field.http, ground.buffer) for n in notifiers}
    known = await once_the_disk_works(lambda: book.last(RECALLED), ground.clock.sleep) if queues else []
    for notifier in notifiers:
        queues[notifier.name].recall([*known[::-1], *book.open])
        field.plugins.notify(notifier, lambda name, ready: queues[name].start(ready))
    book.listeners += [queue.offer for queue in queues.values()]
