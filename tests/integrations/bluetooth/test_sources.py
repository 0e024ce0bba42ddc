"""Who listens, and who has gone deaf."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub
from integrations.bluetooth.sources import Hearing, Sources


def test_one_group_may_fail_while_another_listens_and_the_last_one_may_not() -> None:
    told: list[int] = []
    sources = Sources(["adapters", "hall"], told.append)
    sources.began("hall", "hall")
    sources.began("hci0", "adapters")
    assert told == [1, 2]
    sources.ended("hci0")
    assert sources.failed("adapters", hub.NotReady("no adapter"))
    assert not sources.failed("adapters", hub.NotReady("no adapter")), "it is no news"
    sources.ended("hall")
    sources.ended("hall")
    assert told == [1, 2, 1, 0]
    with pytest.raises(hub.NotReady, match="no adapter"):
        sources.failed("hall", hub.AuthFailed("wrong key"))


def test_nobody_fails_while_a_group_has_not_been_tried() -> None:
    sources = Sources(["adapters", "hall"], lambda listening: None)
    assert sources.failed("adapters", hub.NotReady("no adapter"))
    with pytest.raises(hub.AuthFailed):
        Sources(["hall"], lambda listening: None).failed("hall", hub.AuthFailed("wrong key"))


def test_an_adapter_is_deaf_when_others_hear_and_it_does_not() -> None:
    hearing = Hearing(180)
    for name in ("hci0", "hci1"):
        hearing.began(name, 0)
    for now in range(0, 300, 10):
        hearing.heard("hci0", now)
        if now < 100:
            hearing.heard("hci1", now)
        assert hearing.deaf(now, ["hci0", "hci1"]) == (["hci1"] if now == 270 else [])


def test_a_silent_house_makes_nobody_deaf() -> None:
    hearing = Hearing(180)
    for name in ("hci0", "hci1"):
        hearing.began(name, 0)
        hearing.heard(name, 5)
    assert hearing.deaf(10_000, ["hci0", "hci1"]) == []


def test_one_that_is_found_deaf_again_and_again_is_left_alone_ever_longer() -> None:
    hearing = Hearing(180)
    hearing.began("hci0", 0)
    hearing.began("hci1", 0)
    found = []
    for now in range(0, 5 * 86_400, 60):
        hearing.heard("hci0", now)
        if hearing.deaf(now, ["hci1"]):
            found.append(now)
            hearing.ended("hci1")
            hearing.began("hci1", now)  # switched off and on
    gaps = [after - before for before, after in zip([0, *found], found, strict=False)]
    assert gaps[:4] == [180, 360, 720, 1440]
    assert gaps[-1] == Hearing.LONGEST
    hearing.heard("hci1", now + 1)
    hearing.deaf(now + 2, ["hci1"])
    hearing.heard("hci0", now + 200)
    assert hearing.deaf(now + 200, ["hci1"]) == ["hci1"], "it had heard again: its first patience is back"


def test_alone_an_adapter_is_deaf_only_after_it_had_heard_something() -> None:
    hearing = Hearing(180)
    hearing.began("hci0", 0)
    assert hearing.deaf(1e6, ["hci0"]) == []
    hearing.heard("hci0", 1e6)
    assert hearing.deaf(1e6 + 719, ["hci0"]) == []
    assert hearing.deaf(1e6 + 720, ["hci0"]) == ["hci0"]


def test_without_a_limit_nobody_is_deaf() -> None:
    hearing = Hearing(0)
    hearing.began("hci0", 0)
    hearing.began("hci1", 0)
    hearing.heard("hci0", 1e6)
    assert hearing.deaf(1e6, ["hci1"]) == []


@given(st.lists(st.tuples(st.sampled_from(["hci0", "hci1"]), st.integers(1, 400)), max_size=60))
def test_who_hears_is_never_deaf(steps: list[tuple[str, int]]) -> None:
    hearing, now, last = Hearing(180), 0, dict.fromkeys(("hci0", "hci1"), 0)
    for name in last:
        hearing.began(name, 0)
    for name, later in steps:
        now += later
        hearing.heard(name, now)
        last[name] = now
        assert all(now - last[deaf] >= 180 for deaf in hearing.deaf(now, list(last)))
