"""Compares the hub's guesses of decoded values with a person's labels. `python bench/guesses.py LABELS.yaml … [--all]`

The labels are a mapping by codec, of decoded objects and of what their leaves are:

    acme-th:
      samples:
        - {battery: 3.6, temp: 21.5, temp_max: 23, light: 80}
      truth: {battery: battery_voltage, temp: temperature, light: ~illuminance}

A label is metric*scale+offset, `a|b` where either is right, and `~a` where a is right and none is right as well; a leaf
without a label is nothing that the hub has a metric for. Each third codec, by a hash of its name, is left out unless
`--all` is given: look at them last, and tune nothing on them. `right`: a reading without a person; `proposed`: right,
and waits for one; `wrong`: a reading that is not so, of all leaves. No labels come with the hub: codecs are their
makers'.
"""

from __future__ import annotations

import hashlib
import math
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from measure import figure

from hub.devices.codecs.guesses import Guess, guess
from hub.devices.codecs.mapping import leaves

_LABEL = re.compile(r"([a-z0-9_]+)(?:\*([0-9.]+))?([+-][0-9.]+)?")


def main(files: list[Path], *, everything: bool) -> None:
    counts: Counter[str] = Counter()
    for file in files:
        for name, codec in yaml.safe_load(file.read_text()).items():
            if everything or int(hashlib.sha256(name.encode()).hexdigest(), 16) % 3:
                judge(name, codec, counts)
    for what in ("right", "proposed", "missed"):
        figure(f"values that have a metric, {what}", 100 * counts[what] / max(1, counts["with a metric"]), "%")
    figure("leaves, wrong", 100 * counts["wrong"] / max(1, counts["leaves"]), "%")
    figure("leaves", counts["leaves"], "")
    figure("codecs", counts["codecs"], "")


def judge(name: str, codec: dict[str, Any], counts: Counter[str]) -> None:
    counts["codecs"] += 1
    for one in guess([leaves(sample) for sample in codec["samples"]]):
        label = codec["truth"].get(one.path, "")
        optional, hit = label.startswith("~"), any(agrees(one, part) for part in label.lstrip("~").split("|") if part)
        counts["leaves"] += 1
        counts["with a metric"] += bool(label) and not optional
        if one.confidence == "sure" and not hit:
            counts["wrong"] += 1
            print(f"# wrong: {name} {one.path} = {one.sample!r} is {label or 'none'}, not {one.key}")
        elif label and not optional:
            counts["missed" if not hit else "right" if one.confidence == "sure" else "proposed"] += 1


def agrees(one: Guess, label: str) -> bool:
    found = _LABEL.fullmatch(label)
    if found is None:
        raise SystemExit(f"{label!r} is no label")
    scale, offset = float(found[2] or 1), float(found[3] or 0)
    return one.metric == found[1] and math.isclose(one.scale, scale) and math.isclose(one.offset, offset, abs_tol=1e-6)


if __name__ == "__main__":
    named = [Path(argument) for argument in sys.argv[1:] if argument != "--all"]
    if not named:
        raise SystemExit(__doc__)
    main(named, everything="--all" in sys.argv)
