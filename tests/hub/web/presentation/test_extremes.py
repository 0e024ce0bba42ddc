"""The coldest and the warmest place: of rooms where there are some, else of all."""

from __future__ import annotations

from hub.core.model import LastValue, Value
from hub.web.presentation.extremes import extremes


def one(place: str, value: Value, metric: str = "temperature", quality: str = "good") -> tuple[str, LastValue]:
    """A place with its last value."""
    last = LastValue(
        series=f"{place}/{metric}",
        device=place,
        metric=metric,
        value=value,
        unit="Cel",
        time=1.0,
        trust="A",
        quality=quality,
        rssi=None,
    )
    return place, last


def names(*found: tuple[str, LastValue], rooms: frozenset[str] = frozenset()) -> tuple[str, str] | None:
    """The two places."""
    ends = extremes(found, rooms)
    return ends and (ends.coldest[0], ends.warmest[0])


def test_rooms_are_compared_with_rooms_and_a_cold_store_does_not_win() -> None:
    found = one("store", -18.0), one("a", 20.0), one("b", 17.2), one("boiler", 55.0)
    assert names(*found, rooms=frozenset("ab")) == ("b", "a")
    assert names(*found) == ("store", "boiler"), "where no zone says that it is rooms, all are compared"
    assert names(*found, rooms=frozenset("a")) == ("store", "boiler"), "one room has nothing to be compared with"


def test_only_temperatures_of_the_air_that_their_source_vouches_for_count() -> None:
    good = one("a", 20.0), one("b", 21.0)
    others = one("c", 2.0, "flow_temperature"), one("d", 1.0, quality="bad"), one("e", True), one("f", "cold")
    assert names(*good, *others) == ("a", "b")
    assert names(one("a", 20.0), one("a", 21.0)) is None
    assert names() is None
