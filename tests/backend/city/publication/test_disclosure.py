"""Which cells may be told, and what releases may differ by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.city.publication import desk, disclosure
from backend.city.publication.definition import Family
from backend.city.publication.disclosure import Rules, changed, merged, publishable, released, shown
from backend.storage.city.database import CityDatabase
from tests.backend.city.publication.attack import attack, disclosed

HOMES = Rules(3600, 0, 10, least_value=5, step=5, total=True)
FIRMS = Rules(3600, 0, 3, 0.85, 5, 5, total=True)
FLAGS = Rules(3600, 0, 10, least_value=5, step=5, both_ends=True)
COUNTS = Rules(3600, 0, least_value=5, step=5)


def homes(prefix: str, count: int, value: float = 2.0) -> dict[str, float]:
    return {f"{prefix}{n}": value for n in range(count)}


def test_zero_to_four_carry_one_mark_and_counts_are_rounded_to_five() -> None:
    assert not any(publishable({"a": float(n)}, COUNTS) for n in range(5))
    assert [shown({"a": float(n)}, COUNTS) for n in (5, 7, 8, 12, 13)] == [5, 5, 10, 10, 15]


def test_a_cell_of_homes_has_ten_delivery_points() -> None:
    assert not publishable(homes("a", 9), HOMES)
    assert publishable(homes("a", 10), HOMES)


def test_a_cell_of_firms_has_three_and_none_with_more_than_85_percent() -> None:
    assert not publishable({"a": 50, "b": 50}, FIRMS)
    assert publishable({"a": 85, "b": 10, "c": 5}, FIRMS)
    assert not publishable({"a": 86, "b": 9, "c": 5}, FIRMS)


def test_a_house_where_everybody_is_in_is_masked_like_an_empty_one() -> None:
    assert publishable(homes("a", 5, 1.0) | homes("b", 5, 0.0), FLAGS)
    assert not publishable(homes("a", 12, 1.0), FLAGS)
    assert not publishable(homes("a", 8, 1.0) | homes("b", 4, 0.0), FLAGS)


def test_a_total_never_tells_the_one_masked_cell() -> None:
    cells = {"big": homes("b", 20), "small": homes("s", 4), "middle": homes("m", 12)}
    release = released([], cells, list(cells), HOMES)
    assert release is not None
    assert release.total
    assert release.told == {"big"}, "the smallest of the others is masked too"


def test_a_total_is_masked_where_no_other_cell_can_be() -> None:
    cells = {"small": homes("s", 4), "tiny": homes("t", 3)}
    release = released([], cells, list(cells), HOMES)
    assert release is not None
    assert not release.total
    assert not release.told


def test_a_home_that_comes_late_does_not_change_a_cell_that_was_told() -> None:
    first = released([], {"a": homes("a", 12)}, ["a"], HOMES)
    assert first is not None
    assert released([first], {"a": homes("a", 12) | {"late": 9.0}}, ["a"], HOMES) is None
    assert released([first], {"a": homes("a", 11)}, ["a"], HOMES) is None, "nor one whose consent was withdrawn"


def test_ten_homes_that_come_late_together_do() -> None:
    first = released([], {"a": homes("a", 12)}, ["a"], HOMES)
    assert first is not None
    second = released([first], {"a": homes("a", 12) | homes("late", 10)}, ["a"], HOMES)
    assert second is not None
    assert len(second.states["a"]) == 22
    third = released([first, second], {"a": homes("a", 12) | homes("late", 9)}, ["a"], HOMES)
    assert third is None, "it differs by one home from a former release"


def test_a_cell_that_was_told_is_no_mask_for_another_one_later() -> None:
    cells = {"a": homes("a", 12), "b": homes("b", 14), "c": homes("c", 4)}
    first = released([], cells, list(cells), HOMES)
    assert first is not None
    assert first.told == {"b"}
    later = cells | {"a": homes("a", 12) | homes("late", 12, 9.0)}  # now b would be the smallest
    second = released([first], later, list(cells), HOMES)
    assert second is not None
    assert second.told == {"b"}
    assert second.total


def test_a_cell_that_was_masked_under_a_total_stays_masked() -> None:
    cells = {"a": {"a0": 0.0}, "b": homes("b", 9), "c": homes("c", 12), "d": homes("d", 11)}
    first = released([], cells, list(cells), HOMES)
    assert first is not None
    assert (first.told, first.total) == ({"c", "d"}, True)
    second = released([first], cells | {"a": homes("new", 12)}, list(cells), HOMES)
    assert second is not None
    assert second.told == {"c", "d"}, "told with its twelve homes, it would tell the one home that the total had before"


def test_what_a_unit_adds_in_two_areas_counts_as_one_unit() -> None:
    assert merged([{"f": 1, "g": 2}, {"f": 3}]) == {"f": 4, "g": 2}
    assert changed({"a": 1, "b": 0}, {"a": 1}) == {"b": 0.0}, "also one that adds nothing has come"


UNITS = st.dictionaries(
    st.sampled_from([f"u{n}" for n in range(24)]), st.floats(0, 30).map(lambda one: round(one, 2)), max_size=24
)


@given(st.lists(st.tuples(UNITS, UNITS, UNITS), min_size=1, max_size=4), st.sampled_from([HOMES, FIRMS]))
def test_no_combination_of_releases_tells_a_cell_below_the_threshold(
    versions: list[tuple[dict[str, float], ...]], rules: Rules
) -> None:
    """Areas with any contributions, published up to four times."""
    former: list[disclosure.Release] = []
    for version in versions:
        cells = {f"area{n}": {f"{n}{unit}": value for unit, value in one.items()} for n, one in enumerate(version)}
        release = released(former, cells, [f"area{n}" for n in range(3)], rules)
        former += [] if release is None else [release]
    sums = [frozenset(one.states[area].items()) for one in former for area in one.told]
    sums += [frozenset(merged(one.states.values()).items()) for one in former if one.total]
    assert list(disclosed(sums, Family.HOMES if rules is HOMES else Family.FIRMS)) == []


def test_the_attack_on_a_town_recovers_nothing(open_again) -> None:  # type: ignore[no-untyped-def]
    outcome = attack(open_again(), days=3, flats=120, shops=40)
    assert outcome.recovered == 0, outcome.examples
    assert outcome.refused == 5
    assert outcome.told > 500
    assert outcome.masked > 500


@pytest.mark.parametrize(
    ("module", "name", "broken"),
    [
        (disclosure, "complement", lambda states, told, fixed, rules: frozenset()),
        (disclosure, "accepted", lambda former, area, new, rules: dict(new)),
        (desk, "refuse_claimed", lambda t, line: None),
    ],
    ids=["without secondary suppression", "without the ledger", "with two partitions"],
)
def test_the_attack_catches_a_broken_twin(tmp_path, monkeypatch, module, name, broken) -> None:  # type: ignore[no-untyped-def]
    from tests.backend.city.publication.attack import opened

    monkeypatch.setattr(module, name, broken)
    database: CityDatabase = opened(tmp_path)
    assert attack(database, days=3, flats=120, shops=40).recovered > 0
    database.close()
