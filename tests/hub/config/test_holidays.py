"""Public holidays against published dates and another implementation of Easter; school holidays against the order."""

from __future__ import annotations

from datetime import date, timedelta
from typing import get_args

import pytest
from dateutil.easter import easter as easter_of_dateutil

from hub.config.calendars.holidays import REGIONS, easter, public_holidays
from hub.config.calendars.schools import LOCAL_ACADEMIES, holidays, missing_zone, shipped, zones
from hub.config.parts.schedules import Region


def test_easter_is_what_an_independent_library_says_for_five_centuries() -> None:
    assert all(easter(year) == easter_of_dateutil(year) for year in range(1700, 2200))


def test_the_holidays_of_2027_are_those_that_the_state_publishes() -> None:
    assert [day.isoformat() for day in public_holidays(2027)] == [
        "2027-01-01", "2027-03-29", "2027-05-01", "2027-05-06", "2027-05-08", "2027-05-17", "2027-07-14", "2027-08-15",
        "2027-11-01", "2027-11-11", "2027-12-25",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("region", "day", "name"),
    [
        ("alsace-moselle", date(2026, 4, 3), "Vendredi saint"),
        ("alsace-moselle", date(2026, 12, 26), "Saint-Étienne"),
        ("mayotte", date(2026, 4, 27), "Abolition de l'esclavage"),
        ("martinique", date(2026, 5, 22), "Abolition de l'esclavage"),
        ("guadeloupe", date(2026, 5, 27), "Abolition de l'esclavage"),
        ("saint-martin", date(2026, 5, 28), "Abolition de l'esclavage"),
        ("guyane", date(2026, 6, 10), "Abolition de l'esclavage"),
        ("saint-barthelemy", date(2026, 10, 9), "Abolition de l'esclavage"),
        ("reunion", date(2026, 12, 20), "Abolition de l'esclavage"),
        ("nouvelle-caledonie", date(2026, 9, 24), "Fête de la citoyenneté"),
    ],
)
def test_a_region_has_its_own_days_and_the_mainland_does_not(region: str, day: date, name: str) -> None:
    assert public_holidays(2026, region)[day] == name
    assert day not in public_holidays(2026)


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_has_what_all_of_france_has(region: str) -> None:
    assert set(public_holidays(2008)) <= set(public_holidays(2008, region))  # 2008: Ascension fell on 1 May


def test_the_regions_of_the_configuration_are_those_that_are_computed() -> None:
    assert get_args(Region) == REGIONS


def test_the_shipped_school_year_is_that_of_the_order_of_22_october_2025() -> None:
    assert list(shipped()) == ["2026-2027"]
    assert zones({}) == ["A", "B", "C"]
    for zone, winter, spring in (
        ("A", (date(2027, 2, 13), date(2027, 2, 28)), (date(2027, 4, 10), date(2027, 4, 25))),
        ("B", (date(2027, 2, 20), date(2027, 3, 7)), (date(2027, 4, 17), date(2027, 5, 2))),
        ("C", (date(2027, 2, 6), date(2027, 2, 21)), (date(2027, 4, 3), date(2027, 4, 18))),
    ):
        known = holidays(zone, {})
        assert known.until == date(2027, 8, 31)
        for name, (first, last) in (("Hiver", winter), ("Printemps", spring)):
            days = [day for day, said in known.days.items() if said == name]
            assert (min(days), max(days), len(days)) == (first, last, 16)
            assert (first.weekday(), last.weekday()) == (5, 6)  # from a Saturday to a Sunday: classes end on Friday


def test_the_shipped_school_year_is_that_of_another_who_keeps_it() -> None:
    # vacances-scolaires-france 0.12.0 (PyPI, MIT, August 2026), its table read on 2026-11-25. It counts Ascension day
    # and the Saturday after, which are days off anyway.
    theirs = {
        "A": "10-17/11-01 12-19/01-03 02-13/02-28 04-10/04-25 07-03/08-31",
        "B": "10-17/11-01 12-19/01-03 02-20/03-07 04-17/05-02 07-03/08-31",
        "C": "10-17/11-01 12-19/01-03 02-06/02-21 04-03/04-18 07-03/08-31",
    }
    for zone, periods in theirs.items():
        days = set()
        for period in periods.split():
            begin, end = (date.fromisoformat(f"{2026 + (one < '09')}-{one}") for one in period.split("/"))
            days |= {begin + timedelta(days=n) for n in range((end - begin).days + 1)}
        assert set(holidays(zone, {}).days) == days | {date(2027, 5, 7)}


def test_whoever_orders_their_own_holidays_is_not_guessed_at() -> None:
    for zone in LOCAL_ACADEMIES:
        assert holidays(zone, {}).until is None
        assert f"--school {zone}`" in missing_zone(zone, {})
    for written, meant in (("Réunion", "reunion"), ("Académie de la Martinique", "martinique")):
        assert f"--school {meant}`" in missing_zone(written, {})


def test_a_year_of_the_configuration_adds_to_what_is_shipped_or_corrects_it() -> None:
    mine = {"2027-2028": {"corse": {"2027-10-23/2027-11-07": "Toussaint"}}, "2026-2027": {"A": {"2026-10-19": "X"}}}
    assert zones(mine) == ["A", "B", "C", "corse"]
    assert holidays("A", mine).days == {date(2026, 10, 19): "X"}
    assert holidays("corse", mine).until == date(2027, 11, 7), "what comes after it is not said"
    assert holidays("mars", mine).until is None


def test_where_the_school_year_ends_in_december_its_last_holidays_are_all_that_is_known() -> None:
    # Nouméa: what its government orders for 2026 ends with the long holidays, until the February after it
    south = {
        "2025-2026": {"nouvelle-caledonie": {"2026-04-04/2026-04-19": "x", "2026-06-06/2026-06-21": "x"}},
        "2026-2027": {"nouvelle-caledonie": {"2026-10-10/2026-10-25": "x", "2026-12-19/2027-02-14": "été austral"}},
    }
    known = holidays("nouvelle-caledonie", south)
    assert known.until == date(2027, 2, 14)
    for day, said in ((date(2026, 5, 4), True), (date(2027, 1, 1), True), (date(2027, 2, 14), True),
                      (date(2027, 2, 15), False), (date(2027, 4, 12), False), (date(2025, 8, 31), False)):  # fmt: skip
        assert known.knows(day) is said
