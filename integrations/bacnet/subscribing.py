"""COV subscriptions of one device: makes, renews and ends them, and receives its notifications.

ANSI/ASHRAE 135-2020, Clauses 13.1 and 13.14 (SubscribeCOV). Objects that a device refuses are polled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta

import hub
from hub.sdk.phrases import phrase
from integrations.bacnet import encode, names
from integrations.bacnet.decode import Notification, Station
from integrations.bacnet.link import Link, Silent
from integrations.bacnet.names import ObjectId, Refused
from integrations.bacnet.point import Watched
from integrations.bacnet.settings import Config

MOST = 25
"""Maximum subscriptions requested in one poll, so that a device with many objects is not overloaded."""
QUEUE = 256
"""Maximum notifications of one device in the queue."""


class Subscriber:
    """Subscriptions of one device. `news`: its notifications, in order of arrival."""

    def __init__(self, device: str, config: Config, session: hub.Session, link: Link) -> None:
        self.news: asyncio.Queue[Notification] = asyncio.Queue(QUEUE)
        self.points: Mapping[ObjectId, Watched] = {}
        self.instance = -1
        self._id, self._config, self._session, self._link = device, config, session, link
        self._mute_told = False
        # distinguishes this instance from others on this machine; the same after a restart, so that a
        # subscription is renewed and not made twice
        self.process = 0x10000 + sum(session.name.encode()) % 0x8000

    async def subscribe(self, station: Station, interval: timedelta) -> None:
        """Subscribe to the objects where that is wanted and not yet done. Raises Silent."""
        if self._config.notifications == "none":
            return
        now = time.monotonic()
        usable = [point for point in self.points.values() if point.point.notify and point.translation is not None]
        self._report_silent_subscriptions(
            point for point in usable if point.subscription.mute(now, interval.total_seconds() / 2)
        )
        seconds = int(max(self._config.lifetime, 3 * interval).total_seconds())
        for point in [point for point in usable if point.subscription.due(now)][:MOST]:
            try:
                await self._ask(station, point, seconds)
            except hub.DecodeError as error:
                self._refused(point, error)
                if isinstance(error, Refused) and (error.unsupported or error.reason in names.NO_ROOM):
                    for other in usable:  # no such service, or no room: poll the rest
                        if not other.subscription.open(now):
                            other.subscription.refused(time.monotonic())
                    return

    def _refused(self, point: Watched, error: hub.DecodeError) -> None:
        """Note a refused subscription: counted, logged once for each object and reason."""
        self._session.radio.report_decode_error(self._id, error)
        if point.subscription.refused(time.monotonic(), error.reason):
            self._session.log.info(
                phrase(
                    "bacnet.object-not-subscribed",
                    "{device} {object} is polled, and not subscribed to: {reason}",
                    device=self._id,
                    object=str(point.object),
                    reason=names.told(error),
                )
            )

    async def _ask(self, station: Station, point: Watched, seconds: int) -> None:
        confirmed = self._config.notifications == "confirmed"
        body = encode.subscribe(self.process, point.object, confirmed=confirmed, lifetime_s=seconds)
        point.subscription.made(time.monotonic(), seconds)  # the first notification may overtake the answer
        attempts = 1 + self._config.retries
        await self._link.request(station, names.SUBSCRIBE_COV, body, attempts=attempts)
        point.subscription.accepted()

    def _report_silent_subscriptions(self, points: Iterable[Watched]) -> None:
        mute = list(points)
        if mute:
            self._session.radio.report_decode_error(
                self._id,
                hub.DecodeError(
                    "cov-silent", phrase("bacnet.subscription-silent", "a subscription without a notification")
                ),
            )
        if mute and not self._mute_told:
            self._session.log.warning(
                phrase(
                    "bacnet.device-sends-no-notification",
                    "{device} acknowledges subscriptions and sends no notification: it is polled; does UDP from it "
                    "pass?",
                    device=self._id,
                )
            )
        self._mute_told = bool(mute)

    def notified(self, news: Notification) -> bool:
        """Queue a notification; callback of `Link`. Raises Refused for an object without a subscription."""
        point = self.points.get(news.object)
        known = point is not None and point.subscription.open(time.monotonic())
        if not known or news.process != self.process or news.device != self.instance:
            raise Refused(
                "error",
                79,
                phrase(
                    "bacnet.unsubscribed-notification",
                    "{object}: a notification of something else than was subscribed to",
                    object=str(news.object),
                ),
            )
        try:
            self.news.put_nowait(news)
        except asyncio.QueueFull:
            self._session.radio.report_decode_error(
                self._id,
                hub.DecodeError(
                    "too-many-changes", phrase("bacnet.too-many-changes", "more notifications than can wait")
                ),
            )
            return False
        return True

    async def unsubscribe(self, station: Station) -> None:
        """End the subscriptions of a device that was removed, with one attempt."""
        now = time.monotonic()
        for point in self.points.values():
            if point.subscription.open(now):
                try:
                    body = encode.unsubscribe(self.process, point.object)
                    await self._link.request(station, names.SUBSCRIBE_COV, body)
                except Silent:
                    return
                except hub.DecodeError:
                    continue
