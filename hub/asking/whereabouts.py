"""Whether a device stands at another hub of the owner: asked of the backend while there is a link.

    POST {url}/v1/whereabouts {devices: [id, …]} → {devices: {id: {hub, name}}}

A LoRaWAN device that has joined another hub never speaks to this one, and no frame says why. The district knows: the
other hub reports it. Only ids that this hub itself expects are named, and of radios that anybody near hears none.
`name` is the site where it stands, or the hub's where that has none; `hub` is what older backends say, the hub's id.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from hub.errors import NotReady
from hub.session import Reply

KIND = "lorawan:"
MOST = 100
TIMEOUT = timedelta(seconds=15)


class Http(Protocol):
    async def request(
        self, method: str, url: str, *, body: bytes | None = None, timeout: timedelta = TIMEOUT
    ) -> Reply: ...


class Last(msgspec.Struct, frozen=True):
    hub: Annotated[str, Meta(max_length=64)] = ""
    name: Annotated[str, Meta(max_length=200)] = ""


class _Answer(msgspec.Struct, frozen=True):
    devices: Annotated[dict[str, Last], Meta(max_length=1000)]


class Whereabouts:
    """`up` says whether any uplink is: without one there is nobody to ask."""

    def __init__(self, *, http: Http, url: str, up: Callable[[], bool]) -> None:
        self._http, self._up = http, up
        self._url = f"{url.rstrip('/')}/v1/whereabouts"

    async def ask(self, devices: list[str]) -> dict[str, str]:
        """Device → where it stands, of those at another hub. Raises NotReady."""
        devices = [device for device in devices if device.startswith(KIND)][:MOST]
        if not devices:
            return {}
        if not self._up():
            raise NotReady("there is no link to ask over")
        reply = await self._http.request(
            "POST", self._url, body=msgspec.json.encode({"devices": devices}), timeout=TIMEOUT
        )
        if reply.status in (404, 405):  # a backend older than this hub
            return {}
        if reply.status != 200:
            raise NotReady(f"{self._url} answers {reply.status}")
        try:
            found = msgspec.json.decode(reply.body, type=_Answer).devices
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise NotReady(f"{self._url} answers something else than where devices are: {error}") from error
        said = {device: last.name or last.hub for device, last in found.items() if device in devices}
        said = {device: where for device, where in said.items() if where}
        return {device: "".join(char for char in name if char.isprintable())[:64] for device, name in said.items()}
