"""Converts an uplink to reports of the hub: its payload, by its pack's codec, and its signal.

A payload that cannot be decoded loses its readings for now, never the report: the hub stores it, and decodes it again
when the pack changes. The server's own decoded object is used only for a device without a pack whose settings give the
paths of the values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import hub
from hub.sdk.link_values import LinkValues
from hub.sdk.phrases import phrase
from integrations.lorawan_servers.parts import Heard, Status, Uplink
from integrations.lorawan_servers.settings import DeviceSettings, ValueSettings

SCHEME = "lorawan-server"
NEAR_S = 60.0
"""Seconds by which a gateway's time may differ from the server's to be used; some gateways have no clock."""

Value = float | int | bool | str

_FLOORS = {12: -20.0, 11: -17.5, 10: -15.0, 9: -12.5, 8: -10.0, 7: -7.5, 6: -5.0}
"""SNR in dB that a spreading factor needs at 125 kHz (Semtech SX1276 datasheet, table 13)."""


class Reader:
    """Decodes through the session. `sealed`: the hub is connected by TLS, so that the messages are not readable on the
    way."""

    def __init__(self, session: hub.Session, *, sealed: bool) -> None:
        self._session = session
        self._sealed = sealed
        self._links = LinkValues(session.log)

    async def reports(self, name: str, uplink: Uplink) -> list[hub.Report]:
        """Return former values first, dated, then the present ones. Raises NotReady when the payload cannot be decoded
        now."""
        values: dict[str, Value] = {}
        margin = margin_of(uplink)
        at = reception(uplink)
        former: list[hub.Sample] = []
        for sample in await self._samples(name, uplink, at):
            if sample.time is None:
                values |= sample.values
            else:
                former.append(sample)
        values = self._links.beside(name, values, {} if margin is None else {"link_margin": margin})
        signal = signal_of(uplink.heard)
        past, proof = self.proof(None), self.proof(uplink.fcnt)
        told = [
            hub.Report(device=name, values=sample.values, time=sample.time, proof=past, signal=signal)
            for sample in former
        ]
        return [*told, hub.Report(device=name, values=values, time=at, proof=proof, signal=signal)]

    def proof(self, counter: int | None) -> hub.Proof:
        """Return the proof: the server checked the MIC, but the hub cannot verify that, so nothing is authenticated
        here."""
        return hub.Proof(SCHEME, counter, authenticated=False, sealed=self._sealed)

    def battery(self, name: str, status: Status) -> hub.Report | None:
        if status.battery is None:
            return None
        return hub.Report(device=name, values={"battery": status.battery}, time=status.time, proof=self.proof(None))

    async def _samples(self, name: str, uplink: Uplink, at: float | None) -> tuple[hub.Sample, ...]:
        known = self._session.devices.get(name)
        if known is None or uplink.port == 0 or not (uplink.payload or uplink.decoded):
            return ()
        if not known.pack:
            wanted = DeviceSettings.model_validate({"decoded": known.settings.get("decoded", {})}).decoded
            if wanted:
                return (hub.Sample(values=self._decoded(name, uplink.decoded or {}, wanted)),)
        if uplink.sealed:
            text = phrase(
                "lorawan_servers.payload-encrypted",
                "the server has no AppSKey, so that its payload is still encrypted: give the server the key",
            )
            self._session.radio.report_decode_error(name, hub.DecodeError("payload-encrypted", text))
            return ()
        if not uplink.payload:
            return ()
        try:
            return await self._session.packs.decode(
                name, uplink.port, uplink.payload, at, proof=self.proof(_mark(uplink))
            )
        except hub.DecodeError:
            return ()  # already counted and stored

    def _decoded(self, name: str, found: dict[str, Any], wanted: Mapping[str, ValueSettings]) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for metric, where in wanted.items():
            raw = follow(found, where.path)
            if raw is None:
                continue
            value = converted(raw, where, hub.METRICS[metric].kind)
            if value is None:
                self._session.radio.report_decode_error(
                    name,
                    hub.DecodeError(
                        "server-value",
                        phrase(
                            "lorawan_servers.value-of-other-kind",
                            "the value of {metric} in its object is not of the kind of this metric",
                            metric=metric,
                        ),
                    ),
                )
            else:
                values[metric] = value
        return values


def _mark(uplink: Uplink) -> int:
    """Return a mark that is unique among the device's frames: counters begin again with each session."""
    return int.from_bytes(sha256(uplink.session.encode()).digest()[:4], "big") << 32 | uplink.fcnt


def follow(data: Any, path: str) -> Any:
    """Return the value at a path; None when there is none."""
    for key in path.split("."):
        if isinstance(data, dict):
            data = data.get(key)
        elif isinstance(data, list) and key.isdecimal() and len(key) < 6 and int(key) < len(data):
            data = data[int(key)]
        else:
            return None
    return data


_TRUE, _FALSE = {"true", "on", "open", "yes", "1"}, {"false", "off", "closed", "no", "0"}


def converted(raw: Any, where: ValueSettings, kind: str) -> Value | None:
    """Convert a value to the metric's kind; None when it does not fit."""
    if not isinstance(raw, bool | int | float | str):
        return None
    text = str(raw)
    if kind == "text":
        return text if len(text) <= 64 and text.isprintable() else None
    if kind == "flag":
        word = str(int(raw)) if isinstance(raw, float) and raw in (0.0, 1.0) else text.strip().lower()
        return True if word in _TRUE else False if word in _FALSE else None
    try:
        value = float(raw) * where.scale + where.offset
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def reception(uplink: Uplink) -> float | None:
    """Return the time of reception: of the best gateway that has a clock, else of the server."""
    for heard in uplink.heard:
        if heard.time is not None and uplink.time is not None and abs(heard.time - uplink.time) <= NEAR_S:
            return heard.time
    return uplink.time


def margin_of(uplink: Uplink) -> float | None:
    """Return the dB above the SNR that this data rate needs, for the best gateway, computed as in the hub's own
    network: 3 dB more for each doubling of the bandwidth. None for FSK, or where the server does not report it."""
    if uplink.rate is None or not uplink.heard or uplink.heard[0].snr is None:
        return None
    spreading, bandwidth = uplink.rate
    floor = _FLOORS.get(spreading)
    if floor is None or not 7_000 <= bandwidth <= 2_000_000:
        return None
    return round(uplink.heard[0].snr - floor - 3 * math.log2(bandwidth / 125_000), 1)


def signal_of(heard: tuple[Heard, ...]) -> hub.Signal | None:
    """Return the signal, best gateway first."""
    if not heard:
        return None
    several = tuple((one.gateway, one.rssi) for one in heard) if len(heard) > 1 else ()
    return hub.Signal(rssi=heard[0].rssi, snr=heard[0].snr, source=heard[0].gateway, heard=several)
