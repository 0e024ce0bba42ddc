"""A codec's answer to samples, by a pack; and values to a downlink."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import DecodeError
from hub.core.model import Sample
from hub.devices.codecs import Codecs
from hub.devices.packs.decoding import MAX_HISTORY, check_port, read_answer
from hub.devices.packs.downlinks import codec_input, parse_codec_answer
from hub.devices.packs.loader import Pack, read
from hub.devices.packs.vector_tests import run_vectors
from tests.hub.devices.packs.packs_kit import PACK, VECTORS

Make = Callable[..., Path]
Bench = tuple[Codecs, Callable[[Any], Any]]
FRAMED = PACK.replace("licence: Apache-2.0\n", "licence: Apache-2.0\ncodec: {message: kind, time: at, history: old}\n")


@pytest.fixture
def plain(made: Make) -> Pack:
    return read(made())


@pytest.fixture
def framed(made: Make) -> Pack:
    return read(made(pack_yaml=FRAMED.replace("data: {ports: [1]}", "data: {ports: [1]}\n  other: {}")))


def refused(pack: Pack, answer: dict[str, Any], port: int = 1) -> str:
    with pytest.raises(DecodeError) as caught:
        read_answer(pack, port, answer)
    return caught.value.reason


def test_fields_become_readings_and_the_rest_is_named(plain: Pack) -> None:
    reading = read_answer(plain, 1, {"data": {"t": 215, "t2": -10, "open": 0, "debug": {"n": 3}}})
    assert reading.message == "data"
    assert reading.samples == (Sample(values={"temperature": 21.5, "probe_2": -1.0, "door": False}),)
    assert reading.skipped == ()
    assert reading.unmapped == ("debug.n",)


@pytest.mark.parametrize(
    ("data", "skipped"),
    [
        ({"t": -999}, ()),  # the field says: no reading
        ({"t": 9000}, ("implausible",)),  # 900 °C: the catalogue's bound
        ({"t2": 901}, ("implausible",)),  # 90.1 °C: the pack's own
        ({"t": "x"}, ("codec-value",)),
        ({"t": 1e308, "t2": 1e300}, ("implausible", "implausible")),
        ({"open": 7}, ("codec-value",)),
        ({}, ()),
    ],
)
def test_what_is_no_reading_is_left_out_and_counted(
    plain: Pack, data: dict[str, Any], skipped: tuple[str, ...]
) -> None:
    reading = read_answer(plain, 1, {"data": data})
    assert reading.samples == (Sample(values={}),)
    assert reading.skipped == skipped


def test_what_a_pack_does_not_declare_is_not_decoded(plain: Pack, framed: Pack) -> None:
    assert refused(plain, {"data": {"t": 1}}, port=2) == "undeclared-port"
    with pytest.raises(DecodeError, match="undeclared-port"):
        check_port(plain, 2)
    assert refused(framed, {"data": {"kind": "stranger", "t": 1}}) == "undeclared-message"
    assert refused(framed, {"data": {"t": 1}}) == "undeclared-message"
    assert refused(framed, {"data": {"kind": "data", "t": 1}}, port=9) == "undeclared-port"
    assert read_answer(framed, 9, {"data": {"kind": "other", "t": 10}}).message == "other"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"errors": ["unknown frame"]}, "codec-refused"),
        ({"errors": "unknown frame", "data": {"t": 1}}, "codec-refused"),
        ({}, "codec-shape"),
        ({"data": None}, "codec-shape"),
        ({"data": [1]}, "codec-shape"),
        ({"data": {str(n): n for n in range(300)}}, "codec-shape"),
    ],
)
def test_what_a_codec_refuses_or_spoils_is_a_decode_error(plain: Pack, answer: dict[str, Any], reason: str) -> None:
    assert refused(plain, answer) == reason


def test_present_values_are_dated_as_the_device_says_and_former_ones_follow(framed: Pack) -> None:
    old = [{"ago": 600, "t": 100}, {"time": 1_700_000_000, "t": 110}, {"t": 120}, {"ago": 60, "open": 9}]
    answer = {"data": {"kind": "data", "t": 130, "at": 1_700_000_900, "old": old}}
    reading = read_answer(framed, 1, answer, received=1_700_001_000.0)
    assert reading.samples == (
        Sample(values={"temperature": 13.0}, time=1_700_000_900.0),
        Sample(values={"temperature": 10.0}, time=1_700_000_400.0),
        Sample(values={"temperature": 11.0}, time=1_700_000_000.0),
    )
    assert sorted(reading.skipped) == ["codec-value", "undated"]
    undated = read_answer(framed, 1, answer)
    assert len(undated.samples) == 2, "without the time of reception, only what bears its own date"


@pytest.mark.parametrize("old", [5, [5], [{}] * (MAX_HISTORY + 1), {"a": 1}])
def test_former_values_of_another_shape_are_refused(framed: Pack, old: Any) -> None:
    assert refused(framed, {"data": {"kind": "data", "old": old}}) == "codec-shape"


@pytest.mark.parametrize("time", [True, "now", -1, None, float("inf"), 10**400])
def test_a_date_that_is_none_leaves_the_values_undated(framed: Pack, time: Any) -> None:
    assert read_answer(framed, 1, {"data": {"kind": "data", "t": 1, "at": time}}).samples[0].time is None


def test_a_downlink_is_checked_against_its_bounds(plain: Pack) -> None:
    assert codec_input(plain, "period", {"minutes": 15.0}) == {"downlink": "period", "minutes": 15}
    for wrong in ({"minutes": 0}, {"minutes": 256}, {"minutes": 1.5}, {"minutes": True}, {}, {"minutes": 1, "x": 1},
                  {"minutes": float("nan")}):  # fmt: skip
        with pytest.raises(DecodeError, match="downlink-value"):
            codec_input(plain, "period", wrong)
    with pytest.raises(DecodeError, match=r"unknown-downlink: .*there are: period"):
        codec_input(plain, "reboot", {})


@pytest.mark.parametrize(
    "answer",
    [
        {"bytes": [256], "fPort": 1}, {"bytes": [-1], "fPort": 1}, {"bytes": [1.5], "fPort": 1}, {"bytes": "AA"},
        {"bytes": [1], "fPort": 0}, {"bytes": [1], "fPort": 224}, {"bytes": [1], "fPort": True}, {"bytes": [0] * 243},
        {}, {"errors": ["no"]},
    ],
)  # fmt: skip
def test_a_codec_that_encodes_nonsense_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        parse_codec_answer(answer)


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    ("vectors", "says"),
    [
        (
            VECTORS.replace("temperature: 21.5", "temperature: 21.4"),
            "readings.temperature is 21.5, not 21.4: read from t by pack.yaml:17",
        ),
        (
            VECTORS.replace(", door: true", ""),
            "readings.door is True, and is not expected: read from open by pack.yaml:19",
        ),
        (VECTORS.replace("door: true}", "door: true}\n  skipped: [implausible]"), "skipped has 0 entries, not 1"),
        (VECTORS.replace('"010f"', '"0110"'), "010f, not 0110"),
        (VECTORS.replace("port: 2", "port: 3"), "port 2, not 3"),
        (VECTORS.replace('"d7", refused', '"d705", refused'), "it is decoded, and should be refused"),
        (VECTORS.replace('"d70501"', '"d7"'), "codec-refused: too short"),
    ],
)
def test_a_vector_that_does_not_hold_is_caught(bench: Bench, made: Make, vectors: str, says: str) -> None:
    codecs, run = bench
    assert run(run_vectors(read(made()), codecs)).ok
    verdict = run(run_vectors(read(made(vectors_yaml=vectors)), codecs))
    assert not verdict.ok
    assert [outcome.wrong for outcome in verdict.outcomes if outcome.wrong] == [says]


@pytest.mark.real("processes")
def test_a_pack_that_leaves_something_untested_does_not_pass(bench: Bench, made: Make) -> None:
    codecs, run = bench
    pack = PACK.replace("data: {ports: [1]}", "data: {ports: [1, 3]}\n  alarm: {ports: [4]}").replace(
        "sources:", "  reboot: {fr: Redémarrer, en: Restart}\nsources:"
    )
    verdict = run(run_vectors(read(made(pack_yaml=pack)), codecs))
    leaf = run(run_vectors(read(made(pack_yaml=PACK.replace("ignore: [debug.*]\n", ""))), codecs))
    assert verdict.untested == (
        "message data on port 3 (pack.yaml:13)",
        "message alarm (pack.yaml:14)",
        "downlink reboot (pack.yaml:28)",
    )
    assert not verdict.ok
    assert [o.wrong for o in leaf.outcomes if o.wrong] == ["no field and no `ignore` names debug.n"]


@pytest.mark.real("processes")
def test_a_codec_that_fails_instead_of_refusing_does_not_pass(bench: Bench, made: Make) -> None:
    codecs, run = bench
    codec = "function decodeUplink(i) { if (i.bytes.length < 2) throw new Error('oops'); return { data: {} } }"
    verdict = run(run_vectors(read(made(codec_js=codec)), codecs))
    assert "it fails instead of refusing: codec-error: Error: oops (line 1 of codec.js)" in [
        o.wrong for o in verdict.outcomes
    ]


@pytest.mark.real("processes")
def test_a_codec_that_loops_is_not_asked_for_ever_and_one_that_talks_much_is_not_quoted_whole(
    bench: Bench, made: Make
) -> None:
    codecs, run = bench
    more = '- {source: manual, port: 1, bytes: "d7", refused: true}\n' * 20
    codec = "function decodeUplink(i) { if (i.bytes.length < 2) for (;;); return { data: { t: 'x'.repeat(200000) } } }"
    verdict = run(
        run_vectors(
            read(made(codec_js=codec, vectors_yaml=VECTORS.split("- source: manual\n  downlink")[0] + more)), codecs
        )
    )
    said = [outcome.wrong for outcome in verdict.outcomes]
    assert all(wrong.startswith("codec-time") for wrong in said[1:4])
    assert said[4:] == ["not tried: the codec loops or dies"] * 17
    assert max(map(len, said)) <= 401
    codec = "function decodeUplink(i) { return { errors: ['x'.repeat(200000)] } }"
    verdict = run(run_vectors(read(made(codec_js=codec)), codecs))
    assert max(len(outcome.wrong) for outcome in verdict.outcomes) <= 401
