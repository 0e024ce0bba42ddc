from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field

from hub.config.build import build
from hub.config.instances import Models
from hub.config.load import Loaded, load
from hub.config.sections import CORE_KEYS
from hub.core.errors import ConfigError, Problem
from hub.core.model import Device, Place, Position
from hub.sdk.options import Config

Read = Callable[..., Loaded]
Wrong = Callable[..., list[Problem]]
Write = Callable[..., Path]


def test_a_configuration_is_typed_and_joined(read: Read, base: str) -> None:
    loaded = read(base)
    assert loaded.places == [
        Place(id="room-1", site="school", zone="rooms", position=Position(latitude=48.85, longitude=2.35))
    ]
    (device,) = loaded.devices
    assert device == Device(
        id="meter:main", integration="meter", place="room-1", settings={"unit": 3, "every": timedelta(minutes=1)}
    )
    (instance,) = loaded.integrations
    assert (instance.name, instance.type, instance.enabled, instance.isolation) == ("meter", "meter", True, None)
    assert instance.config.host == "192.0.2.1"
    assert loaded.config.buffer.window_size == 262144
    assert loaded.config.zones["rooms"].personal == {}
    assert loaded.config.sites["school"].timezone == "Europe/Paris"


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "hub:\nsites:\nlink:\nbuffer:\n", "integrations:\n  radio:\n", "{}"]
)
def test_what_is_left_empty_has_its_defaults(read: Read, text: str) -> None:
    loaded = read(text)
    assert loaded.config.buffer.window == timedelta(seconds=5)
    assert loaded.state_dir == Path("/var/lib/ilot")
    assert [i.name for i in loaded.integrations] == (["radio"] if "radio" in text else [])


def test_a_relative_state_directory_starts_at_the_file(read: Read, tmp_path: Path) -> None:
    assert read("hub: {state_dir: state}").state_dir == tmp_path / "state"


def test_two_instances_of_one_type_each_have_their_own_keys(read: Read) -> None:
    loaded = read(
        "integrations:\n"
        "  one: {type: meter, host: a, enabled: false, isolation: process}\n"
        "  two: {type: meter, host: b, interval: 2min,"
        " perimeter: {kind: locked room, declared_by: Town, declared_on: 2026-01-31}}\n"
    )
    one, two = loaded.integrations
    assert (one.type, one.config.host, one.enabled, one.isolation) == ("meter", "a", False, "process")
    assert one.perimeter is None
    assert two.config.interval == timedelta(minutes=2)
    assert two.perimeter is not None
    assert two.perimeter.declared_on == date(2026, 1, 31)


def test_an_uplink_has_its_own_options(read: Read) -> None:
    (uplink,) = read("link: {uplinks: {carrier: {url: 'https://x'}}}").uplinks
    assert (uplink.name, uplink.config.url) == ("carrier", "https://x")


@pytest.mark.parametrize("text", ["30s", "0.5min", "PT30S", "30", "30 s", "30000ms"])
def test_a_plain_timedelta_of_a_plugin_is_written_like_any_duration(read: Read, text: str) -> None:
    loaded = read(f"integrations: {{meter: {{host: x, interval: {text}}}}}")
    assert loaded.integrations[0].config.interval == timedelta(seconds=30)


SENTENCES: list[tuple[str, str, str, str]] = [
    # replace this, by that (§ is where the problem stands); sentence; did you mean
    ("sites:", "§hubb: {}\nsites:", "'hubb' is not an option of the configuration; there are", "hub"),
    ("{site: school}", "{site: §scool}", "there is no site 'scool' in `sites`; there is school", "school"),
    ("rooms: {site: school}", "§rooms: {}", "'site' is missing here: the site it belongs to: an id of `sites`", ""),
    ("{site: school}", "{site: school, personal: {co2: §''}}", "needs at least 1 character", ""),
    ("{site: school}", "{site: school, personal: {§CO2: air}}", "a metric is letters from a to z", ""),
    ("zone: rooms", "zone: §room", "there is no zone 'room' in `zones`; there is rooms", "rooms"),
    ("place: room-1", "place: §room-2", "there is no place 'room-2'", "room-1"),
    ("integration: meter", "integration: §metre", "there is no integration 'metre' in `integrations`", "meter"),
    ("{host: 192.0.2.1}", "{§hots: x}", "'hots' is not an option of integration 'meter'; there are host, ", "host"),
    ("meter: {host: 192.0.2.1}", "§meter: {}", "'host' is missing here: name or address of the meter", ""),
    ("{host: 192.0.2.1}", "{host: x, mode: §activ}", "expected active or passive; this is 'activ'", "active"),
    ("{host: 192.0.2.1}", "{host: x, §enabeld: no}", "'enabeld' is not an option of integration", "enabled"),
    ("{host: 192.0.2.1}", "{host: x, isolation: §proces}", "expected process or none; this is 'proces'", "process"),
    ("{host: 192.0.2.1}", "{host: x, enabled: §si}", "expected true or false; this is 'si'", ""),
    ("{host: 192.0.2.1}", "{host: §12}", "expected text; a number or true/false is put in quotes; this is 12", ""),
    ("{host: 192.0.2.1}", "{host: x, retries: §9}", "must be at most 5; this is 9", ""),
    ("{host: 192.0.2.1}", "{host: x, retries: §1.5}", "expected a whole number; this is 1.5", ""),
    ("{host: 192.0.2.1}", "{host: x, §retries: }", "expected a whole number; this is nothing", ""),
    ("{host: 192.0.2.1}", "{host: x, also: §a}", "expected a list: lines that start with '- ' below it; this is", ""),
    ("{host: 192.0.2.1}", "{host: x, interval: §5m}", "expected a duration with its unit (ms, s, min, h, d)", ""),
    ("{host: 192.0.2.1}", "{host: x, interval: §500ms}", "must be at least 1s; this is '500ms'", ""),
    ("{host: 192.0.2.1}", "§x", "expected a mapping: lines of 'key: value' below it; this is 'x'", ""),
    ("  meter: {host", "  §metre: {host", "no integration 'metre' is installed", "meter"),
    ("{host: 192.0.2.1}", "{type: §metre, host: x}", "'metre' is installed; installed: meter and radio", "meter"),
    ("{unit: 3}", "{§unti: 3}", "'unti' is not an option of the settings of 'meter' devices; there are unit", "unit"),
    ("{unit: 3}", "{unit: §0}", "must be at least 1; this is 0", ""),
    ("meter:main:\n    integration: meter\n    place: room-1\n    settings: {unit: 3}\n",
     "§meter:main:\n    integration: meter\n    place: room-1\n", "'unit' is missing here", ""),
    ("latitude: 48.85", "latitude: §98", "must be at most 90; this is 98", ""),
    ("meter:main", "§main", "a device id is scheme:identifier, like ble:A4:C1:38:01:02:03", ""),
    ("room-1: {", "§'room 1': {", "an id is letters", ""),
    ("{name: School}", "{timezone: §Europe/Pari}", "expected a time zone of the IANA database", ""),
    ("{name: School}", "§[School]", "expected a mapping", ""),
    ("places:\n  room-1", "places:\n  room-1: {zone: rooms}\n  §room-1",
     "'room-1' stands here a second time; the first is at line 6", ""),
    ("sites:", "link: {uplinks: {§carier: {url: x}}}\nsites:", "no uplink 'carier' is installed", "carrier"),
    ("sites:", "link: {uplinks: {§carrier: {}}}\nsites:", "'url' is missing here", ""),
    ("sites:", "link: {uplinks: {carrier: §x}}\nsites:", "expected a mapping", ""),
    ("sites:", "buffer: {window: §5}\nsites:", "expected a duration with its unit (ms, s, min, h, d), like 5s", ""),
    ("sites:", "buffer: {window: §5m}\nsites:", "expected a duration with its unit (ms, s, min, h, d): 5min", ""),
    ("sites:", "buffer: {window: §6min}\nsites:", "must be at most 5min; this is '6min'", ""),
    ("sites:", "buffer: {window_size: §256}\nsites:", "expected a size with its unit", ""),
    ("sites:", "buffer: {window_size: §1B}\nsites:", "must be at least 4KB; this is '1B'", ""),
    ("sites:", "buffer: §{max_size: 1MB}\nsites:", "at least four segments", ""),
    ("sites:", "hub: {site: §scholl}\nsites:", "there is no site 'scholl'", "school"),
    ("sites:", "hub: {name: §" + "x" * 101 + "}\nsites:", "takes at most 100 characters", ""),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "sentence", "near"), SENTENCES, ids=[row[1][:40] for row in SENTENCES])
def test_what_is_wrong_is_said_in_a_sentence_at_its_place(
    wrong: Wrong, base: str, old: str, new: str, sentence: str, near: str
) -> None:
    marked = base.replace(old, new, 1)
    before, _, after = marked.partition("§")
    line, column = before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1
    said = [problem for problem in wrong(before + after) if sentence in problem.message]
    assert [(p.line, p.column, p.suggestion) for p in said] == [(line, column, near)]
    assert said[0].source == (before + after).splitlines()[line - 1]
    assert said[0].file.endswith("config.yaml")


def test_everything_wrong_is_told_at_once_in_the_order_of_the_file(wrong: Wrong) -> None:
    problems = wrong(
        "hub: {naem: x}\n"
        "zones: {z: {site: nowhere}}\n"
        "places: {p: {}}\n"
        "integrations:\n"
        "  meter: {retries: x}\n"
        "  nothing: {}\n"
        "devices:\n"
        "  meter:a: {integration: meter, place: q, settings: {unit: x}, key: !secret gone}\n"
        "  radio:b: {integration: radio, place: p}\n"
        "link: {uplinks: {carrier: {}}}\n"
        "buffer: {window: x}\n"
        "odd: *alias\n"
    )
    assert [problem.line for problem in problems] == [1, 2, 3, 5, 5, 6, 8, 8, 8, 9, 10, 11, 12]


def test_what_follows_from_a_refused_part_is_not_told_again(wrong: Wrong, base: str) -> None:
    (problem,) = wrong(base.replace("  school: {name: School}\n", "  !include gone.yaml\n"))
    assert "gone.yaml cannot be read" in problem.message
    (problem,) = wrong(base.replace("{unit: 3}", "*settings"))
    assert "alias" in problem.message


def test_a_device_written_twice_in_other_capitals_is_one_device(wrong: Wrong, base: str) -> None:
    device = "  meter:MAIN: {integration: meter, place: room-1, settings: {unit: 4}}\n"
    (problem,) = wrong(base + device)
    assert "differs from 'meter:main' only by capitals" in problem.message
    assert problem.line == 14


def test_settings_where_the_integration_has_none_are_refused(wrong: Wrong, base: str) -> None:
    text = base.replace("meter: {host: 192.0.2.1}", "radio:").replace("integration: meter", "integration: radio")
    (problem,) = wrong(text)
    assert "devices of integration 'radio' have no settings" in problem.message


def test_members_of_a_union_are_told_as_one(write: Write) -> None:
    class Odd(Config):
        either: int | bool = 1

    with pytest.raises(ConfigError) as caught:
        load(write("integrations: {odd: {either: x}}"), Models({"odd": (Odd, None)}), environ={})
    assert [p.message for p in caught.value.problems] == ["expected a whole number or true or false; this is 'x'"]


def test_nested_options_of_a_plugin_have_their_nearest_right_key(write: Write) -> None:
    class Part(Config):
        address: int

    class Odd(Config):
        parts: tuple[Part, ...] = Field(min_length=1)
        named: dict[str, Part] = Field(default={})

    text = "integrations:\n  odd:\n    parts:\n      - adress: 1\n    named: {a: {address: x}}\n"
    with pytest.raises(ConfigError) as caught:
        load(write(text), Models({"odd": (Odd, None)}), environ={})
    places = sorted((p.line, p.column, p.suggestion) for p in caught.value.problems)
    assert places == [(4, 9, ""), (4, 9, "address"), (5, 26, "")]


def test_a_plugin_that_takes_the_hubs_own_keys_is_told_so(write: Write) -> None:
    class Greedy(Config):
        enabled: str = ""

    with pytest.raises(ConfigError, match=r"options named like the hub's own \(enabled\)"):
        load(write("integrations: {greedy: }"), Models({"greedy": (Greedy, None)}), environ={})
    assert "enabled" in CORE_KEYS


def test_an_error_of_the_command_line_reads_file_line_column(wrong: Wrong, base: str, tmp_path: Path) -> None:
    (problem,) = wrong(base.replace("{host: 192.0.2.1}", "{host: x, mode: activ}"))
    assert str(problem) == (
        f"{tmp_path}/config.yaml:8:26: expected active or passive; this is 'activ' (did you mean active?)"
    )
    assert problem.path == "integrations.meter.mode"


def test_problems_in_an_included_file_name_that_file(wrong: Wrong, base: str, write: Write) -> None:
    head, devices = base.split("devices:\n")
    write(re.sub(r"^  ", "", devices, flags=re.M).replace("unit: 3", "unit: x"), "devices.yaml")
    (problem,) = wrong(head + "devices: !include devices.yaml\n")
    assert Path(problem.file).name == "devices.yaml"
    assert (problem.line, problem.column) == (4, 20)


def test_equal_files_have_equal_digests_and_others_do_not(read: Read, base: str) -> None:
    assert read(base).digest == read(base).digest != read(base + "# other\n").digest


async def test_it_is_meant_for_a_thread_and_works_in_one(write: Write, models: Models, base: str) -> None:
    loaded = await asyncio.to_thread(load, write(base), models, environ={})
    assert len(loaded.devices) == 1


WORDS = st.sampled_from(
    [
        "hub",
        "sites",
        "zones",
        "places",
        "integrations",
        "devices",
        "link",
        "uplinks",
        "buffer",
        "carrier",
        "meter",
        "radio",
        "site",
        "zone",
        "place",
        "integration",
        "settings",
        "unit",
        "key",
        "type",
        "host",
        "meter:x",
    ]
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | WORDS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=30,
)


@given(st.one_of(ANY, st.dictionaries(WORDS, ANY, max_size=6)))
@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_data_is_a_configuration_or_findings(models: Models, data: Any) -> None:
    built, findings = build(data, models, set())
    assert (built is None) == bool(findings)
    assert all(finding.message for finding in findings)
