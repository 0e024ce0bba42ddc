"""Chooses the gateway and the receive window of a downlink. Pure.

RX1 first, then RX2; in each the gateway that heard the device best, then the next. A slot can be used when the gateway
can still be reached in time, its transmitter is free, and its share of the sub-band's hour is not used up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from integrations.lorawan import region
from integrations.lorawan.airspace import Airspace
from integrations.lorawan.airtime import airtime
from integrations.lorawan.entry import Reply
from integrations.lorawan.parts import Reception
from integrations.lorawan.region import RATES, Band

LEAD_S = 0.1
"""Seconds before its time by which a gateway must have a frame: network delay, and the 30 ms that its queue needs."""


class Window(NamedTuple):
    """A receive window of the device: number (0: class C), seconds after the uplink, Hz, data rate, sub-band."""

    number: int
    delay: int
    frequency: int
    rate: int
    band: Band


class Slot(NamedTuple):
    """A window served by one gateway; `start` on the gateway's timeline, `begins` on the hub's clock."""

    window: Window
    reception: Reception
    airspace: Airspace
    start: float
    begins: float


def windows(reply: Reply) -> list[Window]:
    """Return the windows that are still to try, in order."""
    uplink, radio = reply.copies[0], reply.session.radio
    joining = reply.raw is not None
    found: list[Window] = []
    if reply.window == 1:
        offset = 0 if joining else radio.rx1_offset
        channel = next((i for i, f in radio.channels.items() if f == uplink.frequency), -1)
        frequency = uplink.frequency if joining else radio.rx1_frequencies.get(channel, uplink.frequency)
        _add(found, 1, reply.delay(1), frequency, region.rx1_rate(uplink.rate, offset))
    number = 2 if reply.window else 0
    if joining:
        _add(found, number, reply.delay(number), region.RX2_FREQUENCY, region.RX2_DR)
    else:
        _add(found, number, reply.delay(number), radio.rx2_frequency, radio.rx2_rate)
    return found


def _add(found: list[Window], number: int, delay: int, frequency: int, rate: int) -> None:
    band = region.band(frequency)
    if band is not None and rate < len(RATES):
        found.append(Window(number, delay, frequency, rate, band))


def slots(
    reply: Reply, window: Window, gateways: Mapping[str, Airspace], size: int, now: float, why: set[str]
) -> Iterator[Slot]:
    """Return the slots of a window for a frame of `size` bytes, best first. Adds the reasons against the others to
    `why`."""
    seconds = airtime(RATES[window.rate], size, uplink=False)
    for reception in reply.copies:
        airspace = gateways.get(reception.gateway)
        if airspace is None or (window.number, reception.gateway) in reply.tried:
            continue
        if not airspace.reachable:
            why.add("gateway-away")
            continue
        if window.number and reception.clock is None:
            why.add("no-clock")
            continue
        after = reception if window.number else None
        begins = reception.at + window.delay if window.number else now
        if window.number and now > begins - LEAD_S:
            why.add("late")
            continue
        start = airspace.start(after, window.delay, now)
        if not airspace.free(start, seconds, now):
            why.add("gateway-busy")
        elif not airspace.affords(window.band, seconds, now):
            why.add("duty-cycle")
        else:
            yield Slot(window, reception, airspace, start, begins)
