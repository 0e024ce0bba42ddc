from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.cli.problems import render
from hub.config.last_good import LastGoodStore, remember
from hub.config.load import Loaded, Models, load
from hub.config.secrets import _read_yaml, environment_name, read_plain, read_secrets
from hub.core.errors import ConfigError, Problem

CANARY = "c0ffee00c0ffee00c0ffee00c0ffee00"
Read = Callable[..., Loaded]
Wrong = Callable[..., list[Problem]]
Write = Callable[..., Path]


def everything(error: ConfigError) -> str:
    """All that anybody could print of an error."""
    trace = "".join(traceback.format_exception(error))
    shown = render(error.problems) + render(error.problems, colour=True)
    chain = f"{error.__cause__!r}{error.__context__!r}"
    return f"{error}{error!r}{error.args}{error.problems!r}{shown}{trace}{chain}"


def test_a_secret_comes_from_secrets_yaml_beside_the_file(read: Read, base: str, write: Write) -> None:
    write(f"meter_key: {CANARY}\n", "secrets.yaml")
    loaded = read(base.replace("settings:", "key: !secret meter_key\n    settings:"))
    assert loaded.devices[0].key == bytes.fromhex(CANARY)


def test_the_environment_comes_before_secrets_yaml(read: Read, base: str, write: Write) -> None:
    write("meter-key: aa\n", "secrets.yaml")
    text = base.replace("settings:", "key: !secret meter-key\n    settings:")
    assert read(text, ILOT_SECRET_METER_KEY="bb").devices[0].key == b"\xbb"
    assert environment_name("meter-key.2") == "ILOT_SECRET_METER_KEY_2"


def test_digits_in_secrets_yaml_are_text(read: Read, base: str, write: Write) -> None:
    write("k: 00112233 # not a number\n", "secrets.yaml")
    assert read(base.replace("settings:", "key: !secret k\n    settings:")).devices[0].key == bytes.fromhex("00112233")


def test_an_unknown_secret_is_a_problem_that_names_the_nearest(wrong: Wrong, base: str, write: Write) -> None:
    write("meter_key: aa\n", "secrets.yaml")
    (problem,) = wrong(base.replace("settings:", "key: !secret meter_kye\n    settings:"))
    assert problem.suggestion == "meter_key"
    assert "ILOT_SECRET_METER_KYE" in problem.message
    assert (problem.line, problem.column) == (13, 10)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o777])
def test_secrets_that_everybody_may_use_are_not_used(wrong: Wrong, base: str, write: Write, mode: int) -> None:
    write(f"k: {CANARY}\n", "secrets.yaml", mode)
    (problem,) = wrong(base.replace("settings:", "key: !secret k\n    settings:"))
    assert "chmod 600" in problem.message
    assert f"{mode:04o}" in problem.message


def test_a_file_of_secrets_may_be_read_by_the_hubs_group(read: Read, base: str, write: Write) -> None:
    write("k: aa\n", "secrets.yaml", 0o640)
    assert read(base.replace("settings:", "key: !secret k\n    settings:")).devices[0].key == b"\xaa"


HOSTILE = [
    "a: '{0}", "a: {0}: {0}", "a: [{0}", "a: !{0}", "a: !{0} {0}", "a: *{0}", "a: &{0} {0}", "- {0}", "{0}",
    "a:\n  {0}: {0}", "a: {0}\na: {0}", "? {{ {0}: 1 }}\n: x", "\t{0}: 1", "a: {0}\x07", 'a: "{0}\\q"',
    'a: "{0}\\ud800"', "a: |\n {0}\n{0}", "a: @{0}", "a: !!str {0}", "{0} x: {0}", "a: {0}\n---\na: {0}",
    "%{0}\n---\na: {0}", "a: [{0}]", "{0}{0}{0}: x",
]  # fmt: skip


@pytest.mark.parametrize("pattern", HOSTILE)
def test_nothing_of_a_broken_secrets_file_is_shown(write: Write, models: Models, base: str, pattern: str) -> None:
    write(pattern.format(CANARY), "secrets.yaml")
    path = write(base.replace("settings:", "key: !secret zzz\n    settings:"))
    with pytest.raises(ConfigError) as caught:
        load(path, models, environ={})
    assert all(problem.source == "" for problem in caught.value.problems if problem.file.endswith("secrets.yaml"))
    assert CANARY not in everything(caught.value)


def test_not_even_utf_8_shows_nothing(write: Write, models: Models, base: str) -> None:
    write(b"k: " + CANARY.encode() + b"\xff\n", "secrets.yaml")
    with pytest.raises(ConfigError) as caught:
        load(write(base.replace("settings:", "key: !secret k\n    settings:")), models, environ={})
    assert CANARY not in everything(caught.value)


SECRET_PLACES = [
    # where the secret stands, whether it is right there
    ("devices: {meter:main: {integration: meter, place: room-1, settings: {unit: 3}, key: !secret k}}", True),
    ("integrations: {meter: {host: x, password: !secret k}}", True),
    ("link: {uplinks: {carrier: {url: x, token: !secret k}}}", True),
    ("integrations: {meter: {host: !secret k}}", False),
    ("integrations: {meter: {host: x, interval: !secret k}}", False),
    ("integrations: {meter: {host: x, mode: !secret k}}", False),
    ("integrations: {meter: {host: x, retries: !secret k}}", False),
    ("integrations: {meter: {host: x, also: [!secret k]}}", False),
    ("integrations: {meter: {host: x, also: !secret k}}", False),
    ("integrations: {meter: {host: x, pasword: !secret k}}", False),
    ("integrations: {meter: !secret k}", False),
    ("integrations: {meter: {host: x, type: !secret k}}", False),
    ("integrations: {meter: {host: x, enabled: !secret k}}", False),
    ("integrations: !secret k", False),
    ("hub: {name: !secret k, site: !secret k}", False),
    ("sites: {school: {timezone: !secret k}}", False),
    ("places: {room-1: {zone: !secret k, position: !secret k}}", False),
    ("places: {room-1: {zone: rooms, position: {latitude: !secret k, longitude: 1}}}", False),
    ("devices: {meter:main: {integration: !secret k, place: !secret k, settings: !secret k}}", False),
    ("devices: {meter:main: {integration: meter, place: room-1, settings: {unit: !secret k}}}", False),
    ("buffer: {window: !secret k, window_size: !secret k}", False),
    ("link: {uplinks: {carrier: !secret k}}", False),
    ("link: {uplinks: !secret k}", False),
    ("!secret k", False),
]


@pytest.mark.parametrize(("part", "right"), SECRET_PLACES)
@pytest.mark.parametrize("secret", [CANARY, f"{CANARY} with a space", f"bug{CANARY}", f"zz'{CANARY}\n"])
def test_a_secret_shows_nowhere_wherever_it_stands(
    write: Write, models: Models, tmp_path: Path, base: str, part: str, right: bool, secret: str
) -> None:
    section = part.partition(":")[0]
    kept = [] if part.startswith("!") else [block for block in blocks(base) if not block.startswith(section)]
    path = write("".join(kept) + part + "\n")
    write(f"k: {json.dumps(secret)}\n", "secrets.yaml")
    loaded, error = outcome(path, models)
    if loaded is None:
        assert not right or secret != CANARY
        assert CANARY not in everything(error)
        return
    assert right
    configs = [*(i.config for i in loaded.integrations), *(u.config for u in loaded.uplinks)]
    shown = f"{loaded!r}{loaded}{loaded.config!r}{loaded.data!r}{loaded.integrations!r}{loaded.uplinks}{loaded.devices}"
    assert CANARY not in shown + "".join(f"{config!r}{config}{config.model_dump_json()}" for config in configs)
    remember(LastGoodStore(tmp_path / "state", bytes(32)), loaded)
    for file in (tmp_path / "state").rglob("*"):
        assert file.is_dir() or CANARY.encode() not in file.read_bytes()


def outcome(path: Path, models: Models) -> tuple[Loaded | None, ConfigError]:
    try:
        return load(path, models, environ={}), ConfigError([])
    except ConfigError as error:
        return None, error


def blocks(text: str) -> list[str]:
    """The top-level parts of a configuration."""
    found: list[str] = []
    for line in text.splitlines(keepends=True):
        if line[0].isalpha():
            found.append("")
        found[-1] += line
    return found


@pytest.mark.parametrize(
    ("part", "column"),
    [
        (f"key: {CANARY}", 10),
        (f"key: '{CANARY}'", 10),
        (f"kye: 1, key: {CANARY}", 18),
        ("key: 11223344556677", 10),
        (f"key: [{CANARY}]", 0),
    ],
)
def test_a_secret_written_in_the_file_is_refused_and_its_line_not_shown(
    write: Write, models: Models, base: str, part: str, column: int
) -> None:
    text = base.replace("    settings: {unit: 3}\n", f"    {part}\n")
    if "kye" in part:
        text = base.partition("  meter:main:")[0]
        text += f"  meter:main: {{{part}, integration: metre, place: room-1, settings: {{unit: 3}}}}\n"
        column = text.splitlines()[-1].index(CANARY) + 1
    with pytest.raises(ConfigError) as caught:
        load(write(text), models, environ={})
    if column:
        problem = next(p for p in caught.value.problems if "never written" in p.message)
        assert "key: !secret NAME" in problem.message
        assert problem.column == column
        assert "1122334" not in everything(caught.value)
        assert CANARY not in everything(caught.value)


def test_a_plugins_secret_written_in_the_file_is_refused_even_when_more_is_wrong(wrong: Wrong, base: str) -> None:
    problems = wrong(base.replace("{host: 192.0.2.1}", "{hots: 192.0.2.1, password: swordfish}"))
    assert any("never written" in problem.message for problem in problems)
    assert "swordfish" not in "".join(map(repr, problems))


def test_a_secret_of_the_wrong_form_is_told_without_it(wrong: Wrong, base: str) -> None:
    text = base.replace("{host: 192.0.2.1}", "{host: x, password: !secret p}")
    assert "at least 4 characters" in wrong(text, ILOT_SECRET_P="abc")[0].message
    assert "does not have the form" in wrong(text, ILOT_SECRET_P="abc def")[0].message
    assert "failed (RuntimeError)" in wrong(text, ILOT_SECRET_P="bug---")[0].message
    text = base.replace("settings:", "key: !secret p\n    settings:")
    assert "hexadecimal" in wrong(text, ILOT_SECRET_P="abc")[0].message


def test_logging_a_configuration_logs_no_secret(read: Read, base: str, caplog: pytest.LogCaptureFixture) -> None:
    loaded = read(base.replace("{host: 192.0.2.1}", "{host: x, password: !secret p}"), ILOT_SECRET_P=CANARY)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("hub").warning("%r %s", loaded, [i.config for i in loaded.integrations])
    assert caplog.text
    assert CANARY not in caplog.text


LINE = st.one_of(
    st.text(alphabet="ab1: '\"#-.\\\t!&*[]{}|>%é\r", max_size=14),
    st.from_regex(
        r"[a-c][a-c0-9._-]{0,3}: {1,2}('[^']{0,4}'|\"[^\"]{0,4}\"|[a-z0-9+/=.-]{1,6})( #.*)?", fullmatch=True
    ),
)


@given(st.lists(LINE, max_size=5).map("\n".join))
@settings.get_profile("hostile")
def test_the_quick_reader_of_secrets_agrees_with_yaml_or_leaves_it_to_yaml(text: str) -> None:
    quick = read_plain(text)
    if quick is not None:
        assert _read_yaml(text, "secrets.yaml") == quick


@given(st.one_of(st.binary(max_size=60), st.lists(LINE, max_size=5).map("\n".join).map(str.encode)))
@settings(max_examples=300, deadline=None)
def test_any_secrets_file_is_read_or_refused(content: bytes) -> None:
    problems: list[Problem] = []
    secrets: dict[str, str] = {}
    try:
        secrets = read_secrets(content, "secrets.yaml")
    except ConfigError as error:
        problems = error.problems
    assert all(problem.message and not problem.source for problem in problems)
    assert all(name and isinstance(value, str) and value for name, value in secrets.items())


def test_an_ordinary_secrets_file_needs_no_yaml_parser() -> None:
    text = "# keys\n\na: 231d39c1d7cc1ab1\nb-1: 'with space: and #'  # quoted\nc.2: \"x y\"\r\nd: aGVsbG8+/w==\n"
    expected = {"a": "231d39c1d7cc1ab1", "b-1": "with space: and #", "c.2": "x y", "d": "aGVsbG8+/w=="}
    assert read_plain(text) == expected == _read_yaml(text, "s")
