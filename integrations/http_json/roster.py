"""Table of devices by page and by webhook name, from the configuration."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import ValidationError

import hub
from hub.sdk.jsonpath import JsonPath
from hub.sdk.options import wrong_option
from hub.sdk.phrases import phrase
from integrations.http_json.decode import Entry
from integrations.http_json.settings import DeviceSettings


class Reader(NamedTuple):
    """Decoding of one device's document. `id`: where the sender's own number of a message stands."""

    device: str
    entries: tuple[Entry, ...]
    time: JsonPath | None
    id: JsonPath | None = None


class Roster:
    """Table that follows the configuration. `pages` and `hooks` are by path and by name."""

    def __init__(self, session: hub.Session) -> None:
        self._session = session
        self._seen: list[hub.Device] | None = None
        self.pages: dict[str, list[Reader]] = {}
        self.hooks: dict[str, Reader] = {}

    def refresh(self) -> None:
        devices = self._session.devices.all()
        if devices == self._seen:
            return
        self._seen = devices
        self.pages, self.hooks = {}, {}
        for device in devices:
            try:
                settings = device.settings_as(DeviceSettings)
            except ValidationError as error:
                why = wrong_option(error)
                self._session.log.error(
                    phrase(
                        "http_json.settings-are-wrong",
                        "{device} is not read: its settings are wrong: {reason}",
                        device=device.id,
                        reason=why,
                    )
                )
                continue
            time, number = (
                None if path is None else JsonPath.parse(path) for path in (settings.time, settings.message_id)
            )
            reader = Reader(device.id, settings.entries(), time, number)
            if metrics := settings.own_metrics():
                self._session.devices.declare(device.id, metrics=metrics)
            if settings.path:
                self.pages.setdefault(settings.path, []).append(reader)
            if settings.hook and settings.hook in self.hooks:
                self._session.log.error(
                    phrase(
                        "http_json.hook-has-other-device",
                        "{device} does not get what is sent to /hook/{hook}: {other} has that name",
                        device=device.id,
                        hook=settings.hook,
                        other=self.hooks[settings.hook].device,
                    )
                )
            elif settings.hook:
                self.hooks[settings.hook] = reader
