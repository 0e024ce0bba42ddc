"""Which of the two hours it is, where people read a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.i18n.ambiguous_time import offset, offset_if_ambiguous
from hub.sdk.notification import Notification

DISTRICTS = ("Europe/Paris", "Indian/Reunion", "America/Martinique", "America/Miquelon", "Pacific/Noumea")


@pytest.mark.parametrize(
    ("moment", "zone", "said"),
    [
        ("2026-10-24T23:59:59", "Europe/Paris", ""),  # 01:59:59
        ("2026-10-25T00:00:00", "Europe/Paris", "UTC+2"),  # 02:00
        ("2026-10-25T00:59:59", "Europe/Paris", "UTC+2"),
        ("2026-10-25T01:00:00", "Europe/Paris", "UTC+1"),  # 02:00 once more
        ("2026-10-25T01:59:59", "Europe/Paris", "UTC+1"),
        ("2026-10-25T02:00:00", "Europe/Paris", ""),
        ("2026-03-29T00:59:59", "Europe/Paris", ""),  # the hour after it is none
        ("2026-03-29T01:00:00", "Europe/Paris", ""),
        ("2026-11-01T03:30:00", "America/Miquelon", "UTC\u22122"),
        ("2026-11-01T04:30:00", "America/Miquelon", "UTC\u22123"),
        ("2026-10-25T00:30:00", "Pacific/Noumea", ""),
        ("2026-12-31T23:59:59", "Indian/Reunion", ""),
    ],
)
def test_a_time_that_comes_twice_has_its_offset_behind_it_and_no_other(moment: str, zone: str, said: str) -> None:
    assert offset_if_ambiguous(datetime.fromisoformat(moment).replace(tzinfo=UTC).astimezone(ZoneInfo(zone))) == said


@pytest.mark.parametrize(
    ("zone", "said"), [("Pacific/Marquesas", "UTC\u22129:30"), ("UTC", "UTC"), ("Asia/Kathmandu", "UTC+5:45")]
)
def test_an_offset_is_written_as_people_do(zone: str, said: str) -> None:
    assert offset(datetime(2026, 11, 28, tzinfo=ZoneInfo(zone))) == said


@given(st.integers(1_700_000_000, 2_000_000_000), st.sampled_from(DISTRICTS))
def test_no_two_moments_of_one_day_read_alike(moment: int, zone: str) -> None:
    one, other = (datetime.fromtimestamp(at, ZoneInfo(zone)) for at in (moment, moment + 3600))
    assert (f"{one:%F %T}", offset_if_ambiguous(one)) != (f"{other:%F %T}", offset_if_ambiguous(other))
    assert other - one != timedelta(0) or one.utcoffset() != other.utcoffset()


def test_an_alert_of_the_hour_that_comes_twice_says_in_which_it_was_raised() -> None:
    notice = Notification(
        alert="a",
        n=1,
        rule="r",
        state="raised",
        severity="warning",
        text="t",
        text_fr="t",
        raised=1_792_888_200.0,
        changed=1_792_888_200.0,
    )
    assert notice.since("Europe/Paris") == "25/10/2026 02:30 (Europe/Paris, UTC+2)"
    assert notice.since("Europe/Paris", "en") == "2026-10-25 02:30 (Europe/Paris, UTC+2)"
    assert notice.since("Pacific/Noumea") == "25/10/2026 11:30 (Pacific/Noumea)"
