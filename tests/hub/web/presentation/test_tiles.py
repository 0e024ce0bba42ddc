"""What the overview shows of a place, in which order places come, and how a trend is drawn."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hub.core.metric_catalogue import METRICS
from hub.core.model import LastValue, Value
from hub.web.presentation import tiles
from hub.web.presentation.tiles import Spark, Tile

NAMES = {"a": ("Salle 2", "rooms"), "b": ("Salle 10", "rooms"), "c": ("Chaufferie", "plant"), "d": ("", "")}
ZONES = {"rooms": "Salles", "plant": "Locaux"}


def value(metric: str, what: Value = 20.0, at: float | None = 100.0) -> LastValue:
    unit = METRICS[metric].unit if metric in METRICS else ""
    return LastValue(
        series=f"p/{metric}", device="x:1", metric=metric, value=what, unit=unit, time=at, trust="A", quality="good",
        rssi=None,
    )  # fmt: skip


def alert(place: str, severity: str, raised: float = 1.0, device: str = "") -> dict[str, Any]:
    return {"id": f"{place}{severity}", "place": place, "device": device, "severity": severity, "raised": raised}


def shown(**how: Any) -> list[Tile]:
    devices = [("x:a", "a", True), ("x:b", "b", True), ("x:c", "c", True), ("x:d", "d", True)]
    return tiles.tiles(NAMES, devices, how.get("trouble", ()), how.get("alerts", ()), ZONES, how.get("rooms", set()))


def chosen(*metrics: str) -> list[str]:
    return [one.metric for one in tiles.main_values([value(metric) for metric in metrics])]


def test_three_values_are_shown_and_those_that_people_ask_for_come_first() -> None:
    assert chosen("battery", "pressure", "humidity", "co2", "temperature") == ["temperature", "co2", "humidity"]
    assert chosen("energy", "current", "power") == ["power", "energy", "current"]


def test_what_tells_of_the_device_alone_is_shown_where_there_is_nothing_else() -> None:
    assert chosen("battery", "fill_level") == ["fill_level"]
    assert chosen("battery", "battery_voltage") == ["battery", "battery_voltage"]


def test_a_second_value_of_a_kind_comes_after_the_first_of_every_kind() -> None:
    assert chosen("temperature_2", "humidity", "temperature") == ["temperature", "humidity", "temperature_2"]


def test_an_alarm_comes_first_while_it_holds_and_late_while_it_does_not() -> None:
    rest = [value("temperature"), value("humidity"), value("power")]
    assert tiles.main_values([*rest, value("leak", True)])[0].metric == "leak"
    assert "leak" not in [one.metric for one in tiles.main_values([*rest, value("leak", False)])]


@given(st.lists(st.sampled_from([*METRICS, "temperature_2", "made_up"]), unique=True))
def test_a_place_with_values_shows_some_whatever_they_are(metrics: list[str]) -> None:
    found = chosen(*metrics)
    assert len(found) <= tiles.MOST_VALUES
    assert bool(found) is bool(metrics)
    assert found == chosen(*reversed(metrics)), "the order in which they came does not matter"


def test_alerts_come_first_by_severity_then_what_is_silent_then_rooms_by_their_number() -> None:
    assert [one.place for one in shown(rooms={"rooms"})] == ["a", "b", "c", "d"], "10 after 2, no zone last"
    assert [one.place for one in shown()] == ["c", "a", "b", "d"]
    found = shown(
        rooms={"rooms"}, trouble=["x:d"], alerts=[alert("b", "warning"), alert("c", "critical"), alert("c", "info", 9)]
    )
    assert [(one.place, one.alert and one.alert["severity"], one.alerts, one.state) for one in found] == [
        ("c", "critical", 2, "green"), ("b", "warning", 1, "green"), ("d", None, 0, "trouble"), ("a", None, 0, "green"),
    ]  # fmt: skip
    assert [(zone, [one.place for one in some]) for zone, some in tiles.grouped(found)] == [
        (None, ["c", "b", "d"]),
        ("rooms", ["a"]),
    ]


def test_an_alert_that_names_its_device_alone_stands_at_the_place_of_the_device() -> None:
    assert shown(alerts=[alert("", "warning", device="x:c")])[0].place == "c"
    assert [one.alert for one in shown(alerts=[alert("", "warning", device="gone")])] == [None] * 4


def test_a_place_whose_devices_never_spoke_has_a_tile_once_they_are_in_trouble() -> None:
    devices = [("x:a", "a", False)]
    assert tiles.tiles(NAMES, devices, [], [], ZONES) == []
    assert tiles.tiles(NAMES, devices, ["x:a"], [], ZONES) == [Tile("a", "rooms", ("x:a",), "trouble")]


def test_comfort_is_said_of_rooms_alone_and_co2_is_judged_everywhere() -> None:
    def said(metric: str, what: Value, *, room: bool) -> str | None:
        found = tiles.told([value(metric, what)], 160.0, room=room)[0]
        assert found["age_s"] == 60.0
        return found["comfort"] and found["comfort"]["word"]

    assert [said("temperature", degrees, room=True) for degrees in (19.9, 20.0, 26.0, 26.1)] == [
        "comfort-cool", "comfort-good", "comfort-good", "comfort-warm",
    ]  # fmt: skip
    assert said("temperature", 60.0, room=False) is None
    assert [said("co2", ppm, room=False) for ppm in (799, 800, 1500, 1501)] == [
        "air-good", "air-fair", "air-fair", "air-poor",
    ]  # fmt: skip
    assert said("humidity", 50.0, room=True) is None
    assert tiles.told([value("co2", at=None)], 160.0)[0]["age_s"] is None


def test_a_zone_is_one_of_rooms_by_what_it_is_used_for() -> None:
    for use in ("Salles de classe", "Enseignement", "offices", "Bureaux, 2e étage", "École", "crèche"):
        assert tiles.is_room(use), use
    for use in ("", "chaufferie", "plant room", "parking", "extérieur", "chambre froide"):
        assert not tiles.is_room(use), use


def test_the_trend_is_that_of_the_first_number_and_of_a_counter_where_nothing_else_is() -> None:
    def drawn(*values: LastValue) -> str | None:
        found = tiles.trend_of(values)
        return found and found.metric

    assert drawn(value("leak", True), value("energy"), value("power")) == "power"
    assert drawn(value("leak", True), value("energy")) == "energy"
    assert drawn(value("leak", True), value("text", "x")) is None


def test_a_trend_leaves_silence_blank_and_is_not_drawn_of_two_points() -> None:
    line = [(0, 1.0), (25, 3.0), (50, None), (75, 2.0)]
    assert tiles.spark(line, 0, 100) == Spark("M0.0 22.0L25.0 2.0M75.0 12.0h.1", 1.0, 3.0)
    assert tiles.spark(line[:3], 0, 100) is None
    assert tiles.spark([(0, 5.0), (50, 5.0), (90, 5.0)], 0, 100) == Spark("M0.0 12.0L50.0 12.0L90.0 12.0", 5.0, 5.0)


@given(
    st.lists(st.tuples(st.integers(0, 90_000), st.none() | st.floats(-1e9, 1e9)), max_size=60),
    st.integers(0, 90_000),
    st.integers(0, 90_000),
)
def test_a_trend_stays_within_its_box(points: list[tuple[int, float | None]], begin: int, end: int) -> None:
    found = tiles.spark(points, begin, end)
    if found is not None:
        corners = found.path.replace("h.1", "").replace("L", "M").split("M")[1:]
        numbers = [float(one) for corner in corners for one in corner.split()]
        assert all(0 <= across <= tiles.SPARK_WIDTH for across in numbers[::2])
        assert all(0 <= down <= tiles.SPARK_HEIGHT for down in numbers[1::2])
        assert found.path.count("M") + found.path.count("L") == sum(value is not None for _, value in points)
