"""The last log lines."""

from __future__ import annotations

import logging
import sys

from hub.core.logs import LONGEST, IndentingFormatter, Ring
from hub.core.text import Phrase, phrase


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


def _record(said: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("hub.link", logging.INFO, "", 0, said, arguments, None)


def test_a_line_in_memory_keeps_its_code_and_the_error_at_its_end() -> None:
    ring = Ring()
    log = logging.Logger("hub.modbus")
    log.addHandler(ring)
    try:
        raise ConnectionRefusedError(111, "Connect call failed")
    except OSError:
        log.exception(phrase("gateway-silent", "{gateway} is silent", gateway="10.0.0.7"))
    (line,) = ring.last()
    assert isinstance(line.text, Phrase)
    assert line.text == "10.0.0.7 is silent (ConnectionRefusedError: Connection refused)"
    assert (line.text.code, line.text.params["line"].code) == ("log-line-with-error", "gateway-silent")
    assert line.text.params["reason"].code == "os-connection-refused"


def test_the_parameters_of_a_line_in_memory_are_tamed_and_bounded_too() -> None:
    ring = Ring()
    said = phrase(
        "said", "{name} says {words}: {reason}", name="x", words=[FORGED], reason=phrase("r", "{a}", a=FORGED)
    )
    ring.emit(_record(said))
    ring.emit(_record(phrase("long", "{text}", text="x" * 10_000)))
    long, forged = ring.last()
    assert isinstance(forged.text, Phrase)
    assert isinstance(long.text, Phrase)
    (words,) = forged.text.params["words"]
    for text in (forged.text, words, forged.text.params["reason"], forged.text.params["reason"].params["a"]):
        assert text.isprintable()
    assert len(long.text) == len(long.text.params["text"]) == LONGEST


def test_a_log_is_in_the_language_of_whoever_translates_and_forged_in_none() -> None:
    def upper(said: str) -> str:
        assert isinstance(said, Phrase)
        return f"{said.code}: {said.params['name']}"

    log = IndentingFormatter("%(name)s: %(message)s", None, upper)
    assert log.format(_record(phrase("gone", "{name} is gone", name="x"))) == "hub.link: gone: x"
    assert log.format(_record(phrase("odd", "100% of {name}", name="a\r\nb"))) == "hub.link: odd: a\ufffd\n    b"
    assert log.format(_record("%d readings", 5)) == "hub.link: 5 readings", "what is no phrase stays"
    plain = IndentingFormatter("%(name)s: %(message)s")
    assert plain.format(_record(phrase("odd", "100% of {name}", name="x"))) == "hub.link: 100% of x"
