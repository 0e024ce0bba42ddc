"""Advertisements decoded a second on one core, for each kind a site hears. `python bench/decoders.py [seconds]`

One figure a line: `decoder.<kind> <adverts/s>`. `path` is raw advertising data → frame → both decoders, as for a
stranger; the goal for each is 20,000.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import hub
from integrations.bluetooth import advert, bthome, ruuvi

KEY = bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932")
TAG = "CB:B8:33:4C:88:4F"
SENSOR = "54:48:E6:8F:80:A5"
AIR = "E1170C5668C79E0065007004BD11CA00C90A0213E0ACFFFFFFDECDEE01FFFFFFFFFFCBB8334C884F"
RAW = bytes.fromhex("0201060B094449592D73656E736F720E16D2FC400009016102C40903BF13")
Decode = Callable[[hub.Frame, Callable[[str], bytes | None]], hub.Decoded | hub.NeedKey | None]


def rate(work: Callable[[], object], seconds: float) -> float:
    """Calls a second, the best of three runs."""
    best = 0.0
    for _ in range(3):
        done, start = 0, time.perf_counter()
        while (spent := time.perf_counter() - start) < seconds / 3:
            for _ in range(500):
                work()
            done += 500
        best = max(best, done / spent)
    return best


def decoder(decode: Decode, line: dict[str, object], key: bytes | None = None) -> Callable[[], object]:
    frame = advert.line(line)
    answer = decode(frame, lambda device: key)
    if not isinstance(answer, hub.Decoded):
        raise SystemExit(f"{line} gave {answer}")
    return lambda: decode(frame, lambda device: key)


def path() -> None:
    frame = advert.parse(RAW, SENSOR, rssi=-60)
    for decode in (bthome.decode, ruuvi.decode):
        decode(frame, lambda device: None)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.5
    clear, sealed = "400009016102C40903BF13", "41e445f3c9962b332211006c7c4519"
    works: dict[str, Callable[[], object]] = {
        "bthome": decoder(bthome.decode, {"address": SENSOR, "service_data": {"fcd2": clear}}),
        "bthome-ccm": decoder(bthome.decode, {"address": SENSOR, "service_data": {"fcd2": sealed}}, KEY),
        "ruuvi": decoder(
            ruuvi.decode,
            {"address": TAG, "manufacturer_data": {"0499": "0512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F"}},
        ),
        "ruuvi-6": decoder(
            ruuvi.decode, {"address": TAG, "manufacturer_data": {"0499": "06170C5668C79E007000C90501D9FFCD004C884F"}}
        ),
        "ruuvi-e1": decoder(ruuvi.decode, {"address": TAG, "manufacturer_data": {"0499": AIR}}),
        "path": path,
    }
    for name, work in works.items():
        print(f"decoder.{name} {rate(work, seconds):.0f}")


if __name__ == "__main__":
    main()
