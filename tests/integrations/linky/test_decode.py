"""Groups that real meters sent, to readings; and whatever else a line may carry."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

import hub
import integrations.linky
from integrations.linky import Config, DeviceSettings, sim
from integrations.linky.decode import METRICS, decode
from integrations.linky.frames import MAX_FRAME, Frame, Framer, read_frame, read_group
from integrations.linky.industrial import POSTS
from integrations.linky.stamps import read_stamp

HERE = Path(integrations.linky.__file__).parent
EXAMPLES = YAML(typ="safe").load((HERE / "examples.yaml").read_text())
PARIS = ZoneInfo("Europe/Paris")
KNOWN = {metric.key: metric for metric in METRICS} | hub.METRICS


def framed(groups: list[str]) -> bytes:
    return b"\x02" + b"".join(f"\n{group}\r".encode() for group in groups) + b"\x03"


def only(data: bytes) -> Frame:
    (frame,) = Framer().feed(data)
    return frame


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_each_example_reads_as_it_says(example: dict[str, Any]) -> None:
    frame = only(framed(example["groups"]))
    assert frame.bad == ()
    if "error" in example:
        with pytest.raises(hub.DecodeError) as caught:
            decode(frame, PARIS)
        assert caught.value.reason == example["error"]
        return
    meter = decode(frame, PARIS)
    assert meter.values == pytest.approx(example["readings"])
    assert {key: type(value) for key, value in meter.values.items()} == {
        key: type(value) for key, value in example["readings"].items()
    }
    assert meter.model == example["model"]
    assert meter.unknown == ()
    told = [(stamp.time, stamp.degraded, moment) for stamp, moment in meter.dated]
    expected = [(datetime.fromisoformat(m["at"]).timestamp(), False, m["readings"]) for m in example.get("dated", [])]
    assert told == expected
    if "clock" in example:
        assert meter.clock is not None
        assert meter.clock.time == datetime.fromisoformat(example["clock"]).timestamp()


def test_every_reading_has_a_metric_and_stands_in_the_readme() -> None:
    text = (HERE / "README.md").read_text()
    shown = {metric for example in EXAMPLES for metric in example.get("readings", {})}
    assert shown <= KNOWN.keys()
    strict = {metric.key for metric in METRICS if metric.privacy == "personal"}  # at home, what others may show
    assert {metric.key for metric in METRICS} & hub.METRICS.keys() <= strict
    for metric in shown:
        family = metric.rstrip("0123456789").rstrip("_q")
        of_post = metric.rpartition("_")[2] in POSTS and f"`{metric.rpartition('_')[0]}_hph`" in text
        assert f"`{metric}`" in text or f"`{family}_" in text or of_post, metric


def test_the_yaml_of_the_readme_is_a_valid_configuration() -> None:
    text = (HERE / "README.md").read_text()
    block = YAML(typ="safe").load(text.split("```yaml\n")[1].split("```")[0])
    Config.model_validate(block["integrations"]["linky"])
    DeviceSettings.model_validate(block["devices"]["linky:tgbt"]["settings"])
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Devices", "## Configuration", "## Readings", "## Limits",
    ]  # fmt: skip


@pytest.mark.parametrize("at", range(4))
def test_one_changed_character_is_seen(at: int) -> None:
    raw = bytearray(b"BASE 002809718 .")
    raw[5 + at] ^= 0x01
    with pytest.raises(hub.DecodeError, match="checksum"):
        read_group(bytes(raw))


def test_the_checksum_of_a_standard_group_counts_its_separator_and_that_of_a_historic_one_may() -> None:
    for separator in ("\t", " "):
        body = f"EAST{separator}000000100{separator}".encode()
        with_it, without = (body + bytes([(sum(part) & 0x3F) + 0x20]) for part in (body, body[:-1]))
        assert read_group(with_it)[1].data == "000000100"
        if separator == " ":
            assert read_group(without)[0] == "historic"
        else:
            with pytest.raises(hub.DecodeError, match="checksum"):
                read_group(without)


def test_a_bad_group_is_counted_and_the_others_are_read() -> None:
    frame = only(framed(["ADCO 123456789012 G", "BASE 002809719 .", "no", "PAPP 00390 -"]))
    assert [group.label for group in frame.groups] == ["ADCO", "PAPP"]
    assert frame.bad == ("tic-checksum", "tic-group")


def test_a_frame_that_is_interrupted_or_too_long_is_dropped_and_the_next_one_read() -> None:
    good = framed(["ADCO 123456789012 G", "PAPP 00390 -"])
    framer = Framer()
    assert list(framer.feed(good[:20] + b"\x04" + good)) == [only(good)]
    assert list(framer.feed(b"\x02" + b"x" * (MAX_FRAME + 5) + good[1:] + good)) == [only(good)]
    assert list(framer.feed(good[10:] + good)) == [only(good)], "a frame that was entered in its middle"


def test_parity_on_the_eighth_bit_does_not_matter() -> None:
    good = framed(["ADCO 123456789012 G", "PAPP 00390 -"])
    even = bytes(byte | 0x80 if bin(byte).count("1") % 2 else byte for byte in good)
    assert even != good
    assert only(even) == only(good)


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("H261025023000", "Europe/Paris", "2026-10-25T01:30:00+00:00"),
        ("E261025023000", "Europe/Paris", "2026-10-25T00:30:00+00:00"),
        (" 260701120000", "Europe/Paris", "2026-07-01T10:00:00+00:00"),
        ("H260701120000", "Indian/Reunion", "2026-07-01T08:00:00+00:00"),
    ],
)
def test_the_hour_that_comes_twice_is_told_by_the_season(text: str, zone: str, utc: str) -> None:
    assert read_stamp(text, ZoneInfo(zone)) == (datetime.fromisoformat(utc).timestamp(), False)


def test_a_small_letter_is_a_degraded_clock_and_no_date_is_an_error() -> None:
    assert read_stamp("h261025023000", PARIS).degraded
    for bad in ("X261025023000", "H261325023000", "H2610250230", "", "H26102502300٣"):
        with pytest.raises(hub.DecodeError) as caught:
            read_stamp(bad, PARIS)
        assert caught.value.reason == "tic-stamp"


def test_the_simulator_and_the_decoder_agree_though_they_share_nothing() -> None:
    frame = only(sim.standard("021875123456", "H260115120000", 4_000_000, 8_345_678, 980, ("H260115113000", 870)))
    meter = decode(frame, PARIS)
    assert (meter.unknown, meter.serial) == ((), "021875123456")
    assert meter.values["energy"] == 12345.678
    assert meter.dated[1] == (
        (datetime.fromisoformat("2026-01-15T11:30:00+01:00").timestamp(), False),
        {"load_mean": 870},
    )
    frame = only(sim.historic("021875123456", 4_000_000, 8_345_678, 980))
    assert decode(frame, PARIS).values["energy"] == 12345.678


_LABELS = ["ADCO", "ADSC", "DATE", "EAST", "STGE", "CCASN", "BASE", "OPTARIF", "HCHC", "PTEC", "URMS1", "XYZ"]
_GROUPS = st.lists(
    st.builds(
        lambda label, fields, separator: sim.group(label, *fields, separator=separator)[1:-1].decode(),
        st.sampled_from(_LABELS),
        st.lists(st.text("0123456789ABCDEFHEhe .+-", max_size=14), min_size=1, max_size=3),
        st.sampled_from(["\t", " "]),
    ),
    max_size=8,
)


@settings.get_profile("hostile")
@given(st.binary(max_size=300) | _GROUPS.map(lambda groups: framed(["ADCO 123456789012 G", *groups])[1:-1]))
def test_whatever_comes_gives_finite_readings_in_bounds_or_a_decode_error(body: bytes) -> None:
    frame = read_frame(body)
    if frame is None:
        return
    try:
        meter = decode(frame, PARIS)
    except hub.DecodeError:
        return
    for readings in (meter.values, *(moment for _, moment in meter.dated)):
        for key, value in readings.items():
            assert key in KNOWN
            if isinstance(value, float | int):
                assert math.isfinite(value)
                assert value >= 0
            else:
                assert len(value) <= 32
                assert value.isprintable()
