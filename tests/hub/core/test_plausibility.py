"""Values that a metric may have: what passes can be stored, as what it is."""

from __future__ import annotations

import math
from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.core.metric_catalogue import METRICS
from hub.core.metric_rules import KINDS
from hub.core.model import Metric, Quality, TrustClass
from hub.core.plausibility import TEXT_LIMIT, plausible
from hub.protocol.records.columns import decode, encode
from hub.protocol.records.dictionary import Numbering
from hub.protocol.records.rows import Column, Row, Shape, Subject


class Level(IntEnum):
    HIGH = 3


VALUES = st.one_of(
    st.booleans(), st.integers(), st.floats(), st.text(max_size=40), st.none(), st.binary(max_size=3),
    st.decimals(allow_nan=False), st.sampled_from([0, 1, 0.0, 1.0, Level.HIGH, "\ud800", "é" * TEXT_LIMIT, 2.0**70]),
)  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "value", "may"),
    [
        ("count", True, False),
        ("power_factor", False, False),
        ("power_factor", 1, True),
        ("temperature", Level.HIGH, True),
        ("temperature", Decimal("21.5"), False),
        ("temperature", "21.5", False),
        ("temperature", None, False),
        ("count", math.nan, False),
        ("count", math.inf, False),
        ("count", 2**63, False),
        ("count", 10**400, False),
        ("leak", True, True),
        ("leak", 1, True),
        ("leak", 1.0, False),
        ("leak", "on", False),
        ("firmware", "1.0", True),
        ("firmware", b"1.0", False),
        ("firmware", "\ud800", False),
        ("firmware", "x" * (TEXT_LIMIT + 1), False),
    ],
)
def test_a_value_is_of_its_metrics_kind_and_within_its_bounds(metric: str, value: Any, may: bool) -> None:
    assert plausible(METRICS[metric], value) is may


@given(st.sampled_from(KINDS), st.sampled_from(["1", "0.001", "10", "0.000001"]), VALUES)
@example("number", "0.001", 9.3e15)
@example("flag", "1", 1.0)
@example("text", "1", "\ud800")
@example("number", "1", True)
def test_what_passes_is_stored_and_comes_back_as_what_it_was(kind: Any, resolution: str, value: Any) -> None:
    if not plausible(Metric(key="m", kind=kind, resolution=resolution), value):
        return
    shape, subject = Shape((Column("m", "1", resolution, kind),)), Subject("d", "p", "s", "z")
    rows = [Row(subject, shape, 5, True, (value,), Quality.GOOD, TrustClass.C, None, None)]
    _, (back,) = decode(encode(rows, Numbering()), {0: shape}, {0: subject})
    (found,) = back.values
    assert isinstance(found, str) == isinstance(value, str)
    assert (kind == "flag") or not isinstance(value, bool)
    if kind == "number":
        assert abs(found - value) <= max(float(resolution), abs(value) * 1e-9)
    else:
        assert found == value


def test_a_metric_that_nobody_checked_takes_no_value() -> None:
    for resolution in ("none", None, ""):
        assert not plausible(Metric(key="m", resolution=resolution), 1)  # type: ignore[arg-type]
