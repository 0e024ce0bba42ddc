"""Answers of the calls: a plan, and its progress. Pure."""

from __future__ import annotations

from math import isfinite
from typing import Any

import msgspec

from hub.operations.crisis.sampling.model import HOUR_S, Item, SamplingRequest
from hub.operations.crisis.sampling.planner import CHANNEL, Entry, Load, Plan, battery_after, collisions
from hub.operations.crisis.sampling.reasons import WORDS, Reason
from hub.operations.crisis.sampling.state import FAILED, RESTORING, Raised, State


def plan(shown: Plan) -> dict[str, Any]:
    """Return {digest, period_s, for_s, budgets, entries, left, loads, telling}. Times in seconds, shares from 0 to
    1."""
    return {
        "digest": shown.digest, "period_s": shown.request.period_s, "for_s": shown.request.duration_s,
        "budgets": msgspec.to_builtins(shown.budgets),
        "entries": [_entry(entry, shown.request) for entry in shown.entries],
        "left": [{**_named(one.item), "was_s": one.item.was_s, **one.why.as_dict()} for one in shown.left],
        "loads": [_load(load) for load in shown.loads],
        "telling": {
            "downlinks": shown.downlink_cost.downlinks, "air_s": round(shown.downlink_cost.air_s, 2),
            "takes_s": shown.downlink_cost.takes_s if isfinite(shown.downlink_cost.takes_s) else None,
        },
    }  # fmt: skip


def _named(item: Item) -> dict[str, Any]:
    return {"name": item.name, "devices": list(item.devices), "integration": item.integration, "how": item.how}


def _entry(entry: Entry, request: SamplingRequest) -> dict[str, Any]:
    item, told = entry.item, _named(entry.item)
    told |= {"was_s": entry.was_s, "to_s": entry.to_s, "battery": None, "air": None, "line": None}
    told |= entry.why.as_dict() if entry.why is not None else {"reason": "", "why": "", "why_fr": ""}
    if not item.powered and item.battery is not None:
        after, endless = battery_after(item.battery, entry.was_s / entry.to_s, request.duration_s)
        told["battery"] = {"days": round(item.battery), "after_days": round(after), "endless_days": round(endless)}
    if item.air is not None:
        band = item.air.tightest
        each = item.air.seconds * band.part * HOUR_S
        told["air"] = {
            "band": band.name,
            "of_s": band.of_s,
            "before_s": round(each / entry.was_s, 2),
            "after_s": round(each / entry.to_s, 2),
        }
    if item.line:
        told["line"] = {
            "name": item.line,
            "turn_s": item.turn_s,
            "requests": item.requests,
            "before": item.turn_s / entry.was_s,
            "after": item.turn_s / entry.to_s,
        }
    return told


def _load(load: Load) -> dict[str, Any]:
    told = msgspec.to_builtins(load)
    told["can_rate"] = load.rate_after / load.after if load.after else None
    if load.name == CHANNEL:
        told |= {"collide_before": collisions(load.before), "collide_after": collisions(load.after)}
    return dict(told)


def state(current: State) -> dict[str, Any]:
    """Return {phase, since, left_s, by, why, plan, counts, entries, unconfirmed}."""
    return {
        "phase": current.phase, "since": current.since if current.entries else None, "left_s": round(current.left_s),
        "by": current.by, "reason": current.why, "plan": current.plan, "counts": current.counts(),
        "entries": [_raised(one, back=current.phase == RESTORING) for one in current.entries],
        "unconfirmed": list(current.unconfirmed),
    }  # fmt: skip


def _raised(one: Raised, *, back: bool) -> dict[str, Any]:
    said = Reason(one.why).as_dict() if one.why in WORDS else {"reason": "", "why": "", "why_fr": ""}
    return {
        "name": one.name, "devices": list(one.devices), "integration": one.integration, "how": one.how,
        "was_s": one.was_s, "to_s": one.was_s if back else one.to_s, "step": one.step, "confirmed": one.confirmed,
        "failed": one.step == FAILED, **said,
    }  # fmt: skip
