"""Converts a message to reports: payload, signal and position."""

from __future__ import annotations

import math

import hub
from hub.sdk.link_values import LinkValues
from hub.sdk.sigfox.callback import Callback
from hub.sdk.sigfox.grammar import Grammar
from integrations.sigfox.metrics import LINK_QUALITY, LOCATION_RADIUS, MODULE_TEMPERATURE
from integrations.sigfox.settings import DeviceSettings

Values = dict[str, float | int | bool | str]

PORT = 1
"""Port passed to TS013 codecs, which need one; Sigfox has none."""
SCHEME = "sigfox"


class Inline:
    """Decodes payloads by a device's own `format` and `values`."""

    def __init__(self, settings: DeviceSettings) -> None:
        self._grammar = Grammar(settings.format)
        self._values = settings.values

    def read(self, payload: bytes) -> tuple[Values, list[str]]:
        """Return the readings, and reasons why a field gave none. Raises DecodeError."""
        said = self._grammar.read(payload)
        values: Values = {}
        skipped = [reason for _, reason in said.skipped]
        for metric, wanted in self._values.items():
            raw = said.values.get(wanted.field or metric)
            if raw is None or (not isinstance(raw, bool | str) and raw in wanted.invalid):
                continue
            value = _value(raw, hub.METRICS[metric].kind, wanted.scale, wanted.offset)
            if value is None:
                skipped.append("wrong-kind")
            else:
                values[metric] = value
        return values, skipped


def _value(raw: float | int | bool | str, kind: str, scale: float, offset: float) -> float | int | bool | str | None:
    if kind == "text":
        return raw if isinstance(raw, str) else None
    if isinstance(raw, str):
        return None
    if kind == "flag":
        return bool(raw) if isinstance(raw, bool) or raw in (0, 1) else None
    number = raw * scale + offset
    return number if math.isfinite(number) else None


def data(
    device: str, callback: Callback, samples: tuple[hub.Sample, ...], extra: Values, links: LinkValues
) -> list[hub.Report]:
    """Return the reports of a payload: former values first, then the present ones with `extra`. The present ones have
    the network's time, unless the device dates them."""
    former = samples[1:]
    now = samples[0] if samples else hub.Sample(values={})
    values = {**links.beside(device, now.values, link(callback)), **extra}
    told = [_report(device, callback, sample.values, sample.time) for sample in former]
    return [*told, _report(device, callback, values, now.time)]


def heard(device: str, callback: Callback) -> hub.Report:
    """Return a report of the signal only, for a message whose payload is already stored."""
    return _report(device, callback, link(callback))


def place(device: str, callback: Callback) -> hub.Report | None:
    """Return the position estimated by the network. It is a report of its own: the radius is personal data, so that
    nothing of it is stored without a purpose."""
    position = callback.position
    if position is None:
        return None
    values: Values = {LOCATION_RADIUS.key: position.accuracy if position.accuracy is not None else 0.0}
    return hub.Report(
        device=device, values=values, time=float(callback.time), position=position, proof=hub.Proof(SCHEME)
    )


def status(device: str, callback: Callback) -> hub.Report:
    values: Values = {}
    if callback.battery is not None:
        values["battery_voltage"] = callback.battery
    if callback.temperature is not None:
        values[MODULE_TEMPERATURE.key] = callback.temperature
    return _report(device, callback, values)


def lost(device: str, callback: Callback) -> hub.Report:
    return _report(device, callback, {"connectivity": False})


def link(callback: Callback) -> Values:
    return {} if callback.link is None else {LINK_QUALITY.key: callback.link}


def signal(callback: Callback) -> hub.Signal | None:
    if callback.rssi is None and callback.snr is None and not callback.heard:
        return None
    rssi = None if callback.rssi is None else round(max(-300.0, min(100.0, callback.rssi)))
    all_heard = tuple((name, None if level is None else round(level)) for name, level in callback.heard)
    return hub.Signal(
        rssi=rssi,
        snr=callback.snr,
        source=all_heard[0][0] if all_heard else "",
        heard=all_heard if len(all_heard) > 1 else (),
    )


def _report(device: str, callback: Callback, values: Values, time: float | None = None) -> hub.Report:
    return hub.Report(
        device=device,
        values=values,
        time=float(callback.time) if time is None else time,
        proof=hub.Proof(SCHEME),
        signal=signal(callback),
    )
