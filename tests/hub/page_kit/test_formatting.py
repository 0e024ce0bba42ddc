"""Numbers, units and durations as people read them, in French and in English; and as the scripts of the pages write the
same ones."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub.page_kit
import hub.web
from hub.i18n.typography import unit_text
from hub.page_kit import formatting
from hub.page_kit.formatting import NARROW, minute_text, moment_text, value_text, with_unit, zone_text
from hub.web.words import word

STATIC = Path(hub.page_kit.__file__).parent / "static"
HUB_STATIC = Path(hub.web.__file__).parent / "static"
YES = ("non", "oui")


@pytest.mark.parametrize(
    ("value", "unit", "french", "english"),
    [
        (1013.38, "", "1 013,38", "1,013.38"),
        (1013.38, "hPa", "1 013,4", "1,013.4"),
        (45.8975, "%", "45,9", "45.9"),
        (0.25, "%", "0,25", "0.25"),
        (412.4, "[ppm]", "412", "412"),
        (20.0, "Cel", "20", "20"),
        (-0.0, "", "0", "0"),
        (-0.078, "", "-0,078", "-0.078"),
        (1234567.8, "kW.h", "1 234 568", "1,234,568"),
        (2, "", "2", "2"),
        (True, "", "oui", "oui"),
        (float("nan"), "", "nan", "nan"),
        ("open", "", "open", "open"),
    ],
)
def test_a_value_is_written_as_its_readers_write_it(value: object, unit: str, french: str, english: str) -> None:
    assert value_text(value, "fr", YES, unit) == french.replace(" ", NARROW)
    assert value_text(value, "en", YES, unit) == english


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_value_keeps_six_digits_and_never_a_digit_before_the_point_less(value: float) -> None:
    for lang, thousands, point in (("fr", NARROW, ","), ("en", ",", ".")):
        text = value_text(value, lang, YES)
        assert "e" not in text
        again = float(text.replace(thousands, "").replace(point, "."))
        assert abs(again - value) <= max(abs(value) * 1e-5, 1e-12)
        assert abs(value) < 1e6 or abs(again - value) <= 0.5


def test_no_line_ends_between_a_number_and_its_unit() -> None:
    assert with_unit("4", "") == "4"
    assert formatting.number(-0.04, 1, "fr") == "0,0"  # nothing is less than nothing
    assert formatting.number(-0.06, 1, "fr") == "-0,1"
    assert formatting.size_text(8014, "fr") == f"8,0{NARROW}ko"
    assert formatting.span_text(90_061, "fr") == f"1{NARROW}j\u00a01{NARROW}h"
    assert formatting.span_text(3_700, "en") == f"1{NARROW}h\u00a001{NARROW}min"
    assert [formatting.span_text(whole, "fr") for whole in (3_600, 172_800)] == [f"1{NARROW}h", f"2{NARROW}j"]
    assert formatting.duration_text("2d", "fr") == f"2{NARROW}j"
    assert [unit_text("MiBy", lang) for lang in ("fr", "en")] == ["Mio", "MiB"]
    assert [unit_text("d", lang) for lang in ("fr", "en")] == ["j", "d"]
    assert f"10{NARROW}Mo au plus" in word("pictures-full", "fr")
    assert f"10{NARROW}MB in all" in word("pictures-full", "en")
    assert f"retirées{NARROW};" in word("plan-help", "fr")


@pytest.mark.parametrize("script", [STATIC / "live.js", HUB_STATIC / "crisis.js"], ids=lambda path: path.name)
def test_the_scripts_write_durations_with_the_same_spaces(script: Path) -> None:
    body = re.search(r"const span = .*?\n  };", script.read_text(), re.DOTALL)
    assert body is not None
    assert body[0].count("\\u202f") >= 6
    assert not re.search(r"\} (?:h|min|s|\$)", body[0])


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("Europe/Paris", "UTC+2"),
        ("America/Cayenne", "UTC\u22123"),
        ("Pacific/Marquesas", "UTC\u22129:30"),
        ("UTC", "UTC"),
    ],
)
def test_a_page_says_whose_clock_it_shows(zone: str, said: str) -> None:
    assert zone_text(1_790_000_000.0, "fr", ZoneInfo(zone)) == f"Heures du site\u00a0: {zone} ({said})."
    assert zone_text(1_790_000_000.0, "en", ZoneInfo(zone)) == f"Times are the site's: {zone} ({said})."


def test_a_moment_in_the_hour_that_comes_twice_says_which_of_the_two() -> None:
    said = [moment_text(1_792_888_200 + n * 3600, "fr", ZoneInfo("Europe/Paris")) for n in range(-1, 3)]
    twice = "25/10/2026 02:30:00\u00a0UTC+"
    assert said == ["25/10/2026 01:30:00", f"{twice}2", f"{twice}1", "25/10/2026 03:30:00"]
    assert moment_text(1_792_888_200, "en", ZoneInfo("Europe/Paris")) == "2026-10-25 02:30:00\u00a0UTC+2"
    assert minute_text(1_792_888_200, "fr", ZoneInfo("Europe/Paris")) == "25/10/2026 02:30\u00a0UTC+2"
    assert minute_text(1_792_888_200 - 3600, "en", ZoneInfo("Europe/Paris")) == "2026-10-25 01:30"


@pytest.mark.real("processes")
@pytest.mark.parametrize("lang", ["fr", "en"])
def test_a_moment_that_comes_while_a_page_is_open_is_written_as_the_server_writes_it(lang: str) -> None:
    twice = {"Europe/Paris": 1_792_888_200, "America/Miquelon": 1_793_503_800, "Europe/London": 1_792_888_200}
    spring = {"Europe/Paris": 1_774_747_800, "Pacific/Noumea": 1_798_721_999, "America/Martinique": 1_798_775_999}
    asked = [
        (zone, moment + n * 3600 + 0.75)
        for where in (twice, spring)
        for zone, moment in where.items()
        for n in range(-2, 4)
    ]
    body = re.search(r"const moment = .*?\n  };", (STATIC / "live.js").read_text(), re.DOTALL)
    assert body is not None
    script = f"""const french = {json.dumps(lang == "fr")}, box = {{ dataset: {{}} }}; {body[0]}
        process.stdout.write(JSON.stringify(JSON.parse(process.argv[1]).map(
            ([zone, at]) => {{ box.dataset.zone = zone; return moment(at); }})));"""
    done = subprocess.run(["node", "-e", script, json.dumps(asked)], check=True, capture_output=True, timeout=60)
    said = [moment_text(moment, lang, ZoneInfo(zone)) for zone, moment in asked]
    assert json.loads(done.stdout) == said
    assert sum("UTC" in one for one in said) == 6  # two of each zone whose clocks go back
