"""The auditor of a fleet: what it finds, and that it finds nothing where all is right."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from auditor import Audit
from fleet import TICK_MS, Block, Truth, value

BEGUN = 1_700_000_000_000
RUN = "ab" * 16
Reading = dict[str, Any]


def truth() -> Truth:
    """Two devices; 30 ticks in three records, the last of which was never acknowledged; a declared gap."""
    blocks = [Block(RUN, 1, 0, 10), Block(RUN, 2, 10, 20), Block(RUN, 3, 20, 20), Block(RUN, 4, 20, 30)]
    return Truth("hub-a", "plain", BEGUN, 2, blocks, {RUN: [(1, 3)]}, [(RUN, 8, 9), (RUN, 2, 2)])


class Kept:
    """A backend in memory, which `bent` may spoil."""

    def __init__(self, ticks: int, bent: Callable[[list[Reading]], None] = lambda readings: None) -> None:
        self.ticks, self.bent = ticks, bent
        self.declared: list[Mapping[str, Any]] = [{"run": RUN, "first": 2, "last": 2}]

    async def history(self, series: str) -> list[Mapping[str, Any]]:
        _, place, metric = series.split("/")
        device = int(place.removeprefix("place-"))
        column = ("temperature", "count").index(metric)
        found: list[Reading] = [
            {"time": BEGUN + tick * TICK_MS + device, "value": value(device, tick)[column]}
            for tick in range(self.ticks)
        ]
        if (device, metric) == (1, "count"):
            self.bent(found)
        return list(found)

    async def gaps(self, hub: str) -> list[Mapping[str, Any]]:
        return self.declared


def audit(kept: Kept) -> Audit:
    made = Audit(kept)
    asyncio.run(made.hub(truth()))
    return made


@pytest.mark.parametrize("ticks", [20, 25, 30])
def test_what_was_acknowledged_must_be_there_and_what_was_sealed_may(ticks: int) -> None:
    found = audit(Kept(ticks))
    assert found.findings == []
    assert (found.counts["due"], found.counts["readings"]) == (80, 4 * ticks)


@pytest.mark.parametrize(
    ("bent", "what"),
    [
        (lambda found: found.pop(7), "missing"),
        (lambda found: found.append(dict(found[7])), "doubled"),
        (lambda found: found.append(dict(found[25])), "doubled"),
        (lambda found: found[7].update(value=1), "altered"),
        (lambda found: found[7].update(time=found[7]["time"] + 3_600_000), "of nobody"),
        (lambda found: found[7].update(time=None), "of nobody"),
    ],
)
def test_one_reading_that_is_wrong_is_found(bent: Callable[[list[Reading]], None], what: str) -> None:
    found = audit(Kept(30, bent))
    assert found.counts[what] == 1, found.findings
    assert found.findings[0].partition(":")[2].strip().startswith("hub-a/place-1/count")


def test_a_gap_that_was_declared_and_is_not_told_is_found() -> None:
    kept = Kept(20)
    kept.declared = []
    assert audit(kept).counts["undeclared"] == 1
