"""One option is changed; whatever a person wrote around it stays, or the change is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.config.editing import amendments
from hub.config.editing.amendments import REMOVED, Edit, amend
from hub.config.editing.comments import comments
from hub.config.editing.yaml_writer import block
from hub.config.positions import SecretRef
from hub.config.source import parse
from hub.core.errors import ConfigError

FILE = """\
# This school, written by Anne.
hub: {name: "École", site: school} # one line
sites:
  school: {name: School}

integrations:
  # The boiler's meter: ask Paul before touching.
  modbus:
    host: 192.0.2.1 # in the plant room
    interval: 30s
    # retries: 2
    also: [a, 'b # no comment']
  knx: # no options yet
web:
report:
  metrics:
    power: {on: always}
# the end
"""


def edited(tmp_path: Path, *edits: Edit, text: str = FILE) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return amend(path, edits).after.get("config.yaml", text)


def test_a_value_is_replaced_and_nothing_else_is_touched(tmp_path: Path) -> None:
    new = edited(tmp_path, Edit(("integrations", "modbus", "host"), "192.0.2.9"))
    assert new == FILE.replace("192.0.2.1 #", "192.0.2.9 #")


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        (("integrations", "modbus", "interval"), "1min", "interval: 30s", "interval: 1min"),
        (("hub", "name"), "Lycée", '"École"', "Lycée"),
        (("hub", "name"), "true", '"École"', '"true"'),
        (("hub", "site"), REMOVED, '{name: "École", site: school}', '{name: "École"}'),
        (("hub", "name"), REMOVED, '{name: "École", site: school}', "{site: school}"),
        (("integrations", "modbus", "interval"), REMOVED, "    interval: 30s\n", ""),
        (("integrations", "modbus", "also", 0), "z", "[a, ", "[z, "),
        (("integrations", "modbus", "also"), ["z"], "[a, 'b # no comment']", "[z]"),
        (("integrations", "modbus", "retries"), 3, "    also: [a, 'b # no comment']\n",
         "    also: [a, 'b # no comment']\n    retries: 3\n"),
        (("integrations", "knx"), REMOVED, "  knx: # no options yet\n", ""),
        (("integrations", "knx"), {"host": "x", "also": ["a"]}, "  knx: # no options yet\n",
         "  knx: # no options yet\n    host: x\n    also: [a]\n"),
        (("integrations", "knx", "host"), "x", "knx: # no options yet\n", "knx: # no options yet\n    host: x\n"),
        (("web", "port"), 9443, "web:\n", "web:\n  port: 9443\n"),
        (("web",), {}, "web:\n", "web: {}\n"),
        (("report", "metrics", "power"), REMOVED, "  metrics:\n    power: {on: always}\n", "  metrics: {}\n"),
        (("report", "metrics"), {}, "  metrics:\n    power: {on: always}\n", "  metrics: {}\n"),
        (("report", "metrics", "power", "on"), "change", "{on: always}", "{on: change}"),
        (("integrations", "modbus", "password"), {"!secret": "pw"}, "'b # no comment']\n",
         "'b # no comment']\n    password: !secret pw\n"),
    ],
)  # fmt: skip
def test_an_edit_changes_these_characters(tmp_path: Path, path: Any, value: Any, old: str, new: str) -> None:
    assert FILE.count(old) == 1
    assert edited(tmp_path, Edit(path, value)) == FILE.replace(old, new)


def test_a_mapping_that_is_set_keeps_the_lines_that_it_shares(tmp_path: Path) -> None:
    value = {"host": "192.0.2.1", "interval": "10s", "also": ["a", "b # no comment"]}
    assert edited(tmp_path, Edit(("integrations", "modbus"), value)) == FILE.replace("30s", "10s")


def test_equal_content_changes_nothing(tmp_path: Path) -> None:
    assert edited(tmp_path, Edit(("integrations", "modbus", "interval"), "30s")) == FILE
    assert edited(tmp_path, Edit(("nothing", "there"), REMOVED)) == FILE


def test_what_is_included_is_edited_in_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "devices.yaml").write_text("# theirs\nmeter:main: # first\n  place: room-1\n")
    path = tmp_path / "config.yaml"
    path.write_text("devices: !include devices.yaml # included\n")
    made = amend(path, [Edit(("devices", "meter:main", "place"), "room-2"), Edit(("devices", "m:2"), {"place": "r"})])
    assert made.after == {"devices.yaml": "# theirs\nmeter:main: # first\n  place: room-2\n\nm:2: {place: r}\n"} or (
        made.after["devices.yaml"].startswith("# theirs\nmeter:main: # first\n  place: room-2\n")
    )
    assert made.data["devices"] == {"meter:main": {"place": "room-2"}, "m:2": {"place": "r"}}


def test_lines_of_windows_stay_lines_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"a: 1\r\nb: # c\r\n  x: 1\r\n")
    new = amend(path, [Edit(("b",), {"y": {"z": 2}}), Edit(("a",), 2)]).after["config.yaml"]
    assert "\n" not in new.replace("\r\n", "")
    assert parse(new) == {"a": 2, "b": {"y": {"z": 2}}}


@pytest.mark.parametrize("path", [("hub", "name", "x"), ("integrations", "modbus", "also", 7)])
def test_a_path_through_what_is_no_mapping_is_refused(tmp_path: Path, path: Any) -> None:
    with pytest.raises(ConfigError, match="cannot be set"):
        edited(tmp_path, Edit(path, 1))


def test_an_edit_of_a_file_that_is_wrong_tells_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml:3"):
        edited(tmp_path, Edit(("a",), 1), text="a: 1\nb: [1\n")


# the gate, against surgeons that are broken


def test_a_surgeon_that_loses_a_comment_elsewhere_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    honest = amendments.replaced

    def careless(text: str, *rest: Any, **more: Any) -> str:
        return honest(text, *rest, **more).replace("  # The boiler's meter: ask Paul before touching.\n", "")

    monkeypatch.setattr(amendments, "replaced", careless)
    with pytest.raises(ConfigError, match=r"the comment at config\.yaml:7 would vanish"):
        edited(tmp_path, Edit(("integrations", "modbus", "interval"), "1s"))


def test_a_surgeon_that_writes_something_else_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    honest = amendments.replaced
    monkeypatch.setattr(amendments, "replaced", lambda *a, **k: honest(*a, **k).replace("School", "Schule"))
    with pytest.raises(ConfigError, match="does not say what was meant"):
        edited(tmp_path, Edit(("integrations", "modbus", "interval"), "1s"))
    monkeypatch.setattr(amendments, "replaced", lambda *a, **k: honest(*a, **k) + "\n  : [")
    with pytest.raises(ConfigError, match="not readable"):
        edited(tmp_path, Edit(("integrations", "modbus", "interval"), "1s"))


# laws

key = st.sampled_from("abcd")
scalar = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text("a #:'\"\n{[é", max_size=6))
value = st.recursive(scalar, lambda v: st.lists(v, max_size=2) | st.dictionaries(key, v, max_size=3), max_leaves=6)
tree = st.dictionaries(key, value, min_size=1, max_size=4)


def _commented(text: str) -> str:
    """Each line that ends a plain entry gets a comment above it and one behind it."""
    lines = []
    for n, line in enumerate(text.splitlines()):
        lines += [f"# above {n}", f"{line} # at {n}"]
    return "".join(f"{line}\n" for line in lines)


@settings(deadline=None, max_examples=150)
@given(tree, st.lists(key, min_size=1, max_size=3).map(tuple), st.one_of(value, st.just(REMOVED)))
def test_whatever_is_edited_the_text_says_it_and_other_comments_stay(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any], path: Any, new: Any
) -> None:
    text = _commented(block(data))
    try:
        parse(text)
    except ConfigError:
        return
    file = tmp_path_factory.getbasetemp() / "law.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        made = amend(file, [Edit(path, new)])
    except ConfigError as error:
        if "cannot be set" in str(error):
            return
        raise  # the gate: then the surgeon is wrong
    after = made.after.get("law.yaml", text)
    expected = amendments._expected(data, Edit(path, new))
    assert amendments._same(parse(after) or {}, expected or {})
    if path[0] in data:  # every comment of the other entries is there
        kept = [comment for _, comment in comments(after)]
        inside = _lines_of(text, path[0])
        assert all(comment in kept for line, comment in comments(text) if line not in inside)


def _lines_of(text: str, key: str) -> range:
    lines = text.splitlines()
    first = next(n for n, line in enumerate(lines, 1) if line.startswith(f"{key}:"))
    last = first
    for n in range(first + 1, len(lines) + 1):
        if not lines[n - 1].startswith((" ", "#")):
            break
        last = n if lines[n - 1].startswith(" ") else last
    return range(first, last + 1)


@given(tree)
@settings(max_examples=60)
def test_comments_are_found_where_they_stand(data: dict[str, Any]) -> None:
    text = block(data)
    assert not list(comments(text))
    commented = _commented(text)
    expected = [f"# {where} {n}" for n in range(text.count("\n")) for where in ("above", "at")]
    assert [comment for _, comment in comments(commented)] == expected


def test_a_secret_is_written_by_name_only(tmp_path: Path, write: Callable[..., Path]) -> None:
    path = write("a: 1\n")
    made = amend(path, [Edit(("key",), {"!secret": "k"})])
    assert "key: !secret k" in made.after["config.yaml"]
    assert made.data["key"] == SecretRef("k")
