"""By whose calendar a hub reckons."""

from types import SimpleNamespace

import pytest

from hub.app.recording import calendars
from hub.config.model import Core
from tests.hub.history.rollups.kit import at


@pytest.mark.parametrize(
    ("timezone", "moment", "year"),
    [
        ("Pacific/Noumea", "2027-01-01 00:00:00", 2027),  # in Paris it is 14:00 on the day before
        ("America/Martinique", "2026-12-31 23:59:59", 2026),  # in Paris the year is five hours old
        ("Indian/Reunion", "2027-01-01 00:00:00", 2027),
    ],
)
def test_a_year_begins_when_it_begins_at_the_hubs_site(timezone, moment, year):
    core = Core.model_validate(
        {
            "hub": {"site": "here"},
            "sites": {"here": {"timezone": timezone}, "there": {"timezone": "Europe/Paris"}},
        }
    )
    of = calendars(SimpleNamespace(loaded=SimpleNamespace(config=core)))
    assert of("").month(at(moment, timezone)) // 12 == year
    assert [of(site).timezone for site in ("here", "there", "gone")] == [timezone, "Europe/Paris", timezone]


def test_a_hub_without_a_site_reckons_as_in_paris():
    of = calendars(SimpleNamespace(loaded=SimpleNamespace(config=Core())))
    assert of("").timezone == "Europe/Paris"
