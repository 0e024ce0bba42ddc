"""Look-up of silent devices at other hubs of the owner, through the backend while there is a link.

    POST {url}/v1/whereabouts {devices: [id, …]} → {devices: {id: {hub, name}}}

A LoRaWAN device that has joined another hub never reports to this one, and no frame says why. The district knows, since
the other hub reports it. The request only names ids that this hub itself expects, and of radios that any hub nearby
hears, none. `name` is the site of the device, or the hub's name where that has none; older backends return the hub's id
in `hub`.

One request names MOST devices: those first that were named longest ago. So of 500 each is named within five requests,
and again after AGAIN_S, since a request may cost money. After a failed one the next one waits, longer each time. A
backend answers for DEVICES_A_DAY different devices and alarms its operator beyond: no more are named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from hub.core.backoff import Backoff
from hub.core.clock import Clock
from hub.core.errors import NotReady
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of
from hub.sdk.session import Reply

KIND = "lorawan:"
MOST = 100
AGAIN_S = 600.0
DAY_S, DEVICES_A_DAY = 86_400.0, 1000
FIRST_S, LONGEST_S = 20.0, 600.0
TIMEOUT = timedelta(seconds=15)


class Http(Protocol):
    async def request(
        self, method: str, url: str, *, body: bytes | None = None, timeout: timedelta = TIMEOUT
    ) -> Reply: ...


class Sighting(msgspec.Struct, frozen=True):
    hub: Annotated[str, Meta(max_length=64)] = ""
    name: Annotated[str, Meta(max_length=200)] = ""


class _Answer(msgspec.Struct, frozen=True):
    devices: Annotated[dict[str, Sighting], Meta(max_length=1000)]


class OtherHubs:
    """Look-up for one hub. `up` returns whether a transport is up; without one no request is made."""

    def __init__(
        self, *, http: Http, url: str, up: Callable[[], bool], clock: Clock, backoff: Backoff | None = None
    ) -> None:
        self._http, self._up, self._clock = http, up, clock
        self._url = f"{url.rstrip('/')}/v1/whereabouts"
        self._backoff = backoff or Backoff(FIRST_S, LONGEST_S)
        self._not_before = 0.0
        self._named: dict[str, float] = {}  # device → monotonic seconds of its last request
        self._answered: dict[str, float] = {}
        self._where: dict[str, str] = {}

    async def ask(self, devices: Sequence[str]) -> dict[str, str]:
        """Return device → its site, for known devices at another hub. Makes one request if due. Raises NotReady when
        that failed."""
        wanted = [device for device in dict.fromkeys(devices) if device.startswith(KIND)]
        now = self._clock.monotonic()
        self._forget(set(wanted), now)
        asked = self._next(wanted, now)
        if asked:
            if not self._up():
                raise NotReady(phrase("no-link-to-ask", "there is no link to ask over"))
            self._named.update(dict.fromkeys(asked, now))
            try:
                found = await self._question(asked)
            except BaseException:
                self._not_before = self._clock.monotonic() + self._backoff.next()
                raise
            self._backoff.reset()
            self._answered.update(dict.fromkeys(asked, now))
            self._where = {device: name for device, name in self._where.items() if device not in asked} | found
        return dict(self._where)

    def _next(self, wanted: list[str], now: float) -> list[str]:
        """Return the devices to name now. A request that is due takes along as many others as it holds."""
        room = DEVICES_A_DAY - len(self._named)
        known = [device for device in wanted if device in self._named]
        fresh = [device for device in wanted if device not in self._named][: max(0, room)]
        may = [*fresh, *sorted(known, key=self._named.__getitem__)]
        due = any(now - self._answered.get(device, -AGAIN_S) >= AGAIN_S for device in may)
        return may[:MOST] if due and now >= self._not_before else []

    def _forget(self, wanted: set[str], now: float) -> None:
        self._where = {device: name for device, name in self._where.items() if device in wanted}
        self._answered = {device: at for device, at in self._answered.items() if device in wanted}
        self._named = {device: at for device, at in self._named.items() if device in wanted or now - at < DAY_S}

    async def _question(self, devices: list[str]) -> dict[str, str]:
        reply = await self._http.request(
            "POST", self._url, body=msgspec.json.encode({"devices": devices}), timeout=TIMEOUT
        )
        if reply.status in (404, 405):  # a backend of a former release
            return {}
        if reply.status != 200:
            raise NotReady(phrase("answers-with-status", "{url} answers {status}", url=self._url, status=reply.status))
        try:
            found = msgspec.json.decode(shallow_json(reply.body), type=_Answer).devices
        except (msgspec.DecodeError, ValueError) as error:
            raise NotReady(
                phrase(
                    "answers-no-device-places",
                    "{url} answers something else than where devices are: {reason}",
                    url=self._url,
                    reason=reason_of(error),
                )
            ) from error
        said = {device: last.name or last.hub for device, last in found.items() if device in devices}
        said = {device: where for device, where in said.items() if where}
        return {device: "".join(char for char in name if char.isprintable())[:64] for device, name in said.items()}
