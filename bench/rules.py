"""What rules cost on the straight path: CPU microseconds a reading, least of several turns.

    python bench/rules.py [--devices N] [--rules N] [--turns N]

The pipeline is the hub's own with its whole gate (rates, signals, decisions); the buffer takes rows and drops them.
`no rule` has no Rules at all, `not looked at` has N rules of other metrics, `watched` has N threshold rules of which
every reading meets the one of its zone, `silence` one rule that watches all devices for silence. `privacy` has N
privacy rules of which one fits each report, `all` has these and the rules of `watched`, `coarser` rounds a value and
puts the time back, `window` feeds one reading into an hourly mean.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measure import figure

from hub.automation.rules import Rules, Surroundings, compile_rules
from hub.config.model import Core
from hub.core.clock import SystemClock
from hub.core.counters import Counts
from hub.core.metric_catalogue import METRICS
from hub.core.model import Device, Place, Report, Signal, Value
from hub.core.security_events import Events
from hub.history.latest import LatestValues
from hub.pipeline.admission.decisions import Decisions
from hub.pipeline.admission.guard import Guard, Options
from hub.pipeline.admission.quarantine import Quarantine
from hub.pipeline.admission.replay import ReplayWindows
from hub.pipeline.admission.strangers import Strangers
from hub.pipeline.pipeline import Pipeline
from hub.pipeline.plan import Planner
from hub.privacy.rules_engine import Privacy, Windows, compile_privacy

READINGS = 4


class Nowhere:
    full = False

    def append(self, row: Any) -> None: ...


def path(
    devices: int, rules: dict[str, Any] | None, privacy: dict[str, Any] | None = None
) -> tuple[Pipeline, list[Report]]:
    known = {f"x:{n}": Device(id=f"x:{n}", integration="x", place=f"p{n}") for n in range(devices)}
    places = {f"p{n}": Place(id=f"p{n}", site="s", zone=f"z{n % 100}") for n in range(devices)}
    clock, live = SystemClock(), LatestValues()
    replay = ReplayWindows({}, lambda key, value: None)
    zones = {f"z{n}": {"site": "s"} for n in range(100)}
    written = Core.model_validate({"sites": {"s": {}}, "zones": zones, "privacy": {"rules": privacy or {}}})
    windows = Windows(clock.now, lambda event, subject, n: None)
    protect = Privacy(rules=compile_privacy(written), windows=windows)
    planner = Planner(
        metrics=METRICS, place=places.get, privacy=protect, live=live, replay=replay, protected=lambda name: True
    )
    if rules is not None:
        core = Core.model_validate({"sites": {"s": {}}, "zones": zones, "rules": rules})
        planner.use_rules(
            Rules(
                compile_rules(core),
                Surroundings(place=places.get, devices=known.values, period=lambda device: None),
                may_keep=planner.may_keep,
                now=clock.now,
                monotonic=clock.monotonic,
                fired=lambda fired: None,
            )
        )
    buffer: Any = Nowhere()
    counts = Counts()
    pipeline = Pipeline(
        strangers=Strangers(
            device=known.get,
            quarantine=Quarantine(),
            now=clock.now,
            count=counts.add,
            decisions=Decisions(),
            events=Events(clock.now, clock.monotonic),
        ),
        planner=planner,
        replay=replay,
        buffer=buffer,
        clock=clock,
        counts=counts,
        guard=Guard(
            Options(most_per_minute=60_000),
            tell=lambda *event: None,
            monotonic=clock.monotonic,
            remembered={},
            remember=lambda key, value: None,
        ),
    )
    values: dict[str, Value] = {"temperature": 21.5, "humidity": 40.0, "battery": 90, "pressure": 1013.2}
    signal = Signal(rssi=-70, source="hall")
    return pipeline, [Report(device=name, values=values, signal=signal) for name in known]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--rules", type=int, default=100)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--reports", type=int, default=20_000)
    options = parser.parse_args()
    many = range(options.rules)
    kinds: dict[str, dict[str, Any] | None] = {
        "no rule": None,
        "not looked at": {f"r{n}": {"metric": "flow_temperature", "above": 90} for n in many},
        "watched": {f"r{n}": {"metric": "temperature", "zones": [f"z{n % 100}"], "above": 90} for n in many},
        "silence": {"silent": {"silent": "1h"}},
    }
    paths = {name: path(options.devices, rules) for name, rules in kinds.items()}
    beside = {"metrics": ["flow_temperature"], "drop": True}
    private: dict[str, dict[str, Any]] = {
        "privacy": {f"r{n}": {"zones": [f"z{n % 100}"], **beside} for n in many},
        "coarser": {"a": {"metrics": ["temperature"], "coarsen": {"step": 0.5, "time": "15min"}}},
        "window": {"a": {"metrics": ["temperature"], "purpose": "x", "aggregate": {}}},
    }
    paths |= {name: path(options.devices, None, rules) for name, rules in private.items()}
    paths["all"] = path(options.devices, kinds["watched"], private["privacy"])
    best = dict.fromkeys(paths, float("inf"))
    gc.freeze()
    for _ in range(options.turns):
        for name, (pipeline, reports) in paths.items():
            began = time.process_time()
            for at in range(options.reports):
                pipeline.accept("x", reports[at % len(reports)])
            used = (time.process_time() - began) / options.reports / READINGS * 1e6
            best[name] = min(best[name], used)
    figure("straight path without rules", best["no rule"], "us/reading", f"{options.devices} devices")
    figure("readings no rule looks at, added", best["not looked at"] - best["no rule"], "us/reading", "gate 0.5")
    figure(f"{options.rules} rules, each report meets one, added", best["watched"] - best["no rule"], "us/reading")
    figure("every device watched for silence, added", best["silence"] - best["no rule"], "us/reading")
    figure(
        f"{options.rules} privacy rules that touch no reading, added", best["privacy"] - best["no rule"], "us/reading"
    )
    figure("a coarser value and time in each report, added", best["coarser"] - best["no rule"], "us/reading")
    figure("one reading of each report into a window, added", best["window"] - best["no rule"], "us/reading")
    figure(
        f"admission, {options.rules} privacy rules and {options.rules} rules",
        best["all"],
        "us/reading",
        "gate 1.5; the straight path included",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
