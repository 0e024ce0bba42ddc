"""`python -m integrations.linky.sim`: a meter's customer output on a pseudo-terminal, until SIGTERM.

Prints one JSON line when ready: {"port", "mode"}. The energy index rises with the power drawn. Frames are built here
from the standard, apart from the decoder: nothing of `frames` or `decode` is used.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import time
import tty
from pathlib import Path


def group(label: str, *fields: str, separator: str) -> bytes:
    """LF label separator fields… separator checksum CR."""
    body = separator.join((label, *fields)) + separator
    counted = body if separator == "\t" else body[:-1]
    return f"\n{body}{chr((sum(counted.encode()) & 0x3F) + 0x20)}\r".encode()


def historic(serial: str, off_peak_wh: int, peak_wh: int, volt_amperes: int) -> bytes:
    """One frame of a single-phase meter with the off-peak tariff."""
    groups = [
        ("ADCO", serial), ("OPTARIF", "HC.."), ("ISOUSC", "45"), ("HCHC", f"{off_peak_wh:09}"),
        ("HCHP", f"{peak_wh:09}"), ("PTEC", "HP.."), ("IINST", f"{volt_amperes // 230:03}"), ("IMAX", "090"),
        ("PAPP", f"{volt_amperes:05}"), ("HHPHC", "A"), ("MOTDETAT", "000000"),
    ]  # fmt: skip
    return b"\x02" + b"".join(group(*fields, separator=" ") for fields in groups) + b"\x03"


def standard(
    serial: str, stamp: str, off_peak_wh: int, peak_wh: int, volt_amperes: int, load: tuple[str, int]
) -> bytes:
    """One frame of a single-phase Linky; `stamp` and the load curve's are as the meter writes them."""
    groups = [
        ("ADSC", serial), ("VTIC", "02"), ("DATE", stamp, ""), ("NGTF", "HEURES CREUSES"), ("LTARF", "HEURE PLEINE"),
        ("EAST", f"{off_peak_wh + peak_wh:09}"), ("EASF01", f"{off_peak_wh:09}"), ("EASF02", f"{peak_wh:09}"),
        ("EASD01", f"{off_peak_wh + peak_wh:09}"), ("IRMS1", f"{volt_amperes // 230:03}"), ("URMS1", "234"),
        ("PREF", "09"), ("PCOUP", "09"), ("SINSTS", f"{volt_amperes:05}"), ("SMAXSN", stamp, "05230"),
        ("CCASN", load[0], f"{load[1]:05}"), ("UMOY1", stamp, "233"), ("STGE", "003A0401"),
        ("MSG1", "     PAS DE MESSAGE     "), ("PRM", "09876543210987"), ("RELAIS", "000"), ("NTARF", "02"),
        ("NJOURF", "00"), ("NJOURF+1", "00"), ("PJOURF+1", "00008001 NONUTILE NONUTILE NONUTILE"),
    ]  # fmt: skip
    return b"\x02" + b"".join(group(*fields, separator="\t") for fields in groups) + b"\x03"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m integrations.linky.sim", description=__doc__)
    parser.add_argument("--mode", choices=["historic", "standard"], default="standard")
    parser.add_argument("--serial", default="021875123456", help="the meter's address, 12 digits")
    parser.add_argument("--link", type=Path, help="make this path a link to the pseudo-terminal")
    parser.add_argument("--interval", type=float, default=1.5, help="seconds between two frames (default 1.5)")
    options = parser.parse_args(arguments)
    if not (options.serial.isdigit() and len(options.serial) == 12):
        parser.error("--serial is twelve digits")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    port = os.ttyname(theirs)
    if options.link:
        options.link.unlink(missing_ok=True)
        options.link.symlink_to(port)
    sys.stdout.write(json.dumps({"port": str(options.link or port), "mode": options.mode}) + "\n")
    sys.stdout.flush()
    watt_hours = 12_345_678.0
    while True:
        power = 700 + int(time.monotonic() * 10) % 600
        watt_hours += power * options.interval / 3600
        now = time.gmtime(time.time() + 3600)  # winter time all the year: a season is what a stamp says
        half_hour = time.gmtime((time.time() + 3600) // 1800 * 1800)
        if options.mode == "historic":
            frame = historic(options.serial, 4_000_000, int(watt_hours), power)
        else:
            load = (time.strftime("H%y%m%d%H%M%S", half_hour), power)
            frame = standard(
                options.serial, time.strftime("H%y%m%d%H%M%S", now), 4_000_000, int(watt_hours), power, load
            )
        with contextlib.suppress(BlockingIOError):  # nobody reads: the line has no memory
            os.write(ours, frame)
        time.sleep(options.interval)


if __name__ == "__main__":
    main()
