"""Advertisements decoded in a second of processor time, on one core. `python bench/decoders.py [seconds]`

One figure a line. `decoder.mix` is the whole path of what a site hears, in the shares of MIX: advertising data, frame,
each registered decoder in turn until one knows it, as the hub does. The gate for it is 20,000. `decoder.<kind>` is one
decoder on one frame. `calibration` is a loop of plain Python that has nothing to do with Bluetooth, and
`decoder.mix.ratio` the mix by that: it says how fast the code is, whatever the machine. `parsers.all` is the same for
the parsers of the extra `ble-sensors`, all of which are asked, when they are installed.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measure import figure, remark

import hub
from integrations import bluetooth
from integrations.bluetooth import advert

KEY = bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932")
SEALED = "54:48:E6:8F:80:A5"
OTHER = "A4:C1:38:01:02:03"
TAG = "CB:B8:33:4C:88:4F"
GATE = 20_000

# kind: (share of the mix, address, advertising data)
MIX: dict[str, tuple[int, str, str]] = {
    "bthome": (30, OTHER, "0201060B094449592D73656E736F720E16D2FC400009016102C40903BF13"),
    "bthome-ccm": (20, SEALED, "0201061216D2FC41e445f3c9962b332211006c7c4519"),
    "ruuvi": (15, TAG, "0201061BFF99040512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F"),
    "ruuvi-6": (5, TAG, "17FF990406170C5668C79E007000C90501D9FFCD004C884F"),
    "ruuvi-e1": (5, TAG, "2BFF9904E1170C5668C79E0065007004BD11CA00C90A0213E0ACFFFFFFDECDEE01FFFFFFFFFFCBB8334C884F"),
    "atc": (5, "A4:C1:38:02:83:F4", "12161a18f4830238c1a4a9066911b60b58f70d"),
    "eddystone": (5, OTHER, "0201060303aafe1116aafe20000b1813000000146700002ac4"),
    "sig": (5, OTHER, "0201060416 0f185c 05166e2a6409".replace(" ", "")),
    "phone": (10, OTHER, "02011a0aff4c001005031c7d9a52"),
}


def keys(device: str) -> bytes | None:
    return KEY if device == f"ble:{SEALED}" else None


def rate(work: Callable[[], object], seconds: float) -> float:
    """Calls in a second of processor time, the best of three runs."""
    best = 0.0
    for _ in range(3):
        done, start = 0, time.process_time()
        while (spent := time.process_time() - start) < seconds / 3:
            for _ in range(500):
                work()
            done += 500
        best = max(best, done / spent)
    return best


def registered() -> list[Callable[..., Any]]:
    """The decoders in the order the hub asks them."""
    found: list[Callable[..., Any]] = []
    bluetooth.register_decoders(lambda name, kind, decode, **more: found.append(decode))
    return found


def heard(decoders: list[Callable[..., Any]], raw: bytes, address: str) -> hub.Decoded | None:
    frame = advert.parse(raw, address, rssi=-60)
    for decode in decoders:
        answer: hub.Decoded | None = decode(frame, keys)
        if answer is not None:
            return answer
    return None


def mix(decoders: list[Callable[..., Any]]) -> Callable[[], object]:
    """The next advertisement of a site, at each call."""
    air = [(bytes.fromhex(raw), address) for share, address, raw in MIX.values() for _ in range(share)]
    random.Random(1).shuffle(air)
    for kind, (_, address, raw) in MIX.items():
        if (heard(decoders, bytes.fromhex(raw), address) is None) != (kind == "phone"):
            raise SystemExit(f"{kind} is not what it should be")
    at = 0

    def one() -> object:
        nonlocal at
        at = (at + 1) % len(air)
        return heard(decoders, *air[at])

    return one


def single(decoders: list[Callable[..., Any]], raw: str, address: str) -> Callable[[], object]:
    frame = advert.parse(bytes.fromhex(raw), address, rssi=-60)
    [decode] = [decode for decode in decoders if decode(frame, keys) is not None]
    return lambda: decode(frame, keys)


def calibration() -> object:
    """What decoding is made of, without decoding: bytes to numbers, numbers into a dictionary."""
    values = {}
    for at in range(0, 16, 2):
        values[at] = int.from_bytes(KEY[at : at + 2], "little", signed=True) / 100
    return values


def parsers(seconds: float) -> None:
    from integrations.bluetooth.strangers.messages import Ask
    from integrations.bluetooth.strangers.parsers import Reader, find

    page = bytearray(64)
    found, _ = find(page)
    if not found:
        remark("parsers.all", "the extra ble-sensors is not installed")
        return
    reader = Reader(found, page, patience=10.0)
    ask = Ask(1, OTHER, "TP357 (2142)", -60, {61890: bytes.fromhex("001d022c")})
    figure("parsers.all", rate(lambda: reader.read(ask), seconds), "adverts/s", f"{len(found)} parsers, in the worker")


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.5
    decoders = registered()
    plain = rate(calibration, seconds)
    whole = rate(mix(decoders), seconds)
    figure("calibration", plain, "loops/s")
    figure("decoder.mix", whole, "adverts/s", f"gate {GATE:,}")
    figure("decoder.mix.ratio", whole / plain, "adverts/loop")
    for kind, (_, address, raw) in MIX.items():
        if kind != "phone":
            figure(f"decoder.{kind}", rate(single(decoders, raw, address), seconds), "adverts/s")
    parsers(seconds)


if __name__ == "__main__":
    main()
