"""Hubs that fall silent: told in time, many of them as one, and cleared by themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from backend_kit import Desk
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.hubs import alarms, silences
from backend.hubs.silences import ALL, HUB, LOOK_S, SITE, TAG, Key, Sign, SilenceWatch, StateReader
from backend.storage.silences import OpenSilence

WALL = 1_800_000_000.0
METERED_S = 1800.0


@dataclass
class Hub:
    """A hub that speaks every `every` s from its phase on, but in the spans of `away` (from, to)."""

    name: str
    every: float = 30.0
    phase: float = 0.0
    groups: tuple[Key, ...] = ()
    away: tuple[tuple[float, float], ...] = ()
    old_from: float | None = None  # from here on its states are those of this moment, held back

    def sign(self, now: float, lead: float) -> Sign:
        at = now
        while True:
            at = self.phase + (at - self.phase) // self.every * self.every
            out = next((span for span in self.away if span[0] <= at < span[1]), None)
            if out is None:
                break
            at = out[0] - 1e-6
        heard = at - 1.0 if self.old_from is None else min(at - 1.0, self.old_from)
        return Sign(self.name, WALL + lead + at, self.every, WALL + lead + heard, frozenset(self.groups))


@dataclass
class Backend:
    """Looks at hubs as time goes by, and keeps what it was told to keep."""

    hubs: list[Hub]
    now: float = 0.0
    wall: float = 0.0  # by how much this machine's clock is set ahead
    watch: SilenceWatch = field(default_factory=SilenceWatch)
    opened: dict[Key, OpenSilence] = field(default_factory=dict)
    told: list[tuple[float, str, Key]] = field(default_factory=list)
    silent_hubs: int = 0

    def until(self, moment: float) -> Backend:
        while self.now < moment:
            self.now += LOOK_S
            self.look()
        return self

    def look(self) -> None:
        verdict = self.watch.look([hub.sign(self.now, 0.0) for hub in self.hubs], list(self.opened.values()), self.now)
        self.silent_hubs = verdict.silent_hubs
        for one in verdict.ended:
            del self.opened[one.scope, one.name]
            self.told.append((self.now, "ended", (one.scope, one.name)))
        for silence in verdict.begun:
            at = WALL + self.wall + self.now
            self.opened[silence.key] = OpenSilence(*silence.key, silence.since, at, "detail")
            self.told.append((self.now, "begun", silence.key))

    def begun(self) -> list[Key]:
        return [key for _, what, key in self.told if what == "begun"]


def site(count: int, **more: Any) -> list[Hub]:
    """Hubs of one site, each with its own phase."""
    return [Hub(f"s{n}", phase=(7 * n) % 30, groups=((SITE, "school"), (ALL, "")), **more) for n in range(count)]


@pytest.mark.parametrize("phase", range(0, 30, 3))
def test_a_hub_that_falls_silent_is_told_within_three_minutes_and_cleared_when_it_speaks(phase: int) -> None:
    backend = Backend([Hub("a", phase=phase, away=((1000.0, 2000.0),)), Hub("b")]).until(3000.0)
    (begun, _, one), (ended, _, other) = backend.told
    assert one == other == (HUB, "a")
    assert 1000.0 < begun <= 1000.0 + 180.0
    assert 2000.0 <= ended <= 2000.0 + 30.0 + LOOK_S
    assert backend.silent_hubs == 0


def test_a_hub_that_misses_two_states_is_not_silent() -> None:
    assert Backend([Hub("a", away=((1000.0, 1070.0),))]).until(2000.0).told == []


def test_a_metered_hub_has_its_own_period() -> None:
    hub = Hub("a", METERED_S, away=((7000.0, 20_000.0),))
    backend = Backend([hub]).until(7000.0 + METERED_S)
    assert backend.told == []
    backend.until(20_000.0)
    ((begun, _, _),) = backend.told
    assert 7000.0 + METERED_S < begun <= 7000.0 + silences.silent_after(METERED_S) + LOOK_S
    assert backend.until(25_000.0).opened == {}


def test_a_hub_of_a_release_that_does_not_say_its_period_is_taken_for_metered(desk: Desk) -> None:
    sender = desk.enrol()
    desk.state(sender, sender.state())
    (sign,) = signs(desk)
    assert sign.every == METERED_S
    desk.state(sender, sender.state(every=30))
    (sign,) = signs(desk)
    assert sign.every == 30.0


@pytest.mark.parametrize("scope", [SITE, TAG])
def test_a_whole_site_or_carrier_is_one_alarm_and_stays_one_while_its_hubs_come_back(scope: str) -> None:
    fallen = [
        Hub(f"s{n}", phase=7 * n % 30, groups=((scope, "one"),), away=((1000.0, 2000.0 + 60.0 * n),)) for n in range(10)
    ]
    others = [Hub(f"o{n}", phase=n, groups=((scope, "other"),)) for n in range(10)]
    backend = Backend(fallen + others).until(1000.0 + 180.0)
    assert backend.begun() == [(scope, "one")]
    backend.until(4000.0)
    assert backend.begun() == [(scope, "one")]
    assert backend.opened == {}


def test_every_hub_at_once_is_told_as_the_backends_own_line() -> None:
    hubs = [*site(3, away=((1000.0, 2000.0),)), Hub("b", groups=((ALL, ""),), away=((1000.0, 2000.0),))]
    assert Backend(hubs).until(3000.0).begun() == [(ALL, "")]


def test_one_hub_of_a_site_is_told_alone_and_the_site_takes_its_place_when_the_others_follow() -> None:
    one, *others = site(5)
    one.away = ((1000.0, 9000.0),)
    for hub in others:
        hub.away = ((3000.0, 9000.0),)
    backend = Backend([one, *others]).until(5000.0)
    assert backend.begun() == [(HUB, one.name), (SITE, "school")]
    assert set(backend.opened) == {(SITE, "school")}


def test_hubs_that_do_not_come_back_with_their_site_are_told_singly_in_the_end() -> None:
    hubs = site(10, away=((1000.0, 2000.0),))
    for hub in hubs[:2]:
        hub.away = ((1000.0, 90_000.0),)
    backend = Backend(hubs).until(2100.0)
    assert set(backend.opened) == {(SITE, "school")}
    assert set(backend.until(3000.0).opened) == {(HUB, "s0"), (HUB, "s1")}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(0.0, 30.0), min_size=2, max_size=12),
    st.floats(500.0, 560.0),
    st.floats(200.0, 2000.0),
)
def test_a_site_that_falls_at_one_moment_is_one_alarm_whatever_the_phases(
    phases: list[float], moment: float, duration: float
) -> None:
    away = ((moment, moment + duration),)
    hubs = [Hub(f"s{n}", phase=phase, groups=((SITE, "school"),), away=away) for n, phase in enumerate(phases)]
    backend = Backend([*hubs, Hub("elsewhere")]).until(moment + 180.0)
    assert backend.begun() == [(SITE, "school")]
    backend.until(moment + duration + 400.0)
    assert backend.begun() == [(SITE, "school")]
    assert backend.opened == {}


def test_the_twin_that_tells_each_hub_as_soon_as_it_is_overdue_tells_some_of_a_site_singly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(silences, "TOGETHER_S", 0.0)
    assert {key[0] for key in Backend(site(10, away=((1000.0, 2000.0),))).until(1200.0).begun()} > {SITE}


def test_a_clock_that_is_set_makes_nobody_silent() -> None:
    backend = Backend(site(4)).until(1000.0)
    signs = [hub.sign(1000.0, 0.0) for hub in backend.hubs]
    for leap in (86_400.0, -86_400.0):  # the states that come next are dated by the clock as it is now
        moved = [one._replace(seen_at=one.seen_at + leap, heard=one.heard + leap) for one in signs]
        assert backend.watch.look(moved, [], 1010.0).begun == []


def test_a_backend_that_was_off_waits_as_long_as_any_hub_may_be_quiet() -> None:
    hubs = site(4, away=((1000.0, 90_000.0),))
    backend = Backend(hubs, now=50_000.0).until(50_000.0 + 100.0)
    assert backend.told == []
    assert backend.until(50_000.0 + 180.0).begun() == [(SITE, "school")]


def test_what_was_silent_before_a_restart_stays_so_and_is_told_once() -> None:
    backend = Backend([Hub("a", away=((1000.0, 5000.0),)), *site(4, away=((1000.0, 5000.0),))]).until(2000.0)
    assert set(backend.opened) == {(HUB, "a"), (SITE, "school")}
    before = list(backend.told)
    backend.watch = SilenceWatch()
    assert backend.until(4000.0).told == before
    assert backend.until(6000.0).opened == {}


def test_states_that_are_held_back_and_played_later_do_not_hide_a_silence() -> None:
    backend = Backend([Hub("a", old_from=1000.0)]).until(1000.0 + 900.0)
    assert backend.begun() == [(HUB, "a")]


def test_a_hub_that_comes_back_after_a_day_is_not_taken_for_held_back() -> None:
    hub = Hub("a", away=((1000.0, 90_000.0),))
    backend = Backend([hub]).until(89_990.0)
    first = hub.sign(90_010.0, 0.0)._replace(heard=WALL + 990.0)  # made before it was answered
    verdict = backend.watch.look([first], list(backend.opened.values()), 90_010.0)
    assert [(one.scope, one.name) for one in verdict.ended] == [(HUB, "a")]
    assert backend.until(91_000.0).opened == {}


def test_hubs_whose_states_could_not_be_stored_are_counted_anew() -> None:
    backend = Backend(site(4, away=((1000.0, 1500.0),))).until(1100.0)
    backend.watch.forget()
    assert backend.until(1200.0).told == []


def signs(desk: Desk) -> list[Sign]:
    from backend.storage.opening import open_queries

    with open_queries(desk.address).snapshot() as now:
        return StateReader().signs(now.hubs(), {})


def test_an_alarm_is_raised_once_and_cleared_by_itself(desk: Desk) -> None:
    sender = desk.enrol()
    desk.state(sender, sender.state(every=30))
    watch, storage = SilenceWatch(), desk.ingest.storage
    for moment in (0.0, 200.0, 210.0):
        silences.apply(storage, watch.look(signs(desk), storage.silences.open(), moment), WALL + moment)
    assert desk.alarms() == ["silent"]
    (alarm,) = desk.views.alarms()
    assert alarm["hub"] == sender.hub
    assert alarm["detail"].code == "hub-silent"
    desk.state(sender, sender.state(every=30))
    silences.apply(storage, watch.look(signs(desk), storage.silences.open(), 220.0), WALL + 220.0)
    assert desk.alarms() == []
    assert storage.silences.open() == []


def test_a_silence_that_finds_no_room_among_the_alarms_is_told_once_there_is_some(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "MAX_OPEN_ALARMS", 2)
    storage = desk.ingest.storage
    three = [silences.Silence((SITE, name), WALL, 2, 2, 0.0) for name in "abc"]
    silences.apply(storage, silences.Verdict(three, [], [], 6), WALL)
    assert [one.name for one in storage.silences.open()] == ["a", "b"]
    over = [one for one in storage.silences.open() if one.name == "a"]
    silences.apply(storage, silences.Verdict(three[2:], over, [(SITE, "a")], 4), WALL + 10.0)
    assert [one.name for one in storage.silences.open()] == ["b", "c"]
    assert desk.alarms() == ["silent", "silent"]


def test_a_revoked_hub_is_no_longer_waited_for(desk: Desk) -> None:
    sender = desk.enrol()
    desk.state(sender, sender.state(every=30))
    watch, storage = SilenceWatch(), desk.ingest.storage
    for moment in (0.0, 200.0):
        silences.apply(storage, watch.look(signs(desk), storage.silences.open(), moment), WALL + moment)
    desk.ingest.registry.revoke(sender.hub, 1.0)
    assert signs(desk) == []
    said = silences.apply(storage, watch.look([], storage.silences.open(), 210.0), WALL + 210.0)
    assert desk.alarms() == []
    assert [one.code for one in said] == ["silence-over"]


@pytest.mark.of_files
def test_a_state_that_the_disk_damaged_makes_its_hub_one_of_unknown_period(desk: Desk) -> None:
    sender = desk.enrol()
    desk.state(sender, sender.state(every=30))
    desk.sql("update hubs set state = x'00'")
    (sign,) = signs(desk)
    assert (sign.every, sign.heard) == (METERED_S, 0.0)
