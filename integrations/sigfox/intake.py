"""Converts callbacks to reports of the hub, each message once.

The stored parts of a message are noted in the plugin's state in the commit of its reports. A kill leaves both or
neither, so that the operator's next attempt is recognised as a repetition, or is new.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import hub
from hub.sdk.link_values import LinkValues
from hub.sdk.phrases import phrase, reason_of
from hub.sdk.sigfox.callback import CARRY_DATA, Callback
from integrations.sigfox import reading
from integrations.sigfox.downlinks import Downlinks
from integrations.sigfox.memory import DATA, LINK, LOST, PLACE, STATUS, Memory, most_for
from integrations.sigfox.reading import Inline
from integrations.sigfox.settings import DeviceSettings


class Known(NamedTuple):
    """A configured device with its settings."""

    device: hub.Device
    settings: DeviceSettings
    inline: Inline | None


class Intake:
    """Processes the callbacks of one instance."""

    def __init__(self, session: hub.Session, downlinks: Downlinks) -> None:
        self._session, self._downlinks = session, downlinks
        self._known: dict[str, Known] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._silent: set[str] = set()  # devices that the operator reported as silent
        self._told: set[str] = set()
        self._links = LinkValues(session.log)

    async def take(self, callback: Callback, *, answers: bool = True) -> bytes | None:
        """Store a callback; once this returns, it is durable, or need not be.

        Returns the 8 bytes for a device that waits for an answer, if `answers`: the operator waits for them. Raises
        NotReady when it cannot be stored now; then it is not noted, or not known to be durable, and kept once when it
        comes again."""
        known = self.find(callback.device)
        if known is None:
            self._stranger(callback)
            return None
        name = known.device.id
        async with self._turns.setdefault(name, asyncio.Lock()):
            if callback.kind == "acknowledge":
                if not await self._is_repeated(known, callback):
                    self._downlinks.acknowledged(name, callback.code, callback.info)
                return None
            await self._keep(known, callback)
        if not (answers and callback.waits):
            return None
        standing = bytes.fromhex(known.settings.downlink) or None
        return self._downlinks.answer(name, (callback.time, callback.seq), standing)

    def find(self, number: str) -> Known | None:
        """Return the configured device with this number, in any notation."""
        device = self._session.devices.get(f"sigfox:{number}") or next(
            (one for one in self._session.devices.all() if one.id.partition(":")[2].upper().lstrip("0") == number), None
        )
        if device is None:
            return None
        known = self._known.get(number)
        if known is None or known.device != device:
            settings = device.settings_as(DeviceSettings)
            known = self._known[number] = Known(device, settings, Inline(settings) if settings.format else None)
        return known

    def standing(self) -> dict[str, bytes]:
        """Return the fixed answers of devices that have one, by device id."""
        found = {}
        for device in self._session.devices.all():
            known = self.find(device.id.partition(":")[2].upper().lstrip("0"))
            if known is not None and known.settings.downlink:
                found[device.id] = bytes.fromhex(known.settings.downlink)
        return found

    async def _keep(self, known: Known, callback: Callback) -> None:
        name = known.device.id
        memory = Memory(self._session.state.get(name, b""))
        kept = memory.kept(callback.time, callback.seq)
        if kept is None:
            self._session.radio.report_decode_error(
                name,
                hub.DecodeError("too-late", phrase("sigfox.callback-too-late", "replayed, or later than any retry")),
            )
            await self._durable()
            return
        parts, reports = await self._reports(known, callback, kept)
        if not parts:
            self._session.radio.report_decode_error(
                name, hub.DecodeError("repeat", phrase("sigfox.callback-sent-again", "the operator sent it again"))
            )
            await self._durable()
            return
        memory.keep(callback.time, callback.seq, parts, most_for(len(self._session.devices.all())))
        await self._session.emit(*reports, note=lambda: self._session.state.put(name, memory.packed()))
        if parts & DATA:
            self._heard_again(name)
        await self._durable()

    async def _durable(self) -> None:
        """Return once all that was taken is on the disk, this time or an earlier one. Raises NotReady."""
        try:
            await self._session.emit(durable=True)
        except Exception as error:
            raise hub.NotReady(
                phrase("sigfox.message-not-durable", "not known to be on the disk: {reason}", reason=reason_of(error))
            ) from error

    async def _reports(self, known: Known, callback: Callback, kept: int) -> tuple[int, list[hub.Report]]:
        """Return the parts of a callback that are not stored yet, and their reports. Raises NotReady when the codec is
        not available."""
        name, kind = known.device.id, callback.kind
        parts, reports = 0, list[hub.Report]()
        if kind in CARRY_DATA and not kept & DATA:
            parts |= DATA | (LINK if kind == "advanced" else 0)
            samples = await self._samples(known, callback)
            reports += reading.data(
                name, callback, samples, {"connectivity": True} if name in self._silent else {}, self._links
            )
        elif kind == "advanced" and not kept & LINK:
            parts |= LINK
            reports.append(reading.heard(name, callback))
        if kind == "status" and not kept & STATUS:
            parts |= STATUS
            reports.append(reading.status(name, callback))
        if kind == "error" and not kept & LOST:
            parts |= LOST
            reports += self._error(name, callback)
        position = reading.place(name, callback) if not kept & PLACE else None
        if position is not None:
            parts |= PLACE
            reports.append(position)
        return parts, reports or [hub.Report(device=name, values={})]

    async def _samples(self, known: Known, callback: Callback) -> tuple[hub.Sample, ...]:
        name = known.device.id
        if known.inline is not None:
            try:
                values, skipped = known.inline.read(callback.data)
            except hub.DecodeError as error:
                self._session.radio.report_decode_error(name, error)
                return ()
            for reason in skipped:
                self._session.radio.report_decode_error(name, hub.DecodeError(reason))
            return (hub.Sample(values=values),)
        try:
            return await self._session.packs.decode(
                name, reading.PORT, callback.data, float(callback.time), proof=hub.Proof(reading.SCHEME)
            )
        except hub.DecodeError:
            return ()  # already counted and stored

    def _error(self, name: str, callback: Callback) -> list[hub.Report]:
        """Process an error callback. ERROR: no message for longer than the device type allows. WARN, discontinued by
        the operator in 2021: a station is away."""
        self._session.radio.report_decode_error(
            name, hub.DecodeError(f"operator-{'silent' if callback.severity != 'WARN' else 'warns'}")
        )
        if callback.severity == "WARN":
            return []
        if name not in self._silent:
            self._session.log.warning(
                phrase("sigfox.device-silent", "{device}: the operator hears nothing from it any more", device=name)
            )
        self._silent.add(name)
        return [reading.lost(name, callback)]

    def _heard_again(self, name: str) -> None:
        if name in self._silent:
            self._silent.discard(name)
            self._session.log.info(
                phrase("sigfox.device-heard-again", "{device}: the operator hears it again", device=name)
            )

    async def _is_repeated(self, known: Known, callback: Callback) -> bool:
        """Return whether this acknowledgement is a repetition. Kept in memory: after a restart no downlink waits for
        one."""
        key = f"{known.device.id} {callback.time} {callback.code}"
        if key in self._told:
            return True
        if len(self._told) >= 4096:
            self._told.clear()
        self._told.add(key)
        return False

    def _stranger(self, callback: Callback) -> None:
        self._session.radio.report_decode_error(
            "",
            hub.DecodeError(
                "not-admitted",
                phrase("sigfox.device-not-configured", "sigfox:{number} is not configured", number=callback.device),
            ),
        )
        evidence = {"callback": callback.kind, "remedy": "name it in the configuration, with a pack or its format"}
        if callback.data:
            evidence["bytes"] = str(len(callback.data))
        self._session.devices.discovered(
            hub.Candidate(
                id=f"sigfox:{callback.device}",
                integration=self._session.name,
                model="Sigfox",
                signal=reading.signal(callback),
                evidence=evidence,
            )
        )
