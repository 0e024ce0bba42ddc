"""Routes, rota and the proof that every hour of a year has somebody: against a naive look at each minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from dispatch_kit import PLAN
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.city.dispatch import checking, plan_file
from backend.city.dispatch.plan import Person, Plan, Route, Service, Shift, Step, Swap, Times
from backend.city.dispatch.public_holidays import ALSACE_MOSELLE, FRANCE, holidays
from backend.city.dispatch.rota import Facts, begun_on, first_route, local, on_duty
from hub.core.errors import ConfigError

YEAR = datetime(2027, 1, 1, tzinfo=UTC).timestamp(), datetime(2028, 1, 1, tzinfo=UTC).timestamp()


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_holidays_are_those_of_the_calendar_of_france() -> None:
    assert {date(2027, 3, 29), date(2027, 5, 6), date(2027, 5, 17), date(2027, 7, 14)} <= holidays(FRANCE, 2027)
    assert len(holidays(FRANCE, 2027)) == 11
    assert holidays(ALSACE_MOSELLE, 2027) - holidays(FRANCE, 2027) == {date(2027, 3, 26), date(2027, 12, 26)}


def test_a_plan_whose_night_shift_hands_over_at_the_clock_change_has_somebody_at_each_hour_of_a_year() -> None:
    plan = plan_file.read_yaml(PLAN.replace(
        "  - {service: night, people: [nour]}\n",
        '  - {service: night, people: [nour], from: "07:00", to: "02:30"}\n'
        '  - {service: night, people: [paul], from: "02:30", to: "07:00"}\n',
    ))  # fmt: skip
    verdict = checking.check(plan, [], *YEAR)
    assert verdict.wrong == []
    assert verdict.holes == []
    assert verdict.hours == 8760


def test_an_hour_without_anybody_on_the_night_that_has_three_o_clock_twice_is_found_both_times() -> None:
    plan = plan_file.read_yaml(PLAN.replace(
        "  - {service: night, people: [nour]}\n",
        '  - {service: night, people: [nour], from: "03:00", to: "02:00"}\n',
    ))  # fmt: skip
    found = [one for one in checking.check(plan, [], *YEAR).holes if ("rest", 1) in one.steps]
    october = [one for one in found if at("2027-10-30T12:00+02:00") < one.begin < at("2027-11-01T00:00+01:00")]
    assert sum(one.end - one.begin for one in october) == 7200  # two o'clock comes twice
    march = [one for one in found if at("2027-03-27T12:00+01:00") < one.begin < at("2027-03-28T12:00+02:00")]
    assert march == []  # and not at all in spring
    assert len({one.begin for one in found}) == 364


def test_a_shift_that_holidays_end_leaves_a_hole_on_each_of_them() -> None:
    plan = plan_file.read_yaml(PLAN.replace(
        "  - {service: night, people: [nour]}\n", "  - {service: night, people: [nour], holidays: never}\n"
    ))  # fmt: skip
    found = {one.begin for one in checking.check(plan, [], *YEAR).holes if ("rest", 1) in one.steps}
    assert at("2027-05-01T00:00+02:00") in found
    assert at("2027-05-17T00:00+02:00") in found
    filled = plan_file.read_yaml(plan_file.written(plan) .replace(
        "routes:\n", "- {service: night, people: [paul], holidays: only}\nroutes:\n", 1)
    )  # fmt: skip
    assert [one for one in checking.check(filled, [], *YEAR).holes if ("rest", 1) in one.steps] == []


def test_leave_without_a_substitute_is_a_hole_and_a_swap_is_none() -> None:
    plan = plan_file.read_yaml(PLAN)
    begin, end = at("2027-08-02T00:00+02:00"), at("2027-08-16T00:00+02:00")
    leave = Swap(id=1, service="night", person="nour", instead="", begin=begin, end=end)
    [hole] = [one for one in checking.check(plan, [leave], *YEAR).holes if ("rest", 1) in one.steps]
    assert (hole.begin, hole.end) == (begin, end)
    swap = Swap(id=2, service="night", person="nour", instead="paul", begin=begin, end=end)
    assert checking.check(plan, [leave, swap], *YEAR).holes == []
    assert [one.id for one in on_duty(plan, [leave, swap], "night", begin)] == ["paul"]
    assert [one.id for one in on_duty(plan, [leave, swap], "night", end)] == ["nour"]


MINUTE = st.integers(0, 95).map(lambda quarter: quarter * 15)
TIMES = st.builds(
    lambda days, begin, end, holidays: Times(days=tuple(sorted(days)), begin=begin, end=end, holidays=holidays),
    st.sets(st.integers(0, 6), min_size=1), MINUTE, MINUTE, st.sampled_from(["also", "never", "only"]),
)  # fmt: skip
SHIFTS = st.lists(
    st.builds(lambda who, times: Shift(service="s", people=(who,), times=times), st.sampled_from("ab"), TIMES),
    max_size=5,
)
ZONES = st.sampled_from(["", "America/Miquelon", "Indian/Reunion", "Pacific/Marquesas"])
PERIODS = st.sampled_from(
    ["2027-03-12", "2027-11-05", "2027-03-26", "2027-10-29", "2027-05-13", "2027-12-30", "2028-02-27"]
)


@settings(max_examples=60, deadline=None)
@given(SHIFTS, st.one_of(st.none(), TIMES), PERIODS, st.integers(0, 7200), ZONES)
def test_what_the_check_finds_is_what_a_look_at_each_minute_finds(
    shifts: list[Shift], of_route: Times | None, day: str, after: int, zone: str
) -> None:
    after -= after % 60
    people = (Person(id="a", name="A", service="s", email="a@b"), Person(id="b", name="B", service="s"))
    routes = [Route(id="r", service="s", chain=(Step(), Step(after_s=after)))]
    if of_route is not None:
        routes.insert(0, Route(id="q", service="s", rules=("x",), times=of_route, chain=(Step(),)))
    plan = Plan(
        services=(Service(id="s", name="S", zone=zone),), people=people, rota=tuple(shifts), routes=tuple(routes)
    )
    begin = datetime.fromisoformat(f"{day}T00:00+00:00").timestamp()
    end = begin + 4 * 86_400
    verdict = checking.check(plan, [], begin, end)
    assert verdict.wrong == []
    for route in routes:
        for number, step in enumerate(route.chain, 1):
            found = [one for one in verdict.holes if (route.id, number) in one.steps]
            moment = begin
            while moment < end:
                matches = begun_on(route.times, local(plan, moment, "s")) is not None
                expected = matches and not checking.reaches(plan, step, route, [], moment + step.after_s)
                assert any(one.begin <= moment + step.after_s < one.end for one in found) == expected
                moment += 60 * 15 if step.after_s % 900 == 0 else 60


@settings(max_examples=200, deadline=None)
@given(TIMES, st.datetimes(datetime(2027, 1, 1), datetime(2028, 1, 1)))
def test_a_period_covers_a_moment_when_some_day_of_it_does(times: Times, moment: datetime) -> None:
    plan = Plan()
    stamp = moment.replace(tzinfo=UTC).timestamp()
    now = local(plan, stamp)
    covered = False
    for day in (now.day, now.day - timedelta(1)):
        length = (times.end - times.begin) % 1440 or 1440
        since = (now.day - day).days * 1440 + now.minute - times.begin
        free = day in holidays(FRANCE, day.year)
        on = (
            free
            if times.holidays == "only"
            else day.weekday() in times.days and not (free and times.holidays == "never")
        )
        covered |= on and 0 <= since < length
    assert (begun_on(times, now) is not None) == covered


OVERSEAS = """
zone: Europe/Paris
services:
  waste: {name: Propreté}
  islands: {name: Saint-Pierre, zone: America/Miquelon}
people:
  jeanne: {name: Jeanne, service: waste, email: j@ville.example}
  paul: {name: Paul, service: islands, email: p@ville.example}
  nour: {name: Nour, service: islands, sms: "+33612345678"}
rota:
  - {service: waste, people: [jeanne]}
  - {service: islands, people: [paul], from: "02:30", to: "14:30"}
  - {service: islands, people: [nour], from: "14:30", to: "02:30"}
routes:
  - {id: night, service: islands, rules: [port], from: "22:00", to: "06:00", chain: [{by: [email, sms]}]}
  - {id: rest, service: waste, chain: [{by: [email]}]}
"""


def test_a_rota_is_of_its_service_s_zone_and_another_one_of_the_plan_s() -> None:
    plan = plan_file.read_yaml(OVERSEAS)

    def who(text: str, service: str = "islands") -> list[str]:
        return [one.id for one in on_duty(plan, [], service, at(text))]

    assert who("2027-01-12T14:29-03:00") == ["paul"]
    assert who("2027-01-12T14:30-03:00") == ["nour"]
    assert who("2027-01-12T14:30+01:00") == ["paul"]  # half past ten there
    port = Facts("port", "warning")
    routes = [first_route(plan, port, at(text)) for text in ("2027-01-12T23:00-03:00", "2027-01-12T23:00+01:00")]
    assert [one and one.id for one in routes] == ["night", "rest"]
    assert plan_file.read_yaml(plan_file.written(plan)) == plan


def test_a_rota_overseas_changes_the_clock_when_its_own_zone_does() -> None:
    plan = plan_file.read_yaml(OVERSEAS)

    def handed_over(begin: str, end: str) -> list[str]:
        """Return the moments at which Paul comes after Nour."""
        found, former = [], ""
        for moment in sorted(checking.changes(plan, [], at(begin), at(end))):
            [one] = on_duty(plan, [], "islands", moment)
            if (former, one.id) == ("nour", "paul"):
                found.append(datetime.fromtimestamp(moment, UTC).isoformat())
            former = one.id
        return found

    # Miquelon skips 02:00 to 03:00 on 14 March and repeats 01:00 to 02:00 on 7 November; Paris does so in other weeks
    assert handed_over("2027-03-14T00:00-03:00", "2027-03-15T12:00-02:00") == [
        "2027-03-14T05:00:00+00:00", "2027-03-15T04:30:00+00:00",
    ]  # fmt: skip
    assert handed_over("2027-11-07T00:00-02:00", "2027-11-08T12:00-03:00") == [
        "2027-11-07T05:30:00+00:00", "2027-11-08T05:30:00+00:00",
    ]  # fmt: skip
    assert handed_over("2027-03-28T00:00-02:00", "2027-03-28T12:00-02:00") == ["2027-03-28T04:30:00+00:00"]
    assert handed_over("2027-10-31T00:00-02:00", "2027-10-31T12:00-02:00") == ["2027-10-31T04:30:00+00:00"]
    verdict = checking.check(plan, [], *YEAR)
    assert (verdict.wrong, verdict.holes) == ([], [])


def test_the_hour_that_comes_twice_overseas_is_without_anybody_twice() -> None:
    text = OVERSEAS.replace('from: "14:30", to: "02:30"', 'from: "14:30", to: "01:00"')
    text = text.replace('from: "02:30", to: "14:30"', 'from: "02:00", to: "14:30"')
    found = [one for one in checking.check(plan_file.read_yaml(text), [], *YEAR).holes if one.service == "islands"]
    lengths = {one.begin: one.end - one.begin for one in found}
    assert lengths[at("2027-11-07T01:00-02:00")] == 7200
    assert sorted(set(lengths.values())) == [3600, 7200]
    assert lengths[at("2027-03-14T01:00-03:00")] == 3600  # followed by three o'clock


def test_a_zone_of_a_service_that_is_none_is_refused() -> None:
    plan = plan_file.read_yaml(OVERSEAS.replace("America/Miquelon", "America/Nowhere"))
    assert [one.code for one in checking.errors(plan)] == ["routes-zone-unknown"]


def test_a_route_of_the_same_hours_in_another_zone_takes_nothing_from_the_next() -> None:
    hours = 'rules: [port], from: "22:00", to: "06:00"'
    first = f"  - {{id: night, service: islands, {hours}, chain: [{{by: [email, sms]}}]}}\n"
    second = f"  - {{id: here, service: waste, {hours}, chain: [{{by: [email]}}]}}\n"
    assert checking.errors(plan_file.read_yaml(OVERSEAS.replace(first, first + second))) == []
    same = OVERSEAS.replace(", zone: America/Miquelon", "").replace(first, first + second)
    assert [one.code for one in checking.errors(plan_file.read_yaml(same))] == ["routes-never-reached"]


def test_turns_go_by_weeks_from_the_first_and_a_night_belongs_to_the_day_on_which_it_began() -> None:
    plan = plan_file.read_yaml(PLAN.replace(
        "  - {service: night, people: [nour]}\n",
        "  - {service: night, people: [nour, paul, jeanne], turn: week, since: 2027-01-04,"
        ' from: "17:00", to: "08:00"}\n',
    ))  # fmt: skip

    def who(text: str) -> list[str]:
        return [one.id for one in on_duty(plan, [], "night", at(text))]

    assert who("2027-01-04T18:00+01:00") == ["nour"]
    assert who("2027-01-11T07:59+01:00") == ["nour"]  # the night of Sunday ends on Monday
    assert who("2027-01-11T08:00+01:00") == []
    assert who("2027-01-11T17:00+01:00") == ["paul"]
    assert who("2027-01-25T17:00+01:00") == ["nour"]


def test_the_first_route_that_matches_is_taken() -> None:
    plan = plan_file.read_yaml(PLAN)
    route = first_route(plan, Facts("bin-full", "warning"), YEAR[0])
    assert route is not None
    assert route.id == "bins"
    assert first_route(plan, Facts("anything", "info"), YEAR[0]) is plan.routes[-1]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("routes:\n  - {id: x, service: y, dyas: mon}", "routes-key-unknown", 2),
        ('rota:\n\n  - {service: a, people: [b], from: "25:00"}', "routes-clock", 3),
        ("people:\n  x:\n    name: X\n    service: s\n    sms: '0612'", "routes-value-wrong", 5),
        ("a: [", "routes-no-yaml", 1),
        ("routes: {a: {service: s, chain: [{by: pigeon}]}}", "routes-value-wrong", 1),
        ("- a\n- b", "routes-no-mapping", 1),
    ],
)
def test_an_error_of_a_file_names_its_line(text: str, code: str, line: int) -> None:
    with pytest.raises(ConfigError) as refused:
        plan_file.read_yaml(text, "plan.yaml")
    first = refused.value.problems[0]
    assert (getattr(first.message, "code", ""), first.line, first.file) == (code, line, "plan.yaml")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (PLAN.replace("  - {id: rest, service: night, chain: [{by: email}]}\n", ""), "routes-no-catch-all"),
        (PLAN.replace("people: [nour]", "people: [nuor]"), "routes-no-person"),
        (PLAN.replace("service: heat, people", "service: haet, people"), "routes-no-service"),
        (
            PLAN.replace("routes:\n", "routes:\n  - {id: all, service: night, chain: [{by: email}]}\n"),
            "routes-never-reached",
        ),
        (PLAN.replace("Europe/Paris", "Europe/Pariss"), "routes-zone-unknown"),
    ],
)
def test_a_plan_that_cannot_work_is_refused(text: str, code: str) -> None:
    assert next(one.code for one in checking.errors(plan_file.read_yaml(text))) == code


def test_a_plan_is_written_as_it_was_read_and_a_table_replaces_its_part() -> None:
    plan = plan_file.read_yaml(PLAN)
    assert plan_file.read_yaml(plan_file.written(plan)) == plan
    table = (
        "id;rules;service;days;from;to;crew;chain\n"
        "bins;bin-* can-*;waste;lun-ven;08:00;17:00;oui;0:email 15m:sms@night\n"
        "rest;;night;;;;;0:email,sms\n"
    )
    made = plan_file.read_csv(table, plan)
    assert made.people == plan.people
    assert made.routes[0].rules == ("bin-*", "can-*")
    assert made.routes[0].times == Times(days=(0, 1, 2, 3, 4), begin=480, end=1020)
    assert made.routes[0].chain[1] == Step(after_s=900, channels=("sms",), service="night")
    with pytest.raises(ConfigError) as refused:
        plan_file.read_csv(table.replace("lun-ven", "hier"), plan, "routes.csv")
    assert (refused.value.problems[0].line, refused.value.problems[0].column) == (2, 4)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=400))
def test_any_text_is_a_plan_or_an_error_with_a_line(text: str) -> None:
    for read in (plan_file.read_yaml, lambda given: plan_file.read_csv(given, Plan())):
        try:
            read(text)
        except ConfigError as error:
            places = [(one.line, one.column) for one in error.problems]
        else:
            places = []
        assert all(line >= 1 and column >= 1 for line, column in places)
