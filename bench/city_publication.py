"""Attacks the open data of a town of 500 flats and 60 shops. `python bench/city_publication.py [--days 90]`

An attacker keeps every published value of presence and energy, in all releases, corrections and partitions that the
desk lets through, and takes every linear combination: `tests/backend/city/publication/attack.py` says how. Figures:
cells below the threshold that follow from what was published (the goal is none), and the same of three broken twins,
which the attack must catch: without secondary suppression, without the ledger, without the rule of one partition.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from unittest import mock

from measure import figure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from backend.city.publication import desk, disclosure
from tests.backend.city.publication.attack import Outcome, attack, opened

TWINS = {
    "without secondary suppression": (disclosure, "complement", lambda states, told, fixed, rules: frozenset()),
    "without the ledger": (disclosure, "accepted", lambda former, area, new, rules: dict(new)),
    "with two partitions": (desk, "refuse_claimed", lambda t, line: None),
}


@contextmanager
def broken(name: str) -> Iterator[None]:
    module, function, instead = TWINS[name]
    with mock.patch.object(module, function, instead):
        yield


def run(days: int, flats: int) -> Outcome:
    with tempfile.TemporaryDirectory() as folder, closing(opened(Path(folder))) as database:
        return attack(database, days=days, flats=flats)


def main(days: int, flats: int) -> None:
    began = time.perf_counter()
    true = run(days, flats)
    figure(f"{days} days, {flats} flats: cells recovered below the threshold", true.recovered, "cells")
    figure("values that were published", true.told, "")
    figure("masked cells", true.masked, "")
    figure("corrections of columns", true.corrections, "")
    figure("other partitions that the desk refused", true.refused, "of 5")
    figure("the town and its attacker took", time.perf_counter() - began, "s")
    for name in TWINS:
        with broken(name):
            figure(f"recovered {name}", run(days, flats).recovered, "cells", "a broken twin, which must be caught")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--flats", type=int, default=500)
    given = parser.parse_args()
    main(given.days, given.flats)
