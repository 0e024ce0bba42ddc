"""Adaptive data rate (ADR): chooses the data rate, power and repetitions of a device. Pure.

The aim is to be heard with `margin` dB to spare at the least airtime and battery, and to change slowly when in doubt:

1. Power and data rate are optimised only after 20 uplinks in the present session: fewer are too few samples.
2. Each uplink counts with the SNR of the gateway that heard it best, brought back to full power (a device at power
   index n sends 2·n dB weaker), so that history stays good when the power changes.
3. spare = mean SNR − SNR that this data rate needs (`region.RATES`) − margin. The mean, not the best of the last 20
   as Semtech's recommended algorithm has it: where people and doors move, the best is luck, and a device set by it
   loses frames (Slabicki et al., "Adaptive configuration of LoRa networks for dense IoT deployments", NOMS 2018).
4. Every 3 dB to spare buy one step: first the data rate up to the fastest (each step halves the airtime), then the
   power down, 2 dB an index. When spare is negative, the power rises again, at once. The network never lowers the data
   rate: a device out of reach cannot receive the order, and falls back by itself (ADRACKReq, TS001-1.0.4 §4.3.1.1).
5. Loss over the same uplinks, from the gaps between their counters, sets how often each frame is sent (NbTrans):
   under 5 % one step fewer, over 10 % one more, over 30 % the most. Over 10 % nothing is made faster or weaker.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from integrations.lorawan.region import FASTEST_ADR, POWER_STEP, POWERS, RATES

HISTORY = 20
MARGIN = 10.0
STEP = 3.0  # dB a data rate step costs at most
MOST_NB_TRANS = 3


class Heard(NamedTuple):
    """An uplink: its 32-bit counter, the best SNR in dB and the device's power index."""

    fcnt: int
    snr: float
    power: int


class Setting(NamedTuple):
    """Parameters of a LinkADRReq: data rate index, power index, number of transmissions of each frame (NbTrans)."""

    rate: int
    power: int
    nb_trans: int


class Limits(NamedTuple):
    """Limits found for a device, which may refuse a power or a data rate."""

    fastest: int = FASTEST_ADR
    weakest: int = POWERS - 1


USUAL = Limits()


def loss(history: Sequence[Heard]) -> float:
    """Return the share of frames that never arrived, 0 to 1."""
    if len(history) < 2:
        return 0.0
    sent = history[-1].fcnt - history[0].fcnt + 1
    return max(0.0, 1 - len(history) / sent)


def spare(history: Sequence[Heard], now: Setting, margin: float = MARGIN) -> float:
    """Return the SNR to spare in dB at the present data rate and power. `history` is not empty."""
    mean = sum(heard.snr + POWER_STEP * heard.power for heard in history) / len(history)
    return mean - POWER_STEP * now.power - RATES[now.rate].snr - margin


def decide(history: Sequence[Heard], now: Setting, limits: Limits = USUAL, margin: float = MARGIN) -> Setting:
    """Return the setting that the device should use; `now` itself when it is to stay as it is."""
    if not history:
        return now
    rate, power, nb_trans = now
    left, lost = spare(history, now, margin), loss(history)
    if len(history) >= HISTORY:
        nb_trans = _transmissions(nb_trans, lost)
    if left < 0:
        return Setting(rate, max(0, power - ceil(-left / POWER_STEP)), nb_trans)
    if len(history) < HISTORY or lost > 0.1:
        return Setting(rate, power, nb_trans)
    steps = int(left // STEP)
    faster = max(0, min(steps, limits.fastest - rate))
    weaker = max(0, min(steps - faster, limits.weakest - power))
    return Setting(rate + faster, power + weaker, nb_trans)


def _transmissions(nb_trans: int, lost: float) -> int:
    if lost > 0.3:
        return MOST_NB_TRANS
    if lost > 0.1:
        return min(MOST_NB_TRANS, nb_trans + 1)
    return max(1, nb_trans - 1) if lost < 0.05 else nb_trans
