"""EU863-870: channels, data rates, receive windows, powers, sub-bands (RP002-1.0.4, "EU863-870 MHz band"). Pure.

The bands and their duty cycles are set by regulation, not by LoRaWAN: ERC Recommendation 70-03 annex 1 and ETSI EN 300
220-2 annex B (a share of any hour). LR-FHSS (DR8 to DR11) is not supported: such frames are neither decoded nor
requested.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from hub.sdk.phrases import phrase


class DataRate(NamedTuple):
    """A LoRa data rate, or FSK where `sf` is 0: `bandwidth` is then its bit rate. `size` is the longest MACPayload
    (M, without MHDR and MIC) where no repeater is in between; `snr` the least SNR in dB at which a gateway still
    demodulates (Semtech SX1276 datasheet, table 13)."""

    sf: int
    bandwidth: int  # Hz
    size: int
    snr: float

    @property
    def name(self) -> str:
        """Return the name used by packet forwarders: SF7BW125; the bit rate for FSK."""
        return f"SF{self.sf}BW{self.bandwidth // 1000}" if self.sf else str(self.bandwidth)


RATES = (
    DataRate(12, 125_000, 59, -20.0),
    DataRate(11, 125_000, 59, -17.5),
    DataRate(10, 125_000, 59, -15.0),
    DataRate(9, 125_000, 123, -12.5),
    DataRate(8, 125_000, 250, -10.0),
    DataRate(7, 125_000, 250, -7.5),
    DataRate(7, 250_000, 250, -4.5),
    DataRate(0, 50_000, 250, 0.0),
)
"""DR0 to DR7."""
FASTEST_ADR = 5
"""The fastest data rate that every channel of a common plan supports."""

DEFAULT_CHANNELS = (868_100_000, 868_300_000, 868_500_000)
"""Channels in Hz that every device has, at DR0 to DR5; joins use these only."""
RX2_FREQUENCY = 869_525_000
RX2_DR = 0
RX_DELAY = 1
JOIN_DELAY = 5
"""Seconds from the end of an uplink to RX1; RX2 opens one second later."""
LOWEST, HIGHEST = 863_000_000, 870_000_000

MAX_EIRP = 16  # EIRP of a device at power index 0, in dBm
POWERS = 8  # each index is 2 dB less
POWER_STEP = 2


class Band(NamedTuple):
    """A sub-band: `first` ≤ frequency < `last` in Hz, share of any hour, EIRP in dBm."""

    name: str
    first: int
    last: int
    duty: float
    eirp: int


BANDS = (
    Band("K", 863_000_000, 865_000_000, 0.001, 16),
    Band("L", 865_000_000, 868_000_000, 0.01, 16),
    Band("M", 868_000_000, 868_600_000, 0.01, 16),
    Band("N", 868_700_000, 869_200_000, 0.001, 16),
    Band("P", 869_400_000, 869_650_000, 0.1, 29),
    Band("Q", 869_700_000, 870_000_000, 0.01, 16),
)
"""EIRP: 25 mW ERP is 16.15 dBm EIRP, 500 mW ERP 29.15."""


def band(frequency: int, bandwidth: int = 125_000) -> Band | None:
    """Return the sub-band that contains the whole channel; None where such devices may not send."""
    low, high = frequency - bandwidth // 2, frequency + bandwidth // 2
    return next((b for b in BANDS if b.first <= low and high <= b.last), None)


def rx1_rate(uplink: int, offset: int) -> int:
    """Return the data rate index of RX1 after an uplink at index `uplink`."""
    return max(0, uplink - offset)


_NAME = re.compile(r"SF(\d{1,2})BW(\d{3})")


def rate_named(name: str) -> int | None:
    """Return the index of a data rate name such as SF7BW125; None when this region has no such rate."""
    found = _NAME.fullmatch(name)
    return _INDEX.get((int(found[1]), int(found[2]) * 1000)) if found else None


def rate_of(sf: int, bandwidth: int) -> int | None:
    """Return the index of a spreading factor and a bandwidth in Hz; FSK is (0, bit rate)."""
    return _INDEX.get((sf, bandwidth))


_INDEX = {(rate.sf, rate.bandwidth): index for index, rate in enumerate(RATES)}


def cflist(channels: tuple[int, ...]) -> bytes:
    """Encode the CFList of a join accept: up to five more channels (3 to 7), DR0 to DR5, in steps of 100 Hz. Empty for
    none. Raises ValueError when there are more, or one is out of the band."""
    if not channels:
        return b""
    if len(channels) > 5:
        raise ValueError(
            phrase("lorawan.too-many-more-channels", "{count} more channels, a CFList holds 5", count=len(channels))
        )
    if bad := [c for c in channels if c % 100 or band(c) is None]:
        raise ValueError(
            phrase("lorawan.frequency-no-channel", "{frequency} Hz is no channel of EU863-870", frequency=bad[0])
        )
    padded = (*channels, *(0,) * (5 - len(channels)))
    return b"".join((c // 100).to_bytes(3, "little") for c in padded) + b"\0"
