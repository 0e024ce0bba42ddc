"""Reads one device: locates it, reads its objects' properties, subscribes, polls the rest, and slows down while it is
away."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta

from pydantic import ValidationError

import hub
from hub.sdk.options import wrong_option
from hub.sdk.phrases import phrase
from hub.sdk.poll_backoff import PollBackoff
from integrations.bacnet import names
from integrations.bacnet.asking import Asker
from integrations.bacnet.decode import Found, Station
from integrations.bacnet.directory import Directory
from integrations.bacnet.link import Link, Silent
from integrations.bacnet.names import ObjectId, Refused
from integrations.bacnet.point import Watched
from integrations.bacnet.settings import Config, DeviceSettings, instance_of
from integrations.bacnet.subscribing import Subscriber
from integrations.bacnet.tags import Value
from integrations.bacnet.values import Reading, Translation, facts_of, quality

LONGEST = timedelta(minutes=10)
"""The longest pause between two attempts on a device that does not answer."""
PROOF = hub.Proof(scheme="bacnet")


class Poller:
    """Runs one device. Ends when it is no longer this plugin's."""

    def __init__(self, device: str, config: Config, session: hub.Session, link: Link, directory: Directory) -> None:
        self.points: dict[ObjectId, Watched] = {}
        self.asker: Asker | None = None
        self._id = device
        self._config = config
        self._session = session
        self._link = link
        self._directory = directory
        self._instance = -1
        self._read_as: Mapping[str, object] | None = None
        self._settings: DeviceSettings | None = None
        self._patience = PollBackoff(0)
        self._told = False
        self._turn = 0
        self._subscriber = Subscriber(device, config, session, link)

    @property
    def _interval(self) -> timedelta:
        return (self._settings.interval if self._settings else None) or self._config.interval

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                telling = tasks.create_task(self._tell(), name=f"changes of {self._id}")
                while self._refresh():
                    interval = self._interval
                    async for _ in self._session.polling.poll_cycles(interval, lambda: (self._id,)):
                        if not self._refresh() or self._interval != interval:
                            break
                        if self._settings is not None and self._patience.due():
                            await self._poll()
                if self.asker is not None and not self._patience.failures:
                    await self._subscriber.unsubscribe(self.asker.station)
                telling.cancel()
        finally:
            self._leave()

    def point(self, metric: str) -> Watched | None:
        """Return the object that this metric is read from."""
        return next((point for point in self.points.values() if point.point.metric == metric), None)

    def _refresh(self) -> bool:
        """Apply the configuration; False when it no longer contains the device."""
        device = self._session.devices.get(self._id)
        if device is not None and device.settings != self._read_as:
            self._configure(device)
        return device is not None

    def _configure(self, device: hub.Device) -> None:
        self._leave()
        self._read_as = dict(device.settings)
        self.points = {}
        self._settings = None
        instance = instance_of(self._id)
        if instance is None:
            self._session.log.error(
                phrase(
                    "bacnet.device-id-without-instance",
                    "{device} is not read: the id of a BACnet device is bacnet:<its instance>",
                    device=self._id,
                )
            )
            return
        self._instance = instance
        try:
            self._settings = device.settings_as(DeviceSettings)
        except ValidationError as error:
            self._session.log.error(
                phrase(
                    "bacnet.wrong-settings",
                    "{device} is not read: its settings are wrong: {reason}",
                    device=self._id,
                    reason=wrong_option(error),
                )
            )
            return
        self._patience = PollBackoff(int(LONGEST / self._interval))
        for name, point in self._settings.objects.items():
            who = names.object_id(name)
            self.points[who] = Watched(who, point)
        self._subscriber.points, self._subscriber.instance = self.points, instance

    def _leave(self) -> None:
        if self.asker is not None:
            self._link.leave(self.asker.station)
            self.asker = None

    async def _poll(self) -> None:
        attempts = 1 if self._patience.failures else 1 + self._config.retries
        try:
            asker = await self._reach(attempts)
            await self._learn(asker, attempts)
            await self._read(asker, attempts)
            await self._subscriber.subscribe(asker.station, self._interval)
        except (hub.NotReady, Refused) as error:
            self._away(error)
        except hub.DecodeError as error:
            self._session.radio.report_decode_error(self._id, error)
            self._away(error)
        else:
            self._patience.succeeded()
            self._session.polling.polled(self._id, "answered" if self._reads else "unread")
            took = self._link.answered_s.get(asker.station)
            if took is not None:
                self._session.radio.publish_facts(
                    self._id, {"latency_ms": round(1000 * took, 1), "requests": max(1, asker.asked)}
                )
            if self._told:
                self._told = False
                self._session.log.info(phrase("bacnet.device-answers-again", "{device} answers again", device=self._id))

    @property
    def _reads(self) -> bool:
        """Return whether at least one of its objects can be read."""
        return any(not point.patience.failures for point in self.points.values())

    async def _reach(self, attempts: int) -> Asker:
        """Locate the device and check its identity, when that is not known or after it was away."""
        if self.asker is not None and not self._patience.failures:
            return self.asker
        station = self._settings.station() if self._settings else None
        if station is None:
            station = await self._directory.find(self._link, self._instance)
        self._leave()
        asker = Asker(self._link, station, self._instance)
        self._link.join(station, self._subscriber.notified)
        self.asker = asker
        await asker.identify(attempts)
        self._session.devices.declare(
            self._id, model=f"{asker.vendor} {asker.model}".strip(), firmware=asker.firmware, metrics=self._own()
        )
        for point in self.points.values():
            point.subscription.lost()
        return asker

    async def _learn(self, asker: Asker, attempts: int) -> None:
        """Read units and texts of the objects: once, and again for those that failed."""
        new = [point for point in self.points.values() if point.translation is None and point.patience.due()]
        if not new:
            return
        found = await asker.read([(point.object, point.learnt) for point in new if point.learnt], attempts=attempts)
        said: dict[ObjectId, list[tuple[int, list[Value]]]] = defaultdict(list)
        absent = {one.object: one.error for one in found if one.error and one.error.reason == "unknown-object"}
        for one in found:
            if one.error is None:
                said[one.object].append((one.property, one.values))
        for point in new:
            point.facts = facts_of(said[point.object])
            try:
                if point.object in absent:
                    raise absent[point.object]
                point.translation = Translation(point.object, point.point, point.facts)
            except hub.DecodeError as error:
                self._trouble(point, error)
        if own := self._own():
            self._session.devices.declare(self._id, metrics=own)

    def _own(self) -> tuple[hub.Metric, ...]:
        made = (point.translation.metric for point in self.points.values() if point.translation is not None)
        return tuple(metric for metric in made if metric is not None)

    async def _read(self, asker: Asker, attempts: int) -> None:
        """Poll the objects without a subscription, and one that has one: it shows that the device responds, and reveals
        a lost notification."""
        now = time.monotonic()
        usable = [point for point in self.points.values() if point.translation is not None]
        covered = [point for point in usable if point.subscription.live(now)]
        wanted = [point for point in usable if not point.subscription.live(now) and point.patience.due()]
        if covered:
            self._turn = (self._turn + 1) % len(covered)
            wanted.append(covered[self._turn])
        if not wanted:  # all are left in peace for now: does it still answer?
            await asker.one(asker.device, names.OBJECT_IDENTIFIER, attempts=attempts)
        found: list[Found] = []
        try:
            await asker.read([(point.object, point.wanted) for point in wanted], attempts=attempts, into=found)
        except Silent:
            await self._hand_on(found)  # values received before it fell silent are valid
            raise
        await self._hand_on(found)

    async def again(self, point: Watched) -> None:
        """Read one object now, after it was written."""
        if self.asker is not None:
            with contextlib.suppress(Silent):
                await self._hand_on(await self.asker.read([(point.object, point.wanted)]))

    async def _hand_on(self, found: list[Found]) -> None:
        said: dict[ObjectId, dict[int, Found]] = defaultdict(dict)
        for one in found:
            said[one.object][one.property] = one
        await self._emit({who: self._values(self.points[who], said[who]) for who in said if who in self.points})

    def _values(self, point: Watched, said: Mapping[int, Found]) -> dict[int, list[Value]]:
        """Return the received properties, and the errors of the others."""
        reliability = said.get(names.RELIABILITY)
        if reliability is not None and reliability.error is not None:
            point.reliability = False  # optional property, missing
        present = said.get(names.PRESENT_VALUE)
        if present is not None and present.error is not None:
            self._trouble(point, present.error)
        return {which: one.values for which, one in said.items() if one.error is None}

    async def _emit(self, said: Mapping[ObjectId, Mapping[int, list[Value]]]) -> None:
        """Report readings of several objects: one report for each quality, and one for each subscribed object, so that
        the same few sets of metrics recur."""
        now = time.monotonic()
        reports: dict[tuple[hub.Quality, str], dict[str, Reading]] = defaultdict(dict)
        for who, values in said.items():
            point = self.points[who]
            if point.translation is None or names.PRESENT_VALUE not in values:
                continue
            try:
                reading = point.translation.reading(values[names.PRESENT_VALUE])
            except hub.DecodeError as error:
                self._trouble(point, error)
                continue
            believed, why = quality(values.get(names.STATUS_FLAGS), values.get(names.RELIABILITY))
            point.spoke(time.time())
            if point.worse(why):
                self._session.log.info(self._quality_changed(who, why))
            if reading is not None:
                alone = point.point.metric if point.subscription.open(now) else ""
                reports[believed, alone][point.point.metric] = reading
        for (believed, _), readings in reports.items():
            await self._session.emit(hub.Report(device=self._id, values=dict(readings), quality=believed, proof=PROOF))

    def _quality_changed(self, who: ObjectId, why: str) -> str:
        if not why:
            return phrase("bacnet.object-good-again", "{device} {object}: good again", device=self._id, object=str(who))
        return phrase(
            "bacnet.object-in-trouble",
            "{device} {object}: its device says {reliability}",
            device=self._id,
            object=str(who),
            reliability=why,
        )

    def _trouble(self, point: Watched, error: hub.DecodeError) -> None:
        """Note an unreadable object: counted, logged once, tried again at growing intervals."""
        self._session.radio.report_decode_error(self._id, error)
        if point.failed(error.reason):
            self._session.log.warning(
                phrase(
                    "bacnet.object-not-read",
                    "{device} {object} is not read: {reason}",
                    device=self._id,
                    object=str(point.object),
                    reason=names.told(error),
                )
            )

    async def _tell(self) -> None:
        """Report the device's notifications."""
        while True:
            news = await self._subscriber.news.get()
            point = self.points.get(news.object)
            if point is not None:
                point.subscription.heard()
                await self._emit({news.object: news.values})

    def _away(self, error: Exception) -> None:
        self._patience.failed()
        self._session.polling.polled(self._id, "silent" if isinstance(error, hub.NotReady) else "unread")
        if self._settings is not None and self._settings.address is None:
            self._directory.forget(self._instance)
        if isinstance(error, Refused):
            self._session.radio.report_decode_error(self._id, error)
        if not self._told:
            self._told = True
            self._session.log.warning(
                phrase(
                    "bacnet.device-away",
                    "{device} is away, tried again with growing pauses: {reason}",
                    device=self._id,
                    reason=names.told(error),
                )
            )

    @property
    def station(self) -> Station | None:
        """Return its address, None while it is not known."""
        return self.asker.station if self.asker is not None else None
