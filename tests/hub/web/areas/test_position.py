"""Where a site is, as people write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.page_kit.formatting import number
from hub.web.areas.commissioning.position import of_text


@pytest.mark.parametrize(
    ("latitude", "longitude", "found"),
    [
        ("48.85661", "2.35222", (48.85661, 2.35222)), ("48,85661", "2,35222", (48.85661, 2.35222)),
        (" -21.1151° ", "55.5364°", (-21.1151, 55.5364)), ("48.8566, 2.3522", "", (48.8566, 2.3522)),
        ("48,8566; 2,3522", "", (48.8566, 2.3522)), ("48.85,2.35", "", (48.85, 2.35)),
        ("-21,1 55,5", "", (-21.1, 55.5)), ("48.123456789", "2", (48.12346, 2.0)),
    ],
)  # fmt: skip
def test_points_commas_degrees_and_what_a_map_copies_are_understood(
    latitude: str, longitude: str, found: tuple[float, float]
) -> None:
    assert of_text(latitude, longitude) == found


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        ("91", "2"),
        ("48", "181"),
        ("north", "2"),
        ("48,85", ""),
        ("48", ""),
        ("", ""),
        ("0", "0"),
        ("nan", "2"),
        ("inf", "2"),
    ],
)
def test_what_is_no_place_on_earth_is_none(latitude: str, longitude: str) -> None:
    assert of_text(latitude, longitude) is None


@given(st.integers(-9_000_000, 9_000_000), st.integers(-18_000_000, 18_000_000), st.sampled_from(["fr", "en"]))
def test_what_the_page_shows_is_read_as_the_same_place(north: int, east: int, lang: str) -> None:
    there = (north / 1e5, east / 1e5)
    shown = [number(one, 5, lang) for one in there]
    assert of_text(shown[0], shown[1]) == (there if there != (0, 0) else None)


@given(st.text(max_size=60), st.text(max_size=30))
def test_no_text_makes_anything_else_than_a_place_or_none(latitude: str, longitude: str) -> None:
    found = of_text(latitude, longitude)
    assert found is None or (abs(found[0]) <= 90 and abs(found[1]) <= 180)
