"""Fits the baseline of a meter, and tells a verdict as plain data. Pure; the hub and a district's backend use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hub.energy.baseline import Baseline, Day
from hub.energy.drift import Limit, Verdict
from hub.energy.figures import day_name


def learn(days: Sequence[Day]) -> tuple[Baseline, Limit] | None:
    """Return baseline and threshold of a reference period; None where almost nothing was used. It takes a second or
    two of a processor."""
    from hub.energy.baseline_fit import fit
    from hub.energy.significance import limit_of

    baseline = fit(days)
    return (baseline, limit_of(baseline, days)) if baseline is not None else None


def state_json(verdict: Verdict, baseline: Baseline, limit: Limit, whole: bool, after: Sequence[Day]) -> dict[str, Any]:
    """Return a verdict on the days `after` the reference period, which is `whole` or not."""
    expected = sum(baseline.expected(day) for day in after[-30:])
    used = sum(day.used for day in after[-30:])
    return {
        "state": "drift" if verdict.drifting else "steady", "size": round(verdict.size, 4),
        "since": day_name(verdict.since), "found": day_name(verdict.found), "judged": verdict.judged,
        "more": round(verdict.more, 3), "less": round(verdict.less, 3), "reference_whole": whole,
        "reference": [day_name(baseline.first), day_name(baseline.last)], "heating_below": baseline.shape.warm,
        "cooling_above": baseline.shape.hot, "parameters": baseline.shape.parameters,
        "weekdays": list(baseline.week), "sigma": round(baseline.sigma, 4),
        "finds": round(limit.sure, 4), "r2": round(baseline.r2, 3), "cv": round(baseline.cv, 4),
        "nmbe": round(baseline.nmbe, 4),
        "last_30_used": round(used, 3), "last_30_expected": round(expected, 3),
    }  # fmt: skip
