"""Metrics that plugins declare, on the path of a report: a misspelt privacy class protects nobody, so it is refused."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from msgspec.structs import replace

from hub.core.errors import PluginError
from hub.core.metric_catalogue import METRICS
from hub.core.model import Metric, TrustClass
from hub.privacy.rules_engine import policy
from hub.privacy.rules_engine.data_categories import privacy_of
from tests.hub.path_kit import METER, TAG, Path

SECRET = 61.528
MISSPELT: Any = Metric(key="heart_rate", unit="/min", privacy="Personal", en="Heart rate")  # type: ignore[arg-type]


async def told(path: Path) -> list[Any]:
    """What reaches the buffer and the live view of a heart rate that a plugin declares with a misspelt class."""
    with suppress(PluginError):
        path.planner.declare(TAG.id, metrics=[MISSPELT])
    await path.emit(values={"heart_rate": SECRET, "battery": 90})
    return [value for row in path.buffer.rows for value in row.values] + [one.value for one in path.live.values()]


async def test_a_metric_with_a_misspelt_privacy_class_is_refused_and_its_values_go_nowhere() -> None:
    path = Path()
    with pytest.raises(PluginError, match="privacy is 'Personal'; it is one of technical, environment, personal"):
        path.planner.declare(TAG.id, model="T1", metrics=[MISSPELT])
    assert path.planner.declared == {}, "it is refused whole"
    assert await told(path) == [90, 90]
    assert path.counts.by_subject()[TAG.id] == {"unknown-metric": 1}


async def test_a_class_that_nobody_knows_is_personal_though_nobody_checked_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.pipeline.plan.expect_metrics", lambda *_: None)
    path = Path()
    assert await told(path) == [90, 90]
    assert path.counts.by_subject()[TAG.id] == {"withheld-personal": 1}


async def test_a_hub_that_takes_the_word_as_it_is_written_lets_the_value_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin, which the tests above would catch."""
    monkeypatch.setattr("hub.pipeline.plan.expect_metrics", lambda *_: None)
    monkeypatch.setattr(policy, "privacy_of", lambda metric, dwelling: metric.privacy)
    assert SECRET in await told(Path())


@pytest.mark.parametrize("dwelling", [False, True])
@pytest.mark.parametrize("word", ["Personal", "PERSONAL", "personnel", "", " technical", None, 0, b"technical"])
def test_any_other_word_than_the_three_is_personal(word: Any, dwelling: bool) -> None:
    for key in ("temperature", "fault", "firmware", "energy"):
        assert privacy_of(replace(METRICS[key], privacy=word), dwelling=dwelling) == "personal"


async def test_a_declaration_does_not_make_a_metric_of_the_catalogue_less_protected() -> None:
    path = Path()
    with pytest.raises(PluginError, match="the catalogue has one of that name"):
        path.planner.declare(TAG.id, metrics=[replace(METRICS["co2"], privacy="technical")])
    await path.emit(values={"co2": 812})
    assert path.buffer.rows == []


async def test_a_plugins_own_metric_counts_for_its_devices_whatever_another_plugin_calls_so() -> None:
    """Linky's second current is personal; a Bluetooth meter's is not."""
    own = Metric(key="current_2", unit="A", resolution="1", privacy="personal")
    other = replace(own, privacy="technical", resolution="0.001")
    path = Path()
    path.planner._metrics = {**METRICS, "current_2": other}
    path.planner._registered = lambda name: {"current_2": own} if name == "bluetooth" else {}
    assert path.planner.compile(TAG).metrics["current_2"] is own
    assert path.planner.compile(METER).metrics["current_2"] is other
    assert path.planner.metric(TAG.id, "current_2") is own
    await path.emit(values={"current_2": 3.0})
    assert path.buffer.rows == []
    (row,) = await path.emit("modbus", METER.id, values={"current_2": 3.0})
    assert row.trust is TrustClass.B


@pytest.mark.parametrize(("metric", "value"), [("count", True), ("power_factor", False), ("leak", 1.0)])
async def test_a_value_of_another_kind_is_not_stored(metric: str, value: Any) -> None:
    path = Path({"classes": {"count": "queue"}})
    await path.emit(values={metric: value})
    assert path.buffer.rows == []
    assert path.counts.by_subject()[TAG.id] == {"implausible": 1}


async def test_a_value_that_may_not_be_kept_is_judged_too_since_rules_see_it() -> None:
    path = Path()
    await path.emit(values={"co2": "many"})
    assert path.counts.by_subject()[TAG.id] == {"implausible": 1}
