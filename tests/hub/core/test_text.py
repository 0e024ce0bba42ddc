"""Phrases: an English sentence with its code and parameters, and their way through JSON."""

from __future__ import annotations

import copy
import errno
import json
import pickle
import socket
from datetime import date
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import ConfigError, DecodeError, HubError, NotReady
from hub.core.text import Phrase, as_data, from_codes, from_data, phrase, plain, reason_of, system_error, with_codes

AWAY = phrase("device-away", "{device} is away", device="meter 1")


def test_a_phrase_is_its_english_sentence_and_knows_its_code_and_parameters() -> None:
    said = phrase(
        "answers-late", "{device} answered after {seconds:.1f} s, not {wanted!r}", device="a", seconds=2.25, wanted="b"
    )
    assert said == "a answered after 2.2 s, not 'b'"
    assert (said.code, said.params) == ("answers-late", {"device": "a", "seconds": 2.25, "wanted": "b"})


def test_a_count_chooses_singular_or_plural() -> None:
    said = [str(phrase("devices-left", "{count} [device|devices] left", count=count)) for count in (0, 1, 2)]
    assert said == ["0 devices left", "1 device left", "2 devices left"]


@pytest.mark.parametrize(
    ("text", "shown"), [("Bad value", "bad value"), ("CO2", "CO2"), ("UV index", "UV index"), ("É", "é"), ("", "")]
)
def test_a_text_in_a_sentence_can_begin_with_a_small_letter(text: str, shown: str) -> None:
    assert phrase("refused", "refused: {reason:l}", reason=text) == f"refused: {shown}"
    assert phrase("refused", "refused: {reason!r}", reason=phrase("bad", "Bad")) == "refused: 'Bad'"


def test_a_list_is_joined_and_what_is_no_json_is_kept_as_its_text() -> None:
    said = phrase("knows", "it knows {names}; see {page}", names=["a", "b"], page=ValueError("c"))
    assert said == "it knows a, b; see c"
    assert said.params == {"names": ("a", "b"), "page": "c"}


def test_a_parameter_that_is_missing_is_a_mistake_of_the_program() -> None:
    with pytest.raises(KeyError):
        phrase("device-away", "{device} is away")


def test_an_error_goes_on_with_its_code_and_prints_as_plain_text() -> None:
    error = NotReady(AWAY)
    assert reason_of(error) is AWAY
    assert type(str(error)) is str
    assert f"{error}" == "meter 1 is away"


def test_a_librarys_error_is_its_own_text() -> None:
    assert reason_of(LookupError("what a library says")) == "what a library says"
    assert not isinstance(reason_of(LookupError("what a library says")), Phrase)


def test_an_error_of_the_system_is_a_phrase_with_its_file() -> None:
    error = PermissionError(errno.EACCES, "Permission denied", "/etc/shadow")
    reason = reason_of(error)
    assert isinstance(reason, Phrase)
    assert reason == "Permission denied: /etc/shadow"
    alone = system_error(error)
    assert isinstance(alone, Phrase)
    assert (alone, alone.code) == ("Permission denied", "os-permission-denied")


def test_a_time_out_without_words_says_that_it_is_one() -> None:
    assert reason_of(TimeoutError()) == "timed out"


def test_json_carries_code_and_parameters_beside_the_sentence() -> None:
    status = with_codes({"problems": [AWAY, "plain"], "one": {"error": AWAY}, "n": [1, 2.5], "none": None})
    coded = {"code": "device-away", "params": {"device": "meter 1"}}
    assert status == {
        "problems": ["meter 1 is away", "plain"], "problems_texts": [coded, None],
        "one": {"error": "meter 1 is away", "error_text": coded}, "n": [1, 2.5], "none": None,
    }  # fmt: skip
    assert json.loads(json.dumps(status)) == status


def test_a_key_that_is_there_already_is_not_overwritten() -> None:
    assert with_codes({"alert": AWAY, "alert_text": "mine"}) == {"alert": "meter 1 is away", "alert_text": "mine"}


def test_another_process_reads_the_same_phrases() -> None:
    inner = phrase(
        "line-refused", "line {line} is refused since {day}: {reason}", line=3, day=date(2026, 11, 29), reason=AWAY
    )
    sent = json.loads(json.dumps(with_codes({"problems": [inner, "plain"], "error": AWAY, "n": 1})))
    read = from_codes(sent)
    assert read == {"problems": [str(inner), "plain"], "error": "meter 1 is away", "n": 1}
    assert read["error"].params == AWAY.params
    assert read["problems"][0].code == "line-refused"
    assert read["problems"][0].params["reason"].code == "device-away"
    assert with_codes(read) == with_codes({"problems": [inner, "plain"], "error": AWAY, "n": 1}) | {
        "problems_texts": [
            {
                "code": "line-refused",
                "params": {"line": 3, "day": "2026-11-29", "reason": {"text": "meter 1 is away", **coded()}},
            },
            None,
        ]
    }


def coded() -> dict[str, Any]:
    found = as_data(AWAY)
    assert found is not None
    return found


def test_a_phrase_that_was_stored_comes_back_and_what_is_damaged_is_the_plain_sentence() -> None:
    back = from_data("meter 1 is away", as_data(AWAY))
    assert isinstance(back, Phrase)
    assert (back, back.code, back.params) == (AWAY, AWAY.code, AWAY.params)
    for damaged in (None, 3, "x", {}, {"code": 1}, {"code": "a"}, {"code": "a", "params": 3}):
        assert type(from_data("meter 1 is away", damaged)) is str
    assert as_data("plain") is None


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_keeps_code_and_parameters(again: Any) -> None:
    one = again(AWAY)
    assert (one, one.code, one.params) == (AWAY, AWAY.code, AWAY.params)


def test_errors_keep_their_ways_of_speaking() -> None:
    assert str(DecodeError("truncated", phrase("ends-early", "{count} bytes", count=3))) == "truncated: 3 bytes"
    assert str(ConfigError(AWAY)) == "meter 1 is away"
    assert HubError(AWAY).args == (AWAY,)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda one: st.lists(one) | st.dictionaries(st.text(), one),
    max_leaves=20,
)


@given(JSON)
def test_data_without_phrases_stay_as_they_are(data: Any) -> None:
    assert with_codes(data) == data
    from_codes(data)  # whatever another process sends, it raises nothing


@given(st.dictionaries(st.sampled_from(["a", "a_text", "a_texts"]), JSON))
def test_what_claims_to_be_a_code_and_is_none_raises_nothing(data: dict[str, Any]) -> None:
    from_codes(data)


class _Name(NamedTuple):
    number: int
    run: str

    def __str__(self) -> str:
        return f"{self.number}-{self.run}"


def test_a_named_tuple_is_one_thing_and_no_list() -> None:
    assert phrase("left-alone", "{file} is left alone", file=_Name(7, "ab")) == "7-ab is left alone"


def test_a_frame_that_is_refused_keeps_slug_and_code() -> None:
    said = reason_of(DecodeError("truncated", phrase("body-cut-short", "a body ends early")))
    assert isinstance(said, Phrase)
    assert (said, said.params["slug"], said.params["reason"].code) == (
        "truncated: a body ends early", "truncated", "body-cut-short",
    )  # fmt: skip


def test_an_error_of_the_system_with_a_sentence_of_the_hub_keeps_that() -> None:
    own = phrase("leads-to-another-disk", "{path} leads to another disk", path="/x")
    assert reason_of(OSError(errno.ELOOP, own, "/x")) is own
    assert system_error(OSError(errno.ELOOP, own)) is own


def test_a_name_that_is_not_found_is_said_whatever_the_system_calls_it() -> None:
    said = system_error(socket.gaierror(-3, "Temporary failure in name resolution"))
    assert isinstance(said, Phrase)
    assert said.code == "os-name-not-known"


def test_what_is_written_to_a_file_is_the_sentence_and_other_objects_are_refused() -> None:
    body = msgspec.msgpack.encode({"why": phrase("gone", "{name} is gone", name="x")}, enc_hook=plain)
    assert msgspec.msgpack.decode(body) == {"why": "x is gone"}
    with pytest.raises(TypeError):
        msgspec.msgpack.encode({"why": object()}, enc_hook=plain)
