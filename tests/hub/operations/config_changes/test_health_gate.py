"""The health gate: what was changed must get through, and nothing else may get worse."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.operations.config_changes.health_gate import _RANK, PartStatus, objections, part_statuses, settled
from hub.plugin_host.supervisor import FINISHED, QUARANTINED, RUNNING, STOPPED, WAITING, Health

A, B, NOTE, LINK = ("integration", "a"), ("integration", "b"), ("notifier", "mail"), ("part", "link")
WELL = PartStatus(RUNNING, "", 0, True)
STARTING = PartStatus(RUNNING, "", 0, False)
AWAY = PartStatus(WAITING, "no route", 0, False)
DEAD = PartStatus(STOPPED, "wrong password", 0, False)


def test_what_gets_through_speaks_for_the_change() -> None:
    assert objections({A: WELL}, {A: WELL, B: WELL}, [B], over=True) == []
    assert settled({A: AWAY, B: WELL}, [B])
    assert settled({B: PartStatus(FINISHED, "", 0, False)}, [B])
    assert not settled({B: STARTING}, [B])
    assert settled({}, [B])  # it was switched off: there is nothing to wait for


def test_what_is_only_away_counts_when_the_time_is_over() -> None:
    assert objections({}, {B: AWAY}, [B], over=False) == []
    assert objections({}, {B: AWAY}, [B], over=True) == ["b does not get through: no route"]


def test_what_was_away_before_is_not_the_changes_fault() -> None:
    assert objections({A: AWAY, B: AWAY}, {A: AWAY, B: AWAY}, [B], over=True) == []
    assert objections({A: WELL, B: WELL}, {A: AWAY, B: WELL}, [B], over=True) == ["a does not get through: no route"]


def test_failures_count_at_once_and_name_what_failed() -> None:
    assert objections({}, {NOTE: DEAD}, [NOTE], over=False) == ["notifier mail is stopped: wrong password"]
    assert objections({LINK: WELL}, {LINK: PartStatus(QUARANTINED, "x", 9, False)}, [], over=False) == [
        "link is quarantined: x"
    ]
    assert objections({}, {B: PartStatus(WAITING, "bug", 1, False)}, [B], over=False) == ["b failed: bug"]
    assert objections({A: WELL}, {A: PartStatus(RUNNING, "bug", 1, True)}, [B], over=False) == ["a failed: bug"]


def test_what_failed_already_may_go_on_failing() -> None:
    was, now = PartStatus(WAITING, "bug", 3, False), PartStatus(WAITING, "bug", 5, False)
    assert objections({A: was}, {A: now}, [B], over=True) == []
    assert objections({A: was}, {A: now}, [A], over=True) == ["a failed: bug"]
    assert objections({A: DEAD}, {A: DEAD}, [B], over=True) == []


def test_every_state_of_a_plugin_has_a_rank() -> None:
    assert set(_RANK) == {RUNNING, WAITING, STOPPED, QUARANTINED, FINISHED}


def test_the_link_and_the_pages_stand_beside_the_plugins() -> None:
    found = part_statuses([Health(name="meter")], {"link": "no route", "web": ""})
    assert found["part", "link"] == PartStatus(WAITING, "no route", 0, False)
    assert found["part", "web"].through
    assert len(found) == 3


_stand = st.builds(
    PartStatus, st.sampled_from(sorted(_RANK)), st.sampled_from(["", "why"]), st.integers(0, 3), st.booleans()
)
_stands = st.dictionaries(st.sampled_from([A, B, NOTE, LINK]), _stand)


@given(_stands, _stands, st.lists(st.sampled_from([A, B, NOTE, LINK]), unique=True))
def test_what_is_wrong_is_still_wrong_when_the_time_is_over(
    before: dict[tuple[str, str], PartStatus], now: dict[tuple[str, str], PartStatus], changed: list[tuple[str, str]]
) -> None:
    assert set(objections(before, now, changed, over=False)) <= set(objections(before, now, changed, over=True))


@given(_stands)
def test_a_change_of_nothing_where_nothing_moved_is_never_wrong(now: dict[tuple[str, str], PartStatus]) -> None:
    assert objections(now, now, [], over=True) == []
