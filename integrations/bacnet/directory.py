"""Addresses of devices: from the configuration, else from answers to Who-Is."""

from __future__ import annotations

import asyncio

import hub
from hub.sdk.phrases import phrase
from integrations.bacnet.decode import IAm, Station
from integrations.bacnet.link import Link
from integrations.bacnet.names import LAST_INSTANCE
from integrations.bacnet.settings import Config, instance_of

MOST = 4096
"""Maximum devices remembered. It bounds the memory under a flood of I-Am."""
ANSWER_S = 3.0


class Directory:
    """Receives every I-Am of one network. A device that is not configured becomes a candidate."""

    def __init__(self, config: Config, session: hub.Session) -> None:
        self.where: dict[int, Station] = {}
        self._config = config
        self._session = session
        self._came = asyncio.Event()

    def heard(self, i_am: IAm, station: Station, _data: bytes = b"") -> None:
        """Note an I-Am; callback of `Link`."""
        former = self.where.get(i_am.instance)
        if former is None and len(self.where) >= MOST:
            self._session.radio.report_decode_error(
                self._session.name,
                hub.DecodeError(
                    "too-many-devices",
                    phrase("bacnet.too-many-devices", "more devices announce themselves than are remembered"),
                ),
            )
            return
        if former is not None and former != station:
            self._session.radio.report_decode_error(
                f"bacnet:{i_am.instance}",
                hub.DecodeError(
                    "twice",
                    phrase(
                        "bacnet.device-twice",
                        "{former} and {station} say they are this device",
                        former=former.place,
                        station=station.place,
                    ),
                ),
            )
        self.where[i_am.instance] = station
        self._came.set()
        name = f"bacnet:{i_am.instance}"
        if self._session.devices.get(name) is None:
            evidence = {"address": f"{station.host}:{station.port}", "vendor": str(i_am.vendor)}
            if station.network:
                evidence |= {"network": str(station.network), "mac": station.mac.hex()}
            self._session.devices.discovered(hub.Candidate(id=name, integration=self._session.name, evidence=evidence))

    async def find(self, link: Link, instance: int) -> Station:
        """Locate one device. Raises NotReady when it does not answer, or when nothing may be broadcast."""
        if instance in self.where:
            return self.where[instance]
        await link.ask_who_is(instance, instance)
        try:
            async with asyncio.timeout(ANSWER_S):
                while instance not in self.where:
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            raise hub.NotReady(
                phrase("bacnet.device-silent-to-who-is", "device {instance} does not answer Who-Is", instance=instance)
            ) from None
        return self.where[instance]

    def forget(self, instance: int) -> None:
        """Forget the address of a device that is no longer there."""
        self.where.pop(instance, None)

    async def look(self, link: Link) -> None:
        """Send Who-Is, as often as configured, until cancelled."""
        discover = self._config.discover
        if discover is None or not discover.every:
            return
        async for _ in self._session.every(discover.every):
            await link.ask_who_is(discover.low, min(discover.high, LAST_INSTANCE))


__all__ = ["Directory", "instance_of"]
