"""Names of places: one place has many ways to be written, and two places never become one."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.core.model import PLACE_ID, Place
from hub.devices.place_names import folded, in_order, place_id
from hub.devices.places import Places


@pytest.mark.parametrize("written", ["Salle 4", "salle-4", "SALLE_04", "salle4", " Sälle  4 ", "salle_4"])
def test_one_place_written_in_many_ways_is_one(written: str) -> None:
    assert folded(written) == "salle-4"


@pytest.mark.parametrize(
    ("one", "other"),
    [("Salle 4", "Salle 40"), ("Niveau -1", "Niveau 1"), ("Salle 4", "Salle 4 bis"), ("Hall A", "Hall B")],
)
def test_two_places_stay_two(one: str, other: str) -> None:
    assert folded(one) != folded(other)
    assert place_id(one) != place_id(other)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("Salle 04", "salle-04"),
        ("Cœur d'îlot", "coeur-d-ilot"),
        ("Niveau -1", "niveau-moins-1"),
        ("教室", ""),
        ("---", ""),
    ],
)
def test_an_id_is_made_of_a_name(name: str, made: str) -> None:
    assert place_id(name) == made


@given(st.text(max_size=200))
@example("é" * 100)
@example("²½①")
@example("١٢")
def test_whatever_is_written_gives_an_id_that_is_allowed_or_none(text: str) -> None:
    made = place_id(text)
    assert made == "" or PLACE_ID.fullmatch(made)
    in_order(text)


@given(st.text(string.ascii_letters + string.digits + "éèàç -_.", max_size=40))
@example("Salle -4")
def test_the_id_made_of_a_name_is_found_again_by_that_name(name: str) -> None:
    made = place_id(name)
    if made:
        assert folded(made) == folded(name)
        places = Places([Place(id=made, site="s", zone="z", name=name)])
        assert [one.id for one in places.alike(name.upper())] == [made]


def test_places_sort_as_people_count() -> None:
    assert sorted(["Salle 10", "salle 9", "Cave"], key=in_order) == ["Cave", "salle 9", "Salle 10"]


def test_an_exact_id_comes_before_a_name_and_a_dropped_place_is_gone() -> None:
    places = Places([Place(id="salle-4", site="s", zone="z"), Place(id="r4", site="s", zone="z", name="Salle 4")])
    assert [one.id for one in places.alike("salle-4")] == ["salle-4"]
    assert sorted(one.id for one in places.alike("SALLE 4")) == ["r4", "salle-4"]
    places.drop("r4")
    assert [one.id for one in places.alike("SALLE 4")] == ["salle-4"]
    places.put(Place(id="r5", site="s", zone="z", name="Salle 5"))
    assert [one.id for one in places.alike("salle 5")] == ["r5"]
