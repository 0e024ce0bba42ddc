"""Acme Room: what the device says becomes a report; anything else is refused by name."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import hub
import pytest
from hub.sdk.testing import FakeSession, Reply
from hypothesis import given
from hypothesis import strategies as st

from acme_room import Config, run
from acme_room.decode import LONGEST, decode
from acme_room.reasons import REASONS

URL = "http://192.0.2.50/"
CONFIG = Config.model_validate({"url": URL})


def test_it_reports_what_the_device_says() -> None:
    session = FakeSession("acme_room")
    session.http.replies["GET", URL] = Reply(200, {}, b'{"id": 42, "t": 215, "rh": 48}')
    asyncio.run(session.run(run, CONFIG))
    (report,) = session.reports
    assert report.device == "acme:42"
    assert report.values == {"temperature": 21.5, "humidity": 48}


def test_an_answer_that_is_none_is_counted_and_it_goes_on() -> None:
    session = FakeSession("acme_room")
    session.http.replies["GET", URL] = Reply(200, {}, b"<html>")
    asyncio.run(session.run(run, CONFIG))
    assert session.reports == []
    assert session.unworded(REASONS) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b" " * (LONGEST + 1), "answer-size"),
        (b"{", "answer-json"),
        (b"[" * LONGEST, "answer-json"),
        (b"[]", "answer-shape"),
        (b'{"id": 1, "t": true, "rh": 48}', "answer-shape"),
        (b'{"id": 1, "t": 100000, "rh": 48}', "answer-shape"),
        (b'{"id": 1, "t": 215}', "answer-shape"),
    ],
)
def test_what_is_wrong_has_a_reason_with_words(body: bytes, reason: str) -> None:
    with pytest.raises(hub.DecodeError) as refused:
        decode(body)
    assert refused.value.reason == reason
    assert reason in REASONS


NUMBER = rb"-?[0-9]{1,12}"
ANSWER = rb'\{"id": %b, "t": %b, "rh": %b\}' % (NUMBER, NUMBER, NUMBER)
ANSWERS = st.from_regex(ANSWER, fullmatch=True)


@given(st.one_of(st.binary(max_size=200), ANSWERS))
def test_whatever_comes_gives_a_finite_reading_or_a_decode_error(body: bytes) -> None:
    reason = ""
    values: Mapping[str, object] = {}
    try:
        values = decode(body).values
    except hub.DecodeError as error:
        reason = error.reason
    assert bool(values) != (reason in REASONS)
    assert all(isinstance(one, int | float) for one in values.values())
