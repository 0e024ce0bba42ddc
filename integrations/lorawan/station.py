"""Messages from the hub to a LoRa Basics Station ("The LNS Protocol", Basics Station 2.0.5 and later). Pure.

A station is sent one `router_config` for EU863-870: two radios, eight LoRa channels, one at SF7/250 kHz and FSK. It
filters nothing by JoinEUI or NetID: the hub decides, and counts foreign frames.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hub.sdk.phrases import phrase
from integrations.lorawan import eui, gps, region
from integrations.lorawan.parts import Transmit

RATES_SLOTS = 16
SPAN = 400_000
"""Hz to each side of a radio's centre within which its channels must lie."""
FAST_CHANNEL = 868_300_000  # SF7 at 250 kHz
FSK_CHANNEL = 868_800_000


def welcome(gateway: str, muxs: str, uri: str) -> bytes:
    """Return the answer to a discovery."""
    return msgspec.json.encode({"router": eui.id6(gateway), "muxs": eui.id6(muxs), "uri": uri})


def unwelcome(gateway: str, why: str) -> bytes:
    """Return the answer to a discovery by a gateway that is not on the list."""
    return msgspec.json.encode({"router": eui.id6(gateway), "error": why})


def router_config(channels: tuple[int, ...], now: float) -> bytes:
    """Return the configuration of a station. `channels` in Hz, `now` in Unix seconds. Raises ValueError when the
    channels do not fit two radios."""
    return msgspec.json.encode(
        {
            "msgtype": "router_config",
            "NetID": None,
            "JoinEui": None,
            "region": "EU863",
            "hwspec": "sx1301/1",
            "freq_range": [region.LOWEST, region.HIGHEST],
            "DRs": _rates(),
            "sx1301_conf": [_radios(channels)],
            "max_eirp": float(region.MAX_EIRP),
            "MuxTime": now,
        }
    )


def _rates() -> list[list[int]]:
    """Return the data rates as [SF, kHz, downlink only]; SF 0 is FSK, -1 no data rate."""
    known = [[rate.sf, rate.bandwidth // 1000 if rate.sf else 0, 0] for rate in region.RATES]
    return known + [[-1, 0, 0]] * (RATES_SLOTS - len(known))


def _radios(channels: tuple[int, ...]) -> dict[str, Any]:
    ordered = sorted(set(channels))
    if not 1 <= len(ordered) <= 8:
        raise ValueError(
            phrase("lorawan.too-many-channels", "{count} channels, a gateway has 1 to 8", count=len(ordered))
        )
    centres: list[int] = []
    for frequency in ordered:
        if not centres or frequency > centres[-1] + SPAN:
            centres.append(frequency + SPAN)
    if len(centres) > 2:
        raise ValueError(
            phrase(
                "lorawan.channels-too-far-apart",
                "the channels lie in more than two spans of 0.8 MHz, a gateway has two radios",
            )
        )
    found: dict[str, Any] = {
        f"radio_{i}": {"enable": i < len(centres), "freq": centres[i] if i < len(centres) else 0} for i in range(2)
    }
    for i in range(8):
        found[f"chan_multiSF_{i}"] = {"enable": False}
    for i, frequency in enumerate(ordered):
        found[f"chan_multiSF_{i}"] = _tuned(frequency, centres)
    fast, fsk = _tuned(FAST_CHANNEL, centres), _tuned(FSK_CHANNEL, centres)
    if fast["enable"]:
        fast |= {"bandwidth": 250_000, "spread_factor": 7}
    if fsk["enable"]:
        fsk |= {"bandwidth": 125_000, "datarate": 50_000}
    return found | {"chan_Lora_std": fast, "chan_FSK": fsk}


def _tuned(frequency: int, centres: list[int]) -> dict[str, Any]:
    for radio, centre in enumerate(centres):
        if abs(frequency - centre) <= SPAN:
            return {"enable": True, "radio": radio, "if": frequency - centre}
    return {"enable": False}


def dnmsg(order: Transmit, now: float) -> bytes:
    """Return a downlink message. It names only the window that the network chose, because the network accounts for
    both."""
    said: dict[str, Any] = {
        "msgtype": "dnmsg",
        "DevEui": eui.dashed(order.dev_eui.hex()),
        "dC": 0 if order.window else 2,
        "diid": order.id,
        "pdu": order.raw.hex(),
        "priority": 0,
        "MuxTime": now,
    }
    if order.window == 1:
        said |= {"RxDelay": order.delay, "RX1DR": order.rate, "RX1Freq": order.frequency}
    else:  # RX2 is one second after RX1; a class C device listens there all the time
        said |= {"RxDelay": max(1, order.delay - 1), "RX2DR": order.rate, "RX2Freq": order.frequency}
    if order.after is not None:
        said |= {"xtime": order.after.clock, "rctx": order.after.context}
    return msgspec.json.encode(said)


def timesync(txtime: int, now: float) -> bytes:
    """Return GPS time in microseconds, for the station's `txtime`."""
    gpstime = round(gps.seconds(now) * 1e6)
    return msgspec.json.encode({"msgtype": "timesync", "txtime": txtime, "gpstime": gpstime, "MuxTime": now})
