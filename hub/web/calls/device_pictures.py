"""Calls about the photographs of devices: put, show, remove."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hub.core.actor import asker
from hub.core.calls import Call
from hub.web.calls.common import picture_bytes, text
from hub.web.pictures.of_devices import DevicePictures
from hub.web.refusals import Refused


class DevicePictureCalls:
    """Calls about photographs of devices. `known` says whether there is a device of that id."""

    def __init__(self, shelf: DevicePictures, known: Callable[[str], bool]) -> None:
        self._shelf, self._known = shelf, known

    def calls(self) -> dict[str, Call]:
        return {
            "device.picture": self._show, "device.picture.put": self._put, "device.picture.remove": self._remove,
        }  # fmt: skip

    async def _show(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {device, bare?} with {at, type, data}: when it was taken in (None: there is none), content type and
        bytes (base64 on the socket); `bare`: {at} alone."""
        device = text(arguments, "device")
        at = await self._shelf.at(device)
        if arguments.get("bare"):
            return {"at": at}
        kind, data = await self._shelf.show(device) or ("", b"")
        return {"at": at, "type": kind, "data": data}

    async def _put(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {device, data, by} with {device}: a PNG or JPEG as its bytes (base64 on the socket). Raises
        Refused."""
        device = text(arguments, "device")
        if not self._known(device):
            raise Refused("no-device")
        await self._shelf.put(device, picture_bytes(arguments.get("data")), by=asker(arguments))
        return {"device": device}

    async def _remove(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {device, by} with {device}."""
        device = text(arguments, "device")
        await self._shelf.remove(device, by=asker(arguments))
        return {"device": device}
