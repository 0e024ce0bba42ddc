from __future__ import annotations

import contextlib
import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from hub.config.document import MAX_DEPTH
from hub.config.positions import Finding, Lines, Positions, SecretRef, dotted
from hub.config.scalars import resolve
from hub.config.source import MAX_BYTES, MAX_FILES, Source, digest, parse, read, unchanged
from hub.core.errors import ConfigError, Problem

Write = Callable[..., Path]


def refused(text: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return caught.value.problems


def bad(path: Path) -> list[Problem]:
    """Problems of a configuration, whether or not they let the rest be read."""
    try:
        problems = read(path).problems
    except ConfigError as error:
        problems = error.problems
    assert problems
    return problems


# Whatever the text

YAMLISH = st.text(alphabet="ab:-?[]{},&*!|>'\"%@`#\\ \t\n\r<~0.1xeu\x85\u2028\x00\x1b\ufeffé", max_size=60)
CHUNKS = st.lists(
    st.sampled_from(
        [
            "a: ",
            "- ",
            "\n",
            "  ",
            "[",
            "]",
            "{",
            "}",
            "!secret ",
            "!include x",
            "&a ",
            "*a",
            "<<: ",
            '"\\U99999999"',
            "? ",
            "'",
            "| \n",
            "---\n",
            "...\n",
            "%YAML 1.1\n",
            "%TAG ! x:\n",
            "!!binary ",
            "0x",
            "1e999",
            '"\\ud800"',
        ]
    ),
    max_size=25,
).map("".join)


@given(st.one_of(YAMLISH, CHUNKS, st.text(max_size=60)))
@settings.get_profile("hostile")
def test_any_text_is_data_or_a_config_error_with_a_place(text: str) -> None:
    try:
        data = parse(text)
    except ConfigError as error:
        lines = Lines(text).text
        for problem in error.problems:
            assert problem.message
            assert 1 <= problem.line <= len(lines)
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
    else:
        assert all(isinstance(leaf, (str, int, float, bool, SecretRef, type(None))) for leaf in leaves(data))


def leaves(data: Any) -> list[Any]:
    if isinstance(data, dict):
        assert all(isinstance(key, str) and key for key in data)
        return [leaf for value in data.values() for leaf in leaves(value)]
    return [leaf for value in data for leaf in leaves(value)] if isinstance(data, list) else [data]


@given(st.binary(max_size=80))
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with contextlib.suppress(ConfigError):
        assert isinstance(read(path), Source)


TEXT = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"]), max_size=20)
KEY = TEXT.filter(lambda text: text not in ("", "<<"))
SCALAR = st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | TEXT
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
DATA = st.recursive(
    SCALAR | NUMBER, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEY, inner, max_size=4), max_leaves=15
)


@given(DATA)
@settings(max_examples=400, deadline=None)
def test_nested_data_written_as_json_is_read_as_it_was(data: Any) -> None:
    assert parse(json.dumps(data, ensure_ascii=False)) == data


@given(DATA)
@settings(max_examples=400, deadline=None)
def test_nested_data_written_by_a_yaml_emitter_is_read_as_it_was(data: Any) -> None:
    out = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.dump(data, out)
    if "!!" not in out.getvalue() and "&id" not in out.getvalue():
        assert parse(out.getvalue()) == data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("12:30:00", "12:30:00"), ("2026-01-15", "2026-01-15"), ("1_000", "1_000"),
        ("007", 7), ("0o17", 15), ("0x1F", 31), ("-3", -3), ("+3", 3), ("1e3", 1000.0), (".5", 0.5), ("1.", 1.0),
        ("True", True), ("FALSE", False), ("~", None), ("Null", None), ("", None), ("'1'", "1"), ('"null"', "null"),
        ("0b11", "0b11"), ("1.2.3", "1.2.3"), ("|\n  1\n", "1\n"),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    read = parse(f"a: {text}")["a"]
    assert (read, type(read)) == (value, type(value))


@given(st.text(max_size=12))
def test_a_plain_scalar_that_is_not_null_a_bool_or_a_number_is_its_own_text(text: str) -> None:
    with contextlib.suppress(ValueError):
        value = resolve(text)
        assert value == text or not isinstance(value, str)


def test_keys_are_text_exactly_as_written() -> None:
    assert parse("1: a\nno: b\n0x1: c\n'1.0': d\n~: e\n") == {"1": "a", "no": "b", "0x1": "c", "1.0": "d", "~": "e"}


# What is refused, and where


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a: &x 1\nb: *x\n", 1, 4, "anchor"),
        ("a: *x\n", 1, 4, "alias"),
        ("a: 1\nb: 2\na: 3\n", 3, 1, "'a' stands here a second time; the first is at line 1"),
        ("<<: {a: 1}\n", 1, 1, "merge key"),
        ("a: !!python/object:os.system x\n", 1, 4, "tag '!!python/object:os.system' is not known"),
        ("a: !secrte x\n", 1, 4, "!secret and !include"),
        ("a: !secret [x]\n", 1, 4, "before a list or a mapping"),
        ("a: !secret 'a b'\n", 1, 4, "letters, digits"),
        ("? [1, 2]\n: x\n", 1, 3, "a key is plain text"),
        ("a:\n\tb: 1\n", 2, 1, "a tab stands here"),
        ("a: b: c\n", 1, 5, "this ':' is out of place"),
        ("ok: 1\na: 'x\nb: 1\n", 2, 4, "never closed"),
        ("a: [1, 2\nb: 1\n", 2, 2, "'[' at line 1 is not closed"),
        ("a: {x: 1\nb: 2", 2, 2, "'{' at line 1 is not closed"),
        ("a:\n    b: 1\n   c: 2\n", 3, 4, "not indented like the ones before"),
        ("a: - b\n", 1, 4, "a list starts on a line of its own"),
        ("a: @x\n", 1, 4, "put the text in quotes"),
        ("a: 1\n---\nb: 2\n", 2, 1, "a second document"),
        ("%YAML 1.1\n---\na: 1\n", 2, 1, "YAML 1.2"),
        ("a: .inf\n", 1, 4, "finite"),
        ("a: 1e400\n", 1, 4, "too large"),
        ("a: 99999999999999999999\n", 1, 4, "64 bits"),
        ("a: " + "9" * 5000, 1, 4, "64 bits"),
        ("a: \x07\n", 1, 4, "U+0007"),
        ('a: "\\ud800"\n', 1, 4, "surrogate"),
        ('a: "\\U99999999"\n', 1, 1, "not valid YAML"),
        ("é: 1\nb: \u2028x\nc: *y\n", 3, 4, "alias"),
    ],
)  # fmt: skip
def test_what_is_refused_says_where_and_why(text: str, line: int, column: int, words: str) -> None:
    problem = refused(text)[0]
    assert words in problem.message
    assert (problem.line, problem.column) == (line, column)
    assert problem.source == Lines(text).text[line - 1]


def test_a_misspelt_tag_names_the_right_one() -> None:
    assert refused("a: !secrte x\n")[0].suggestion == "!secret"


def test_all_that_leaves_the_text_readable_is_told_at_once() -> None:
    problems = refused("a: *x\nb: &y 1\nc: 1\nc: 2\nd: !what x\ne: .nan\n")
    assert [problem.line for problem in problems] == [1, 2, 4, 5, 6]


def test_an_alias_bomb_is_refused_before_it_is_built() -> None:
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
    bomb += "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    started = time.process_time()
    assert len(refused(bomb)) == 12 + 11 * 9
    assert time.process_time() - started < 5


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_a_deep_text_is_refused_before_it_costs(opening: str) -> None:
    started = time.process_time()
    assert "levels within each other" in refused(opening * (MAX_BYTES // len(opening)))[0].message
    assert time.process_time() - started < 2


def test_the_deepest_that_is_allowed_is_read() -> None:
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None
    assert "levels" in refused("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))[0].message


def test_every_key_and_value_has_its_place(write: Write) -> None:
    path = write("a:\n  b: [1, {c: x}]\n  d:\n")
    positions = read(path).positions
    assert positions.keys[("a", "b")][1:] == (2, 3)
    assert positions.values[("a", "b", 0)][1:] == (2, 7)
    assert positions.values[("a", "b", 1, "c")][1:] == (2, 14)
    assert positions.spot(("a", "d")) == positions.keys[("a", "d")]
    assert positions.spot(("a", "b", 7, "gone")) == positions.keys[("a", "b")]


def test_a_path_is_written_as_people_write_it() -> None:
    assert dotted(("devices", "modbus:m", "settings", "registers", 0, "unit")) == (
        'devices["modbus:m"].settings.registers[0].unit'
    )


def test_a_finding_without_a_file_still_says_its_path() -> None:
    (problem,) = Positions().problems([Finding(("a", 1), "is wrong")])
    assert (str(problem), problem.path, problem.line) == ("is wrong", "a[1]", 0)


# Files


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert "there is no such file" in bad(tmp_path / "config.yaml")[0].message


def test_a_file_larger_than_256_kb_is_refused(write: Write) -> None:
    assert read(write("# " + "x" * (MAX_BYTES - 2))).data is None
    assert "larger than 256 KB" in bad(write("# " + "x" * (MAX_BYTES - 1)))[0].message


def test_a_file_that_is_not_utf_8_is_refused(write: Write) -> None:
    assert "not UTF-8 text (byte 3)" in bad(write(b"a: \xff"))[0].message


def test_a_byte_order_mark_is_passed_over(write: Write) -> None:
    assert read(write(b"\xef\xbb\xbfa: 1")).data == {"a": 1}


def test_a_pipe_or_a_directory_is_no_file_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.yaml")
    assert "not a regular file" in bad(tmp_path / "config.yaml")[0].message
    assert bad(tmp_path)


def test_an_included_file_takes_the_place_of_a_value_and_keeps_its_name(write: Write) -> None:
    write("x: 1\ny: *z\n", "more/part.yaml")
    source = read(write("a: 1\nb: !include more/part.yaml\n"))
    assert source.data == {"a": 1, "b": {"x": 1, "y": None}}
    (problem,) = source.problems
    assert problem.file.endswith("more/part.yaml")
    assert (problem.line, problem.path, problem.source) == (2, "b.y", "y: *z")
    assert set(source.files) == {"config.yaml", "more/part.yaml"}


def test_a_broken_included_file_does_not_hide_what_else_is_wrong(write: Write) -> None:
    write("x: [1\n", "part.yaml")
    problems = bad(write("b: !include part.yaml\na: *x\n"))
    assert [Path(problem.file).name for problem in problems] == ["config.yaml", "part.yaml"]


@pytest.mark.parametrize(
    "name", ["../outside.yaml", "/etc/passwd", "link.yaml", "sub/../../outside.yaml", "''", "a\\0"]
)
def test_nothing_outside_the_directory_is_included(write: Write, tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.yaml").write_text("secret: 1")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/link.yaml").symlink_to(tmp_path / "outside.yaml")
    quoted = f'"{name}"' if "\\" in name else name
    (problem,) = bad(write(f"a: !include {quoted}\n", "in/config.yaml"))
    assert "directory" in problem.message
    assert "secret: 1" not in str(problem)
    assert (problem.line, problem.column) == (1, 4)


def test_files_that_include_each_other_are_refused(write: Write) -> None:
    write("b: !include config.yaml\n", "part.yaml")
    (problem,) = bad(write("a: !include part.yaml\n"))
    assert "config.yaml → part.yaml → config.yaml" in problem.message


def test_including_twice_as_much_each_time_ends(write: Write) -> None:
    for n in range(12):
        write(f"a: !include {n + 1}.yaml\nb: !include {n + 1}.yaml\n", f"{n}.yaml")
    write("x: 1\n", "12.yaml")
    assert any(f"more than {MAX_FILES} files" in problem.message for problem in bad(write("a: !include 0.yaml\n")))


def test_depth_counts_across_included_files(write: Write) -> None:
    write("[" * 15 + "]" * 15, "part.yaml")
    assert "levels" in bad(write("[" * 6 + "!include part.yaml" + "]" * 6))[0].message
    assert read(write("[" * 5 + "!include part.yaml" + "]" * 5)).problems == []


def test_the_secrets_file_is_never_included(write: Write) -> None:
    write("wifi: hunter2hunter2\n", "secrets.yaml")
    (problem,) = bad(write("a: !include secrets.yaml\n"))
    assert "never included" in problem.message


def test_the_digest_changes_with_any_file_and_its_name(write: Write) -> None:
    write("x: 1\n", "part.yaml")
    path = write("a: !include part.yaml\n")
    before = read(path)
    assert unchanged(path, before.files)
    write("x: 2\n", "part.yaml")
    assert not unchanged(path, before.files)
    assert read(path).digest != before.digest
    assert digest({"a": "1"}) != digest({"b": "1"})
    assert not unchanged(path, {})
