"""The forwarder's log → the fault that it means. Pure.

The lines are those of LoRa Basics Station 2.0.6 (lorabasics/basicstation@ba4f85d8: src/log.c, sx130xconf.c, ral_lgw.c,
s2e.c, tc.c, net.c, timesync.c, src-linux/sys_linux.c) and of Semtech's library as it patches it
(deps/lgw1302/V2.1.0-corecell.patch). A line looks like `2026-11-30 08:00:00.123 [RAL:ERRO] Concentrator start failed:
lgw_start`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

LONGEST = 1000
LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?) \[(.{3}):([A-Z]{4})\] (.*)")

CHIP_ZERO = "chip-zero"
CHIP_WRONG = "chip-wrong"
IN_USE = "in-use"
DENIED = "denied"
NO_DEVICE = "no-device"
NO_SENSOR = "no-sensor"
NO_I2C = "no-i2c"
NOT_OPENED = "not-opened"
START_FAILED = "start-failed"
NOT_LISTED = "not-listed"
WRONG_TOKEN = "wrong-token"  # noqa: S105 - the name of a fault
NOT_LISTENING = "not-listening"
CERTIFICATE = "certificate"
REGION = "region"
CLOCK = "clock"
NO_PPS = "no-pps"
TX_REFUSED = "tx-refused"
DUTY_CYCLE = "duty-cycle"

_SIGNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (CHIP_ZERO, re.compile(r"chip version is 0x(?:00|FF) |NOT EXPECTED CHIP VERSION \(v(?:0|255)\)")),
    (CHIP_WRONG, re.compile(r"NOT EXPECTED CHIP VERSION")),
    (IN_USE, re.compile(r"Radio device '.*' in use by process: (?P<detail>\d+)")),
    (NO_I2C, re.compile(r"failed to open I2C for temperature sensor")),
    (NO_SENSOR, re.compile(r"no temperature sensor found\.")),
    (DENIED, re.compile(r"Permission denied")),
    (NO_DEVICE, re.compile(r"No such file or directory")),
    (NOT_LISTED, re.compile(r"Infos error: (?P<detail>.*)")),
    (WRONG_TOKEN, re.compile(r"WS upgrade failed with HTTP status code: (?P<detail>401|403)")),
    (CERTIFICATE, re.compile(r"TLS server certificate verification failed: (?P<detail>.*)")),
    (NOT_LISTENING, re.compile(r"WS connect failed: (?P<detail>.*)|TC connect failed")),
    (REGION, re.compile(r"Unrecognized region: (?P<detail>\S+)")),
    (CLOCK, re.compile(r"trigger count not ticking|Repeated excessive clock drifts|time sync problems")),
    (NO_PPS, re.compile(r"No PPS pulse for ~(?P<detail>\d+) secs")),
    (
        TX_REFUSED,
        re.compile(r"lgw_send failed|radio layer failed to TX|radio is not emitting frame|unable to place frame"),
    ),
    (DUTY_CYCLE, re.compile(r"no DC in (?:band|channel)")),
    (NOT_OPENED, re.compile(r"CONNECTING CONCENTRATOR FAILED")),
    (
        START_FAILED,
        re.compile(r"Concentrator start failed: (?P<detail>.*)|ral_config failed with status (?P<status>\S+)"),
    ),
)
_STARTED = re.compile(r"Concentrator started")
_CONFIGURED = re.compile(r"Configuring for region: (\S+)")
_RECEIVED = re.compile(r"RX \d+(?:\.\d+)?MHz DR\d+")
_EUI = re.compile(r"Station EUI : (\S+)")

AFTER_START = frozenset({TX_REFUSED, DUTY_CYCLE, CLOCK, NO_PPS})
"""Faults that do not end with a later start of the concentrator."""


class Story(NamedTuple):
    """What a log tells since the forwarder's last start. `faults`: kind → detail, the gravest first; `counts`: how
    often; `received`: frames."""

    faults: dict[str, str]
    counts: dict[str, int]
    started: bool = False
    region: str = ""
    received: int = 0
    last: str = ""


def read(lines: Iterable[str]) -> Story:
    """Read a log. Lines of another form are passed over."""
    faults: dict[str, str] = {}
    counts: dict[str, int] = {}
    started, region, received, last = False, "", 0, ""
    for line in lines:
        found = LINE.fullmatch(line[:LONGEST].rstrip("\r\n"))
        if found is None:
            continue
        last, text = found[1], found[4]
        if _EUI.search(text):  # a new process: what was before is history
            faults, counts, started, region, received = {}, {}, False, "", 0
        elif _STARTED.search(text):
            started = True
            faults = {kind: detail for kind, detail in faults.items() if kind in AFTER_START}
        elif said := _CONFIGURED.search(text):
            region = said[1]
            for kind in (NOT_LISTED, WRONG_TOKEN, NOT_LISTENING, CERTIFICATE):
                faults.pop(kind, None)
        elif _RECEIVED.match(text):
            received += 1
        else:
            _judge(text, faults, counts)
    order = {kind: n for n, (kind, _) in enumerate(_SIGNS)}
    return Story(dict(sorted(faults.items(), key=lambda one: order[one[0]])), counts, started, region, received, last)


def _judge(text: str, faults: dict[str, str], counts: dict[str, int]) -> None:
    for kind, sign in _SIGNS:
        if found := sign.search(text):
            said = found.groupdict()
            faults[kind] = (said.get("detail") or said.get("status") or "").strip()[:200]
            counts[kind] = counts.get(kind, 0) + 1
            return
