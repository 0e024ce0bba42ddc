"""Names of metrics: from the catalogues, of packs and former plugins, and of several metrics of one name."""

from __future__ import annotations

from hub.core.metric_catalogue import METRICS, metric_phrase
from hub.core.model import Metric
from hub.i18n.metric_names import metric_name
from hub.sdk.metric_names import numbered, of_plugin


def test_a_name_is_that_of_the_catalogue_in_the_readers_language() -> None:
    temperature = METRICS["temperature"]
    assert [metric_name(temperature, lang) for lang in ("fr", "en", "de")] == [
        "Température", "Temperature", "Temperature",
    ]  # fmt: skip
    assert metric_phrase(temperature).code == "metric-temperature"


def test_french_that_a_pack_or_a_former_plugin_gives_is_shown() -> None:
    valve = Metric(key="valve", fr="Vanne", en="Valve")
    assert [metric_name(valve, lang) for lang in ("fr", "en")] == ["Vanne", "Valve"]
    assert [metric_name(numbered(valve, "valve_2", 2), lang) for lang in ("fr", "en")] == ["Vanne 2", "Valve 2"]
    assert metric_name(Metric(key="some_key"), "fr") == "some key"


def test_several_metrics_of_one_name_have_their_number() -> None:
    second = numbered(METRICS["temperature"], "temperature_2", 2)
    assert (second.key, second.unit) == ("temperature_2", "Cel")
    assert [metric_name(second, lang) for lang in ("fr", "en")] == ["Température 2", "Temperature 2"]


def test_a_plugins_own_metric_has_its_name_in_the_plugins_catalogue() -> None:
    valve, flow, tide = of_plugin(
        "acme", Metric(key="valve", en="Valve"), Metric(key="flow", fr="Débit", en="Flow"),
        Metric(key="tide", en="Tide", code="acme.metric-other"),
    )  # fmt: skip
    assert [one.code for one in (valve, flow, tide)] == ["acme.metric-valve", "", "acme.metric-other"]
    assert metric_name(valve, "fr") == "Valve"
