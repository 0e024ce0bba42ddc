"""A person's decisions on a draft. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from hub.config.pydantic_findings import nearest
from hub.core.errors import HubError
from hub.core.metric_catalogue import METRICS
from hub.core.text import phrase
from hub.devices.packs.importing.drafts import Draft, Proposal

TAKE, LEAVE = "take", "leave"
LONGEST = 100


class Decision(NamedTuple):
    """One leaf: taken as `metric`, reading = raw × `scale`, or left out. `metric` "": the one that was guessed."""

    path: str
    taken: bool
    metric: str = ""
    scale: float | None = None


def decision_of(path: str, word: str, metric: str = "", scale: str = "") -> Decision:
    """Return the decision of a form's fields. Raises HubError."""
    if word not in (TAKE, LEAVE):
        raise HubError(phrase("review-word-missing", "decide on {path}: take it or leave it", path=path[:100]))
    if not scale.strip():
        return Decision(path, word == TAKE, metric.strip())
    try:
        factor = float(scale.replace(",", ".").strip())
    except ValueError:
        factor = math.nan
    if not math.isfinite(factor) or factor == 0:
        raise HubError(phrase("review-factor-wrong", "the factor of {path} is a number other than 0", path=path[:100]))
    return Decision(path, word == TAKE, metric.strip(), factor)


def reviewed(draft: Draft, decisions: Iterable[Decision], facts: Mapping[str, str]) -> Draft:
    """Return the draft as a person wants it; `facts`: vendor, model, mac and class where they were changed.

    Raises HubError: a leaf is not decided, a metric does not exist or is taken twice.
    """
    said = {one.path: one for one in decisions}
    missing = [one.path for one in draft.proposals if one.path not in said]
    if missing:
        raise HubError(
            phrase(
                "review-incomplete",
                "{count} [value is|values are] not decided: {paths}",
                count=len(missing),
                paths=missing[:5],
            )
        )
    proposals = [_decided(one, said[one.path], draft) for one in draft.proposals]
    _once([one for one in proposals if one.decision == TAKE])
    return msgspec.structs.replace(
        draft,
        proposals=proposals,
        vendor=facts.get("vendor", "").strip()[:LONGEST] or draft.vendor,
        model=facts.get("model", "").strip()[:LONGEST] or draft.model,
        mac=facts.get("mac", "").strip()[:LONGEST] or draft.mac,
        listens=facts.get("class", "").strip()[:LONGEST] or draft.listens,
    )


def _decided(one: Proposal, decision: Decision, draft: Draft) -> Proposal:
    if not decision.taken:
        return msgspec.structs.replace(one, decision=LEAVE)
    metric = decision.metric or one.metric
    known = {**METRICS, **draft.metrics}
    if metric not in known:
        raise HubError(_unknown(one.path, metric, nearest(metric, known)))
    if metric == one.metric:
        scale = one.scale if decision.scale is None else decision.scale
        return msgspec.structs.replace(one, decision=TAKE, scale=scale)
    scale = 1.0 if decision.scale is None else decision.scale
    return msgspec.structs.replace(one, decision=TAKE, metric=metric, scale=scale, offset=0.0, values=None)


def _unknown(path: str, metric: str, near: str) -> str:
    wrong = phrase("review-metric-unknown", "{path}: there is no metric {metric!r}", path=path, metric=metric[:64])
    if not near:
        return wrong
    return phrase("problem-with-suggestion", "{reason} (did you mean {suggestion}?)", reason=wrong, suggestion=near)


def _once(taken: list[Proposal]) -> None:
    paths: dict[str, str] = {}
    for one in taken:
        other = paths.setdefault(one.metric, one.path)
        if other != one.path:
            raise HubError(
                phrase(
                    "review-metric-twice",
                    "{metric} is taken of {first} and of {second}: one device has one value of a metric",
                    metric=one.metric,
                    first=other,
                    second=one.path,
                )
            )
