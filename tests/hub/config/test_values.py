from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.config.values import duration, show_duration, show_size, size


@given(st.integers(0, 10**10).map(lambda ms: timedelta(milliseconds=ms)))
def test_a_duration_is_read_as_it_is_shown(value: timedelta) -> None:
    assert abs(duration(show_duration(value)) - value) < timedelta(microseconds=10)


@given(st.integers(0, 999_999_999))
def test_a_size_is_read_as_it_is_shown(value: int) -> None:
    assert size(show_size(value)) == value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5), ("500ms", 0.5), ("1h30min", 5400), ("7d", 604800), ("1.5 h", 5400), ("1d 12h", 129600), ("0s", 0)],
)
def test_durations_as_people_write_them(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "5m", "s", "-5s", "5 S", "1e3s", "5s x", "99999999999s", "١s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="with its unit"):
        duration(text)


@pytest.mark.parametrize(("text", "count"), [("256KB", 262144), ("256KiB", 262144), ("1.5MB", 1572864), ("12 B", 12)])
def test_sizes_as_people_write_them(text: str, count: int) -> None:
    assert size(text) == count


@pytest.mark.parametrize("text", ["", "5", "5kb", "-5KB", "KB", "5 KB s", "1e3KB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="with its unit"):
        size(text)
