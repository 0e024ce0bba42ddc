"""Time on air of a frame (Semtech AN1200.13, "LoRa Modem Designer's Guide", §4). Pure.

    Tsymbol  = 2^SF / BW
    preamble = (8 + 4.25) × Tsymbol
    symbols  = 8 + max(ceil((8·PL − 4·SF + 28 + 16·CRC − 20·IH) / (4·(SF − 2·DE))) · (CR + 4), 0)

PL the PHYPayload in bytes, explicit header (IH 0), coding rate 4/5 (CR 1), DE 1 where a symbol lasts more than 16 ms
(SF11 and SF12 at 125 kHz). An uplink carries a CRC of the payload, a downlink does not (TS001-1.0.4 §3).
FSK at 50 kbit/s (RP002-1.0.4, EU863-870): preamble 5 B, synchronisation word 3 B, length 1 B, payload, CRC 2 B.
"""

from __future__ import annotations

from math import ceil

from integrations.lorawan.region import DataRate

PREAMBLE = 8 + 4.25
FSK_OVERHEAD = 5 + 3 + 1 + 2


def airtime(rate: DataRate, size: int, *, uplink: bool) -> float:
    """Return the seconds that a PHYPayload of `size` bytes takes at this data rate."""
    if not rate.sf:
        return (FSK_OVERHEAD + size) * 8 / rate.bandwidth
    symbol = (1 << rate.sf) / rate.bandwidth
    slow = symbol > 0.016
    bits = 8 * size - 4 * rate.sf + 28 + (16 if uplink else 0)
    symbols = 8 + max(ceil(bits / (4 * (rate.sf - 2 * slow))) * 5, 0)
    return (PREAMBLE + symbols) * symbol
