"""Converts an uplink to reports of the hub: its payload, by its pack's codec or as Cayenne LPP, and its signal.

A payload that cannot be decoded loses its readings for now, never the report: the device is alive, and its counter is
stored. The hub stores the payload too, and decodes it again when it can.
"""

from __future__ import annotations

import hub
from hub.sdk.link_values import LinkValues
from integrations.lorawan import cayenne
from integrations.lorawan.device import device_id
from integrations.lorawan.parts import Reception, Uplink
from integrations.lorawan.region import RATES

Values = dict[str, float | int | bool | str]


class Reader:
    """Decodes through the session: codecs run in a process of the hub's own."""

    def __init__(self, session: hub.Session) -> None:
        self._session = session
        self._declared: dict[str, set[str]] = {}
        self._links = LinkValues(session.log)

    async def reports(self, uplink: Uplink) -> list[hub.Report]:
        """Return the reports of an uplink: former values first, dated and without a counter, then the present ones.

        Raises NotReady when a confirmed payload cannot be decoded now: without an acknowledgement the device repeats
        it."""
        name, best = device_id(uplink.dev_eui), uplink.best
        values: Values = {} if uplink.battery is None else {"battery": uplink.battery}
        position = None
        former: list[hub.Sample] = []
        known = self._session.devices.get(name)
        if uplink.payload and known is not None:
            if known.settings.get("codec") == "cayenne":
                said, position = self._cayenne(name, uplink.payload)
                values |= said
            else:
                samples = await self._packed(name, uplink)
                former = [sample for sample in samples if sample.time is not None]
                for sample in samples:
                    values |= sample.values if sample.time is None else {}
        values = self._links.beside(name, values, {"link_margin": margin(best)})
        proof, signal = _proof(uplink), signal_of(*uplink.receptions)
        past = hub.Proof(proof.scheme, None, True)
        told = [
            hub.Report(device=name, values=sample.values, time=sample.time, proof=past, signal=signal)
            for sample in ([] if uplink.again else former)  # without a counter, duplicates would pass
        ]
        return [*told, hub.Report(device=name, values=values, position=position, proof=proof, signal=signal)]

    async def _packed(self, name: str, uplink: Uplink) -> tuple[hub.Sample, ...]:
        try:
            return await self._session.packs.decode(
                name,
                uplink.port or 0,
                uplink.payload,
                uplink.best.time,
                proof=_proof(uplink),
                once=not uplink.confirmed,
            )
        except hub.DecodeError:
            return ()  # already counted and stored

    def _cayenne(self, name: str, payload: bytes) -> tuple[dict[str, cayenne.Value], hub.Position | None]:
        try:
            read = cayenne.decode(payload)
        except hub.DecodeError as error:
            self._session.radio.report_decode_error(name, error)
            return {}, None
        declared = self._declared.setdefault(name, set())
        fresh = tuple(metric for metric in read.metrics if metric.key not in declared)
        if fresh:
            declared.update(metric.key for metric in fresh)
            self._session.devices.declare(name, metrics=fresh)
        for slug in read.skipped:
            self._session.radio.report_decode_error(name, hub.DecodeError(slug))
        return read.values, read.position


def _proof(uplink: Uplink) -> hub.Proof:
    scheme = "lorawan-1.0" if uplink.otaa else "lorawan-1.0-abp"
    return hub.Proof(scheme, uplink.counter, True, content=uplink.content)


def margin(reception: Reception) -> float:
    """Return the dB above the SNR that this data rate needs."""
    return round(reception.snr - RATES[reception.rate].snr, 1)


def signal_of(best: Reception, *others: Reception) -> hub.Signal:
    """Return the signal of the receptions of one frame, best first."""
    heard = tuple((copy.gateway, round(copy.rssi)) for copy in (best, *others)) if others else ()
    return hub.Signal(rssi=round(best.rssi), snr=best.snr, source=best.gateway, heard=heard)


def heard(name: str, reception: Reception) -> hub.Report:
    """Return a report of a device's signal without readings, for a join request."""
    proof = hub.Proof("lorawan-join", None, True)
    return hub.Report(device=name, values={"link_margin": margin(reception)}, proof=proof, signal=signal_of(reception))
