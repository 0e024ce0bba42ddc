"""`ilot sim linky`: a meter's customer output on a pseudo-terminal, until SIGTERM.

Prints one JSON line when ready: {"port", "mode"}. Modes pme-pmi and ice are meters above 36 kVA. The energy index rises
with the power drawn. Frames are built here from the standard, apart from the decoder: nothing of `frames` or `decode`
is used.
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
    """Encode LF label separator fields… separator checksum CR."""
    body = separator.join((label, *fields)) + separator
    counted = body if separator == "\t" else body[:-1]
    return f"\n{body}{chr((sum(counted.encode()) & 0x3F) + 0x20)}\r".encode()


def historic(serial: str, off_peak_wh: int, peak_wh: int, volt_amperes: int) -> bytes:
    """Encode a frame of a single-phase meter with the off-peak tariff."""
    groups = [
        ("ADCO", serial), ("OPTARIF", "HC.."), ("ISOUSC", "45"), ("HCHC", f"{off_peak_wh:09}"),
        ("HCHP", f"{peak_wh:09}"), ("PTEC", "HP.."), ("IINST", f"{volt_amperes // 230:03}"), ("IMAX", "090"),
        ("PAPP", f"{volt_amperes:05}"), ("HHPHC", "A"), ("MOTDETAT", "000000"),
    ]  # fmt: skip
    return b"\x02" + b"".join(group(*fields, separator=" ") for fields in groups) + b"\x03"


def standard(
    serial: str, stamp: str, off_peak_wh: int, peak_wh: int, volt_amperes: int, load: tuple[str, int]
) -> bytes:
    """Encode a frame of a single-phase Linky; `stamp` and the load curve's are as the meter writes them."""
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


def pme_pmi(serial: str, now: time.struct_time, span: time.struct_time, peak_kwh: int, kilowatts: int) -> bytes:
    """Encode a frame of a PME-PMI of 2013; `span` is the end of the last ten minutes. An empty `serial`: an older
    one."""
    date, ten = time.strftime("%d/%m/%y %H:%M:%S", now), time.strftime("%d/%m/%y %H:%M:%S", span)
    groups = [
        *([("ADS", serial)] if serial else []), ("MESURES1", "BT 4 SUP36"), ("DATE", date), ("EA_s", "72Wh"),
        ("ER+_s", "12varh"), ("ER-_s", "0varh"), ("EAPP_s", "74VAh"), ("EA_i", "0Wh"), ("PTCOUR1", "HPE"),
        ("TARIFDYN", "INACTIF"), ("ETATDYN1", "000"), ("MODE", "CONSO"), ("CONFIG", "CONSO"), ("DATEPA1", ten),
        ("PA1_s", f"{kilowatts}kW"), ("PA1_i", "0kW"), ("DebP", "01/01/26 02:50:00"), ("EAP_s", f"{peak_kwh}kWh"),
        ("EAP_i", "0kWh"), ("ER+P_s", "2345kvarh"), ("ER-P_s", "17kvarh"), ("EaP-1_s", "9256kWh"), ("PS", "120kVA"),
        ("PREAVIS", ""), ("PA1MN", f"{kilowatts}kW"), ("PMAX_s", "88kVA"), ("TGPHI_s", "-2.83"),
    ]  # fmt: skip
    return b"\x02" + b"".join(group(*fields, separator=" ") for fields in groups) + b"\x03"


def ice(now: time.struct_time, span: time.struct_time, peak_kwh: int, kilowatts: int) -> bytes:
    """Encode a frame of an Emeraude: no address, all tariff posts of the period."""
    date, ten = time.strftime("%d/%m/%y %H:%M:%S", now), time.strftime("%d/%m/%y %H:%M:%S", span)
    posts = {"P": 1200, "HPH": 45_000, "HCH": 21_000, "HPE": peak_kwh, "HCE": 9_000}
    groups = [
        ("CONTRAT", "TV A5 BASE"), ("DATECOUR", date), ("EA", "00072Wh"), ("ERP", "00012varh"), ("PTCOUR", "HPE"),
        ("PREAVIS", ""), ("DATEPA1", ten), ("PA1", f"{kilowatts}kW"), ("KDC", "100%"), ("TGPHI", "00.31"),
        ("DEBUTp", "01/01/26 02:50:00"), ("DATEEAp", date), *((f"EAp{p}", f"{n:07}kWh") for p, n in posts.items()),
        *((f"ERPp{p}", f"{n // 3:07}kvarh") for p, n in posts.items()), ("EAp1HPE", "0008123kWh"),
        *((f"PS{p}", f"{250 + n}kW") for n, p in enumerate(posts)), ("MODE", "CONTROLE"), ("PA1MN", f"{kilowatts}kW"),
        ("PREA1MN", "-4kvar"), ("U10MN", "231V"),
    ]  # fmt: skip
    return b"\x02" + b"".join(group(*fields, separator=" ") for fields in groups) + b"\x03"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="ilot sim linky", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--mode", choices=["historic", "standard", "pme-pmi", "ice"], default="standard")
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
        now = time.gmtime(time.time() + 3600)  # winter time all year round: the stamp contains the season
        half_hour = time.gmtime((time.time() + 3600) // 1800 * 1800)
        span = time.gmtime((time.time() + 3600) // 600 * 600)
        if options.mode == "pme-pmi":
            frame = pme_pmi(options.serial, now, span, int(watt_hours / 1000), power // 10)
        elif options.mode == "ice":
            frame = ice(now, span, int(watt_hours / 1000), power // 10)
        elif options.mode == "historic":
            frame = historic(options.serial, 4_000_000, int(watt_hours), power)
        else:
            load = (time.strftime("H%y%m%d%H%M%S", half_hour), power)
            frame = standard(
                options.serial, time.strftime("H%y%m%d%H%M%S", now), 4_000_000, int(watt_hours), power, load
            )
        with contextlib.suppress(BlockingIOError):  # no reader: the line buffers nothing
            os.write(ours, frame)
        time.sleep(options.interval)


if __name__ == "__main__":
    main()
