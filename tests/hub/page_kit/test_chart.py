"""Where the chart of the pages puts the marks of its axis, and what it says of a moment, when the clocks change. The
script itself runs, in node; what it should find is reckoned with zoneinfo."""

from __future__ import annotations

import itertools
import json
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import hub.page_kit

pytestmark = pytest.mark.real("processes")

SCRIPT = Path(hub.page_kit.__file__).parent / "static" / "chart.js"
DRIVE = """
const fs = require("node:fs"), vm = require("node:vm");
let Chart;
const asked = JSON.parse(process.argv[2]);
vm.runInNewContext(fs.readFileSync(process.argv[1], "utf8"), {
  HTMLElement: class {}, customElements: { define: (name, made) => { Chart = made; } }, Date, Math, Number,
});
const chart = Object.assign(Object.create(Chart.prototype), { zone: asked.zone, french: true, dataset: {} });
process.stdout.write(JSON.stringify(chart[asked.call](...asked.given)));
"""


def run(call: str, zone: str, *given: Any) -> Any:
    asked = json.dumps({"call": call, "zone": zone, "given": given})
    done = subprocess.run(["node", "-e", DRIVE, str(SCRIPT), asked], check=True, capture_output=True, timeout=60)
    return json.loads(done.stdout)


def at(text: str, zone: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("zone", "begin", "end", "clocks"),
    [
        ("Europe/Paris", "2026-10-21 12:00", "2026-10-28 12:00", {"00:00"}),  # a week, back by an hour
        ("Europe/Paris", "2026-03-26 12:00", "2026-04-02 12:00", {"00:00"}),  # a week, on by an hour
        ("Europe/Paris", "2026-12-28 12:00", "2027-01-04 12:00", {"00:00"}),
        ("America/Miquelon", "2026-10-29 12:00", "2026-11-05 12:00", {"00:00"}),
        ("Pacific/Noumea", "2028-02-26 12:00", "2028-03-04 12:00", {"00:00"}),
        ("Europe/Paris", "2026-10-24 18:00", "2026-10-25 18:00", {"00:00", "06:00", "12:00"}),
        ("Europe/Paris", "2026-03-28 18:00", "2026-03-29 18:00", {"00:00", "06:00", "12:00"}),
    ],
)
def test_marks_are_round_hours_and_days_of_the_site_before_and_after_the_clocks_change(
    zone: str, begin: str, end: str, clocks: set[str]
) -> None:
    marks = run("marks", zone, at(begin, zone), at(end, zone), 800)
    local = [datetime.fromtimestamp(mark, ZoneInfo(zone)) for mark in marks]
    assert {f"{one:%H:%M}" for one in local} == clocks
    assert len({f"{one:%m-%d %H:%M}" for one in local}) == len(local) >= 3


@pytest.mark.parametrize("span", [("2026-03-28 23:30", "2026-03-29 05:30"), ("2026-10-24 23:30", "2026-10-25 03:30")])
def test_marks_of_hours_follow_one_another_hour_by_hour_through_the_change(span: tuple[str, str]) -> None:
    marks = run("marks", "Europe/Paris", *(at(one, "Europe/Paris") for one in span), 800)
    assert {b - a for a, b in itertools.pairwise(marks)} == {3600}


@pytest.mark.parametrize(
    ("moment", "zone", "said"),
    [
        (1_792_888_200, "Europe/Paris", "02:30\u00a0UTC+2"), (1_792_891_800, "Europe/Paris", "02:30\u00a0UTC+1"),
        (1_792_895_400, "Europe/Paris", "03:30"), (1_774_747_800, "Europe/Paris", "03:30"),
        (1_793_503_800, "America/Miquelon", "01:30\u00a0UTC\u22122"),
    ],
)  # fmt: skip
def test_a_point_in_the_hour_that_comes_twice_says_which_one(moment: int, zone: str, said: str) -> None:
    assert run("long", zone, moment).endswith(said)
