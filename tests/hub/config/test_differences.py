"""Whatever differs is taken up by an instance, by a part, or is named as waiting for a restart: nothing is silent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hub.config.differences import ADDED, CHANGED, INSTANCES, LIVE, REMOVED, Differences, differences
from hub.config.instances import Models
from hub.config.load import Loaded, load
from hub.config.model import Core

from .conftest import Radio

Two = Callable[[str], Differences]


@pytest.fixture
def to(write: Callable[..., Path], models: Models, base: str, monkeypatch: pytest.MonkeyPatch) -> Two:
    def loaded(text: str, **environ: str) -> Loaded:
        return load(write(text), models, environ=environ)

    def to(text: str) -> Differences:
        return differences(loaded(base), loaded(text))

    return to


def test_what_is_only_written_differently_is_no_difference(to: Two, base: str) -> None:
    found = to("# a comment\n" + base.replace("{host: 192.0.2.1}", "\n    host: '192.0.2.1'"))
    assert not found
    assert found == Differences()


def test_an_instance_is_added_changed_removed_one_by_one(to: Two, base: str) -> None:
    assert [*to(base.replace("devices:", "  radio: {}\ndevices:")).instances] == [("integration", "radio", ADDED)]
    assert [*to(base.replace("192.0.2.1", "192.0.2.9")).instances] == [("integration", "meter", CHANGED)]
    gone = to(base[: base.index("integrations:")])
    assert [*gone.instances] == [("integration", "meter", REMOVED)]
    assert "devices" in gone.parts
    off = to(base.replace("{host: 192.0.2.1}", "{host: 192.0.2.1, enabled: false}"))
    assert [*off.instances] == [("integration", "meter", REMOVED)]


def test_how_an_instance_reports_is_the_plans_business_and_does_not_replace_it(to: Two, base: str) -> None:
    found = to(base.replace("192.0.2.1}", "192.0.2.1, report: {period: 5min}}"))
    assert found.instances == []
    assert found.parts == ["report"]


def test_the_value_of_a_secret_counts(write: Callable[..., Path], models: Models, base: str) -> None:
    text = base.replace("192.0.2.1}", "192.0.2.1, password: !secret meter}")
    one, two = (load(write(text), models, environ={"ILOT_SECRET_METER": value}) for value in ("first", "second"))
    assert [*differences(one, two).instances] == [("integration", "meter", CHANGED)]
    assert not differences(one, one)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("hub: {state_dir: elsewhere}\n", "hub.state_dir"), ("buffer: {window: 17s}\n", "buffer.window"),
        ("history: {hours: 800d}\n", "history.hours"), ("admission: {hold: 30h}\n", "admission.hold"),
    ],
)  # fmt: skip
def test_what_only_a_start_takes_up_is_named_by_its_option(to: Two, base: str, more: str, named: str) -> None:
    found = to(base + more)
    assert found.restart == [named]
    assert found


@pytest.mark.parametrize(
    ("zones", "begun"),
    [
        ({"here": "Pacific/Noumea"}, ["late", "mail", "night"]),  # each tells times of it
        ({"there": "Pacific/Noumea"}, ["late"]),  # its quiet hours are of that site
        ({"hub": "there"}, []),  # another site on the same clock
        ({"hub": "there", "there": "Indian/Reunion"}, ["late", "mail", "night"]),
    ],
)
def test_a_notifier_goes_by_the_clock_that_the_configuration_says_by_now(
    write: Callable[..., Path], zones: dict[str, str], begun: list[str]
) -> None:
    def loaded(hub: str = "here", here: str = "Europe/Paris", there: str = "Europe/Paris") -> Loaded:
        text = f"""
hub: {{site: {hub}}}
sites: {{here: {{timezone: {here}}}, there: {{timezone: {there}}}}}
schedules:
  ours: {{weekly: {{mon-sun: ["20:00-06:00"]}}}}
  theirs: {{site: there, weekly: {{sat: ["08:00-09:00"]}}}}
notifiers: {{mail: {{type: post}}, night: {{type: post, quiet: ours}}, late: {{type: post, quiet: theirs}}}}
"""
        return load(write(text), Models(notifiers={"post": Radio}), environ={})

    assert not differences(loaded(), loaded())
    found = differences(loaded(), loaded(**zones))
    assert sorted(one.name for one in found.instances) == begun
    assert {one.how for one in found.instances} <= {CHANGED}


def test_neighbours_are_named_also_of_a_zone_that_goes(write: Callable[..., Path], models: Models, base: str) -> None:
    more = base.replace("{site: school}", "{site: school}\n  hall: {site: school, neighbours: {rooms: 1.0}}")
    with_hall, without = load(write(more), models, environ={}), load(write(base), models, environ={})
    assert differences(without, with_hall).restart == ["zones.hall.neighbours"]
    assert differences(with_hall, without).restart == ["zones.hall.neighbours"]


def test_what_could_lock_out_is_named(to: Two, base: str) -> None:
    found = to(base + 'web: {port: 9443}\nlink: {uplinks: {carrier: {url: "x"}}}\n')
    assert {"web", "link"} <= set(found.parts)
    assert "web" in "".join(found.lockout)
    assert "link.uplinks.carrier" in found.lockout


def test_every_section_is_live_is_of_instances_or_waits_for_a_restart() -> None:
    known = {*LIVE, *INSTANCES, "hub", "buffer", "backup", "history", "energy", "admission"}
    assert set(Core.model_fields) <= known, "say what a running hub does with it"
