"""Meters above 36 kVA: their groups to readings, and the whole integration on the line of one."""

from __future__ import annotations

import asyncio
import json
import math
import os
import time
import tty
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import hub
from hub.cli.decode import decode as decode_command
from hub.sdk.testing import FakeSession
from integrations.linky import Config, Latest, sim
from integrations.linky import line as line_module
from integrations.linky.decode import METRICS, decode
from integrations.linky.frames import Frame, Framer, groups_in, read_frame
from integrations.linky.industrial import NO_ADDRESS, POSTS

from .test_run import BUILDING, listen, meter

PARIS = ZoneInfo("Europe/Paris")
KNOWN = {metric.key: metric for metric in METRICS} | hub.METRICS
NOON = time.strptime("2026-01-15 12:03:20", "%Y-%m-%d %H:%M:%S")
SPAN = time.strptime("2026-01-15 12:00:00", "%Y-%m-%d %H:%M:%S")


def only(data: bytes) -> Frame:
    (frame,) = Framer().feed(data)
    return frame


def framed(*groups: str) -> Frame:
    return only(b"\x02" + b"".join(sim.group(*group.split(" ", 1), separator=" ") for group in groups) + b"\x03")


@pytest.mark.real("processes")
@pytest.mark.parametrize("mode", ["pme-pmi", "ice"])
async def test_a_meter_above_36_kva_is_found_and_read_without_any_setting(mode: str, tmp_path: Path) -> None:
    session = FakeSession("linky", devices=[BUILDING], metrics=METRICS)
    with meter(mode, tmp_path, "041436028024") as port:
        await listen(Config(port=port), session, lambda: len(session.reports) >= 2)
    report, load = session.reports[:2]
    assert report.values["energy_hpe"] > 12_000  # type: ignore[operator]
    assert report.values["tariff"] == "HPE"
    assert report.values["power_warning"] is False
    assert ("energy" in report.values) == (mode == "ice")
    assert set(load.values) == ({"load_mean", "load_mean_exported"} if mode == "pme-pmi" else {"load_mean"})
    assert load.time is not None
    assert load.time % 600 == 0
    assert session.drops == []
    assert session.declared[0][1] == {"pme-pmi": "Landis+Gyr PME-PMI", "ice": "ICE (Emeraude)"}[mode]
    assert "041436028024" not in json.dumps([str(item) for item in (session.reports, session.declared)])
    assert "041436028024" not in str(session.state)


def test_the_index_goes_to_the_post_in_force_and_to_no_other() -> None:
    for post in POSTS:
        meter_ = decode(framed("MESURES1 HTA 8", f"PTCOUR1 {post.upper()}", "EAP_s 12kWh", "ER-P_i 3kvarh"), PARIS)
        assert {key: value for key, value in meter_.values.items() if isinstance(value, float)} == {
            f"energy_{post}": 12.0,
            f"energy_reactive_q3_{post}": 3.0,
        }
    lost = decode(framed("MESURES1 HTA 8", "PTCOUR1 XXX", "EAP_s 12kWh"), PARIS)
    assert (lost.values, lost.unknown) == ({"tariff_option": "HTA 8", "tariff": "XXX"}, ("tic-tariff",))


@pytest.mark.parametrize(
    ("group", "readings", "reasons"),
    [
        ("PS 120kVA", {"power_subscribed": 120.0}, ()),
        ("PS 120kW", {"power_subscribed_active": 120.0}, ()),
        ("PS 120MW", {}, ("tic-unit",)),
        ("PMAX_i 7kW", {"power_peak_exported": 7.0}, ()),
        ("TGPHI_s 0,42", {"tangent_phi": 0.42}, ()),
        ("PA1MN -3kW", {}, ("tic-value",)),
        ("PA1MN three", {}, ("tic-value",)),
        ("EA_s 72Wh", {}, ()),
        ("TDYN1CD 01/02/26 00:00:00", {}, ()),
        ("NOUVEAU 1", {}, ("tic-label",)),
    ],
)
def test_units_decide_and_what_makes_no_sense_is_counted(
    group: str, readings: dict[str, float], reasons: tuple[str, ...]
) -> None:
    found = decode(framed("MESURES1 BT 5 SUP36", group), PARIS)
    assert (found.values, found.unknown) == ({"tariff_option": "BT 5 SUP36"} | readings, reasons)


def test_the_groups_of_a_pme_pmi_between_tabs_are_read_the_same() -> None:
    fields = [("ADS", "041436028024"), ("MESURES1", "BT 4 SUP36"), ("PTCOUR1", "HPE"), ("EAP_s", "9684kWh")]
    frame = only(b"\x02" + b"".join(sim.group(*pair, separator="\t") for pair in fields) + b"\x03")
    assert frame.mode == "standard"
    assert decode(frame, PARIS).values["energy_hpe"] == 9684.0


def test_a_frame_without_an_address_after_one_with_is_another_meter() -> None:
    session = FakeSession("linky", devices=[BUILDING], metrics=METRICS)
    latest = Latest(Config(port="/dev/null"), session)
    with_address = decode(only(sim.pme_pmi("041436028024", NOON, SPAN, 9684, 88)), PARIS)
    without = decode(only(sim.pme_pmi("", NOON, SPAN, 9684, 88)), PARIS)
    assert without.serial == NO_ADDRESS
    latest.take(with_address)
    for _ in range(2):
        latest.take(without)
    with pytest.raises(hub.AuthFailed, match="another meter"):
        latest.take(without)


async def test_the_last_six_spans_are_told_once_each_in_their_order() -> None:
    session = FakeSession("linky", devices=[BUILDING], metrics=METRICS)
    latest = Latest(Config(port="/dev/null", interval=timedelta(seconds=1)), session)
    spans = [f"DATEPA{n} 15/01/26 {10 - n // 6:02}:{(60 - 10 * n) % 60:02}:00" for n in range(1, 7)]
    groups = [text for n, span in enumerate(spans, 1) for text in (span, f"PA{n}_s {100 + n}kW")]
    found = decode(framed("MESURES1 BT 4 SUP36", *groups), PARIS)
    for _ in range(2):
        await latest._report(found, private=False)
    loads = [(report.time, report.values["load_mean"]) for report in session.reports if "load_mean" in report.values]
    assert len(loads) == 6
    assert loads == sorted(loads)


async def test_of_the_hour_that_comes_twice_each_span_of_either_is_told_once_with_its_own_time() -> None:
    session = FakeSession("linky", devices=[BUILDING], metrics=METRICS)
    latest = Latest(Config(port="/dev/null", interval=timedelta(seconds=1)), session)
    begin = int(datetime(2026, 10, 24, 23, 0, tzinfo=UTC).timestamp())  # 01:00 in Paris; until 04:00, four hours on
    for heard in range(begin + 3600, begin + 5 * 3600, 300):
        spans = [datetime.fromtimestamp(heard // 600 * 600 - 600 * n, PARIS) for n in range(6)]
        groups = [
            text
            for n, span in enumerate(spans, 1)
            for text in (f"DATEPA{n} {span:%d/%m/%y %H:%M:%S}", f"PA{n}_s {int(span.timestamp()) // 600 % 1000}kW")
        ]
        await latest._report(decode(framed("MESURES1 BT 4 SUP36", *groups), PARIS, heard + 7.0), private=False)
    told = [(one.time, one.values["load_mean"]) for one in session.reports if "load_mean" in one.values]
    assert [time for time, _ in told] == list(range(begin + 600, begin + 5 * 3600, 600))
    assert all(watt == time // 600 % 1000 * 1000 for time, watt in told), "the value of another moment"


async def test_a_long_frame_at_a_slow_speed_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its groups say that the speed is right long before its end comes."""
    monkeypatch.setattr(line_module, "DETECT_S", 4.0)
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    whole = sim.ice(NOON, SPAN, 12_000, 90)
    assert groups_in(whole[300:600]) >= line_module.PROMISING
    assert groups_in(bytes(byte ^ 0x15 for byte in whole)) == 0

    async def slow() -> None:
        assert len(whole) / 30 * 0.25 > line_module.DETECT_S
        data = whole[400:] + whole[:400]
        while True:  # as a meter does: the line may be opened late
            for at in range(0, len(data), 30):
                with suppress(BlockingIOError):
                    os.write(ours, data[at : at + 30])
                await asyncio.sleep(0.25)

    writing = asyncio.create_task(slow())
    try:
        heard = line_module.frames(os.ttyname(theirs), [9600, 1200], found := [])
        async with asyncio.timeout(60):
            frame = await anext(heard)
        await heard.aclose()
        assert found == [9600]
        assert decode(frame, PARIS).model == "ICE (Emeraude)"
    finally:
        writing.cancel()
        os.close(theirs)
        os.close(ours)


def test_the_command_shows_every_group_and_of_an_address_its_end() -> None:
    frame = sim.pme_pmi("041436028024", NOON, SPAN, 9684, 88)
    done = CliRunner().invoke(decode_command, ["linky", frame.hex()])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.exit_code, lines[0]["model"], lines[0]["meter"]) == (0, "Landis+Gyr PME-PMI", "028024")
    assert "041436" not in done.stdout
    assert {"group": "EAP_s", "data": "9684kWh"} in lines
    (readings,) = (line["readings"] for line in lines if "readings" in line and "at" not in line)
    assert readings["energy_hpe"] == 9684.0
    asked = json.dumps({"groups": ["MESURES1 BT 4 SUP36 @", "EA_s 72Wh @"]})
    done = CliRunner().invoke(decode_command, ["linky"], input=f"{asked}\n00\n")
    assert [json.loads(line).get("error", "") for line in done.stdout.splitlines()][-1] == "tic-frame"
    assert done.exit_code == 6


_LABELS = ["MESURES1", "CONTRAT", "DATECOUR", "PTCOUR", "PTCOUR1", "EAP_s", "ER+P_i", "EApHPH", "ERNpP", "PS", "PMAX_s",
    "PSHPH", "PA1", "PA1_s", "DATEPA1", "TGPHI", "PREAVIS", "DATE", "U10MN", "ADS", "X"]  # fmt: skip
_DATA = st.text("0123456789kWhvarVA/: .,-HPC", max_size=20) | st.sampled_from(["HPH", "15/01/26 10:00:00", "120kVA"])


@settings.get_profile("hostile")
@given(st.lists(st.tuples(st.sampled_from(_LABELS), _DATA), max_size=12), st.sampled_from("\t "))
def test_whatever_such_a_meter_says_gives_finite_readings_in_bounds(groups: list[tuple[str, str]], sep: str) -> None:
    body = b"".join(sim.group(*pair, separator=sep) for pair in [("MESURES1", "x"), *groups])
    frame = read_frame(body)
    assert frame is not None
    found = decode(frame, PARIS)
    for readings in (found.values, *(moment for _, moment in found.dated)):
        for key, value in readings.items():
            metric = KNOWN[key]
            if isinstance(value, float | int):
                assert math.isfinite(value)
                assert metric.low is None or value >= metric.low
                assert metric.high is None or value <= metric.high
            else:
                assert len(value) <= 32
