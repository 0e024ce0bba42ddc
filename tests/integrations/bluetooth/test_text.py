"""Sentences of received texts: cleaned, and joined where there are several."""

from __future__ import annotations

from hub.sdk.phrases import Phrase, phrase
from integrations.bluetooth.text import cleaned, together


def test_a_cleaned_phrase_keeps_its_code_and_has_no_control_left_in_its_parameters() -> None:
    parser = phrase("bluetooth.parser-not-imported", "{parser} cannot be imported: {reason}", parser="x", reason="a\nb")
    said = cleaned(phrase("bluetooth.parsers-broken", "no parser can be used: {reasons}", reasons=[parser, "\u202ec"]))
    assert isinstance(said, Phrase)
    assert said == "no parser can be used: x cannot be imported: a\ufffdb, \ufffdc"
    inner, plain = said.params["reasons"]
    assert (said.code, inner.code) == ("bluetooth.parsers-broken", "bluetooth.parser-not-imported")
    assert (inner.params["reason"], plain) == ("a\ufffdb", "\ufffdc")
    assert cleaned("a\tb") == "a\ufffdb"


def test_several_reasons_are_one_phrase_and_one_stays_itself() -> None:
    first, second = phrase("bluetooth.no-adapter", "no Bluetooth adapter is plugged in"), "away"
    assert together([first]) is first
    assert together([first, second]) == "no Bluetooth adapter is plugged in; away"
    assert together([]) == ""
