"""The last log lines."""

from __future__ import annotations

import logging
import sys

from hub.core.logs import LONGEST, IndentingFormatter, Ring


def ring_of(*said: tuple[str, int, str]) -> Ring:
    ring = Ring(most=3)
    for name, level, text in said:
        ring.emit(logging.LogRecord(name, level, "", 0, text, (), None))
    return ring


def test_the_newest_comes_first_and_the_oldest_are_forgotten() -> None:
    ring = ring_of(*[("hub.link", logging.INFO, str(number)) for number in range(5)])
    assert [line.text for line in ring.last()] == ["4", "3", "2"]


def test_lines_are_asked_for_by_part_and_by_weight() -> None:
    ring = ring_of(("hub.mqtt", 30, "away"), ("hub.mqtt.http", 20, "x"), ("hub.mqtt_devices", 40, "refused"))
    assert [line.source for line in ring.last(source="mqtt")] == ["mqtt.http", "mqtt"]
    assert [line.text for line in ring.last(level="warning")] == ["refused", "away"]
    assert [line.text for line in ring.last(most=1)] == ["refused"]


def test_a_line_that_cannot_be_put_together_says_so_and_a_long_one_is_cut() -> None:
    ring = Ring()
    ring.emit(logging.LogRecord("hub", 20, "", 0, "%d", ("seven",), None))
    ring.emit(logging.LogRecord("hub", 20, "", 0, "x" * 10_000, (), None))
    long, odd = ring.last()
    assert odd.text == "a log line could not be written: TypeError"
    assert len(long.text) == LONGEST


FORGED = "no route\n12:00:00 INFO    hub: all is well\r\x1b[2J\u202e\u061ctxt"


def test_what_others_say_forges_no_line_and_moves_no_cursor() -> None:
    try:
        raise OSError(FORGED)
    except OSError:
        failed = logging.LogRecord("hub.opcua", 40, "", 0, "not ready: %s", (FORGED,), sys.exc_info())
    lines = IndentingFormatter("%(levelname)s %(name)s: %(message)s").format(failed).split("\n")
    assert lines[0] == "ERROR hub.opcua: not ready: no route"
    assert all(line.startswith("    ") for line in lines[1:])
    assert not [letter for letter in "".join(lines) if letter in "\r\x1b\u202e\u061c"]
    ring = Ring()
    ring.emit(failed)
    (line,) = ring.last()
    assert line.text.startswith(
        "not ready: no route 12:00:00 INFO    hub: all is well\ufffd\ufffd[2J\ufffd\ufffdtxt (OSError: "
    )
    assert line.text.isprintable()


def test_an_error_keeps_what_it_was_and_not_its_traceback() -> None:
    ring = Ring()
    log = logging.Logger("hub.modbus")
    log.addHandler(ring)
    try:
        raise OSError("no route")
    except OSError:
        log.exception("failed")
    (line,) = ring.last()
    assert (line.level, line.source, line.text) == ("error", "modbus", "failed (OSError: no route)")
