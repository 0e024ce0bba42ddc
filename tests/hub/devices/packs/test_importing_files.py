"""Files of strangers: JSON, YAML and archives as others write them, and as nobody should."""

from __future__ import annotations

import contextlib
import io
import json
import stat
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.errors import HubError
from hub.devices.packs.importing.discovery import codecs_of
from hub.devices.packs.importing.found import payload_of, port_of
from hub.devices.packs.importing.sources import Limits, folders, opened
from hub.devices.packs.importing.texts import MOST_NODES, decoded, read_json, read_yaml
from tests.hub.devices.packs.importing_kit import CODEC, SCALE, TTN, Bench, imported, lay, zipped
from tests.processor import uncollected

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


# -- JSON -----------------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_json_is_read_as_it_is(value: Any) -> None:
    assert read_json(json.dumps(value)) == value
    assert read_json(json.dumps(value, ensure_ascii=False, indent=1)) == value


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="{}[]:,'\"\\/*abN0x1. \n\u00dc", max_size=60))
def test_any_text_is_data_or_a_sentence(text: str) -> None:
    with contextlib.suppress(ValueError):
        read_json(text)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('{"a": "0x10 // no, and /* no */ ,]", "b": [0x10, 1,], // yes\n "c": "\\"//"}',
         {"a": "0x10 // no, and /* no */ ,]", "b": [16, 1], "c": '"//'}),
        ("{fPort: 2, bytes: [0xD7], $a: .5, Ünit: '°C', true: true}",
         {"fPort": 2, "bytes": [215], "$a": 0.5, "Ünit": "°C", "true": True}),
        ("{'it\\'s': 'a \"b\"', x: undefined, y: [1, /* , */ ] }", {"it's": 'a "b"', "x": None, "y": [1]}),
        ("{a: 1e5, b: -1, c: {d: []}, }", {"a": 1e5, "b": -1, "c": {"d": []}}),
    ],
)  # fmt: skip
def test_json_as_others_write_it_is_read_and_what_is_in_quotes_is_left_alone(text: str, data: Any) -> None:
    assert read_json(text) == data


@pytest.mark.parametrize(
    "text",
    ['"' + '\\"' * 60_000, "/*" * 60_000, "[1, /* no end", "'" + "\\'" * 60_000, ",/*a*/x*/" * 20_000, "a" * 200_000,
     "[" * 100_000, ", " * 60_000 + "}"],
)  # fmt: skip
def test_a_text_without_an_end_is_told_at_once(text: str) -> None:
    with uncollected():
        began = time.thread_time()
        with pytest.raises(ValueError, match=r"line|levels"):
            read_json(text)
        assert time.thread_time() - began < 2.0


# -- YAML -----------------------------------------------------------------------------------------------------------


def test_yaml_as_others_write_it_is_read() -> None:
    text = """\
base: &base {port: 2, bytes: [0xD7, 010]}
one: {<<: *base, port: 3}
twice: 1
twice: 2
when: !!str 2020-01-01
tight: {fPort:2, b: 'x:y'}
1: no
"""
    assert read_yaml(text) == {
        "base": {"port": 2, "bytes": [215, 10]},
        "one": {"port": 3, "bytes": [215, 10]},
        "twice": 2,
        "when": "2020-01-01",
        "tight": {"fPort": 2, "b": "x:y"},
        "1": "no",
    }
    assert read_yaml("{input:{fPort:2, bytes:[1, 2]}}  # {not:this}") == {"input": {"fPort": 2, "bytes": [1, 2]}}
    assert read_yaml("") is None


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="{}[]:,-'\"&*<!ab01 \n#|>", max_size=40))
def test_any_yaml_is_data_or_a_sentence(text: str) -> None:
    with contextlib.suppress(ValueError):
        read_yaml(text)


def test_aliases_within_aliases_are_counted_as_often_as_they_stand_there() -> None:
    bomb = "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
    for before, after in zip("abcdefg", "bcdefgh", strict=True):
        bomb += f"{after}: &{after} [{', '.join([f'*{before}'] * 10)}]\n"
    with pytest.raises(ValueError, match=f"more than {MOST_NODES} values, aliases counted"):
        read_yaml(bomb)
    with pytest.raises(ValueError, match="levels deep"):
        read_yaml("[" * 100 + "]" * 100)
    with pytest.raises(ValueError, match="alias"):
        read_yaml("a: &a [*a]")
    with pytest.raises(ValueError, match="line 1"):
        read_yaml("a: [")


def test_text_of_other_encodings_is_text() -> None:
    assert decoded("\ufeffgrün".encode("utf-8")) == "grün"
    assert decoded("grün".encode("utf-16")) == "grün"
    assert decoded("21 °C".encode("cp1252")) == "21 °C"
    with pytest.raises(ValueError, match="not text"):
        decoded(b"\xff\xfe\x00")


# -- payloads and ports ---------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=255))
def test_a_payload_is_read_from_numbers_and_from_hexadecimal(payload: bytes) -> None:
    forms = [
        list(payload),
        payload.hex(),
        payload.hex().upper(),
        payload.hex(" "),
        payload.hex(":"),
        f"0x{payload.hex()}",
    ]
    assert {payload_of(form) for form in forms} == {payload}


@pytest.mark.parametrize("value", [None, "", "2", "xy", "0", [256], [-1], [True], ["1"], {}, [1] * 256, 5, [], [1.5]])
def test_what_is_no_payload_is_none(value: Any) -> None:
    assert payload_of(value) is None


def test_a_port_is_one_that_payloads_come_on() -> None:
    assert [port_of(value) for value in (1, 223, "85")] == [1, 223, 85]
    assert {port_of(value) for value in (0, 224, -1, True, None, "", "x", 1.5, "1e1", "٣", "0085")} == {None}


# -- folders and archives -------------------------------------------------------------------------------------------


def archive(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["../x.js", "/etc/x.js", "a/../../x.js", "a\\..\\x.js"])
def test_an_entry_that_leaves_the_archive_refuses_it(tmp_path: Path, name: str) -> None:
    file = archive(tmp_path / "a.zip", zipped({"good.js": CODEC, name: "1"}))
    with pytest.raises(HubError, match="which leaves its folder"), opened(file, Limits()):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip"]


def test_links_and_large_and_encrypted_entries_are_left_out_and_said(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("x/acme-a.js", CODEC)
        packed.writestr("x/large.js", "/" * (600 << 10))
        link = zipfile.ZipInfo("x/link.js")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(link, "/etc/passwd")
        packed.writestr("x/node_modules/acme-b.js", CODEC)
        packed.writestr("x/picture.png", b"\x89PNG")
    whole = bytearray(made.getvalue())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # flag bit 0: encrypted
        where = whole.index(b"x/acme-a.js") - (30 if mark[2] == 3 else 0)
        where = where if mark[2] == 3 else whole.index(mark)
        assert whole[where : where + 4] == mark
        whole[where + at] |= 1
    with opened(archive(tmp_path / "a.zip", bytes(whole)), Limits()) as held:
        assert held.left_out == {
            "x/acme-a.js": "it is encrypted",
            "x/large.js": "this file is larger than 512 KB",
            "x/link.js": "it is a link",
        }
        assert list(held.root.rglob("*")) == []


def test_a_size_that_the_archive_hides_is_not_believed(tmp_path: Path) -> None:
    content = zipped({"a.js": "/" * (600 << 10)})
    at = content.index(b"PK\x01\x02") + 24
    lying = content[:at] + (100).to_bytes(4, "little") + content[at + 4 :]
    lying = lying[:22] + (100).to_bytes(4, "little") + lying[26:]
    with contextlib.suppress(HubError), opened(archive(tmp_path / "a.zip", lying), Limits()) as held:
        assert sum(path.stat().st_size for path in held.root.rglob("*") if path.is_file()) <= 100


def test_bombs_are_bounded_in_entries_and_in_bytes(tmp_path: Path) -> None:
    file = archive(tmp_path / "a.zip", zipped({f"{n}.js": " " * (400 << 10) for n in range(20)}))
    with pytest.raises(HubError, match="unpacks to more than 4 MiB"), opened(file, Limits(content=4 << 20)):
        pass
    with pytest.raises(HubError, match="more than 10 entries"), opened(file, Limits(entries=10)):
        pass
    with pytest.raises(HubError, match="more than 10 files"):
        list(folders(lay(tmp_path / "many", {f"{n}.js": "" for n in range(20)}), Limits(entries=10)))
    for junk in (b"", b"PK\x03\x04", zipped(TTN)[:-60]):
        with pytest.raises(HubError, match="ZIP archive"), opened(archive(tmp_path / "b.zip", junk), Limits()):
            pass


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_a_damaged_archive_is_read_or_refused(at: int, junk: bytes) -> None:
    import tempfile

    whole = zipped({"acme-a.js": CODEC, "scale.js": SCALE})
    with tempfile.TemporaryDirectory() as folder:
        file = archive(Path(folder) / "a.zip", whole[:at] + junk + whole[at + len(junk) :])
        with contextlib.suppress(HubError), opened(file, Limits()) as held:
            assert all(path.resolve().is_relative_to(held.root) for path in held.root.rglob("*"))


@pytest.mark.real("processes")
def test_links_in_a_folder_are_not_followed(bench: Bench, tmp_path: Path) -> None:
    secret = lay(tmp_path / "outside", {"acme-secret.js": CODEC, "key.js": "module.exports = 'secret';"})
    inside = lay(tmp_path / "in", {"acme-a.js": "const k = require('./key'); function Decode(p, b) { return { k }; }"})
    (inside / "acme-link.js").symlink_to(secret / "acme-secret.js")
    (inside / "below").symlink_to(secret)
    (inside / "key.js").symlink_to(secret / "key.js")
    (inside / "loop").symlink_to(inside)
    assert [name for name, _ in codecs_of(inside, Limits())] == ["acme-a"]
    made = imported(bench, inside)
    assert all("secret" not in text for draft in made.drafts for text in draft.files.values())


@pytest.mark.real("processes")
def test_a_codec_of_several_folders_keeps_them(bench: Bench, tmp_path: Path) -> None:
    deep = {"a/acme-x.js": "const r = require('./lib/deep/r'); function Decode(p, b) { return r(b); }",
            "a/lib/deep/r.js": "const f = require('../f'); module.exports = (b) => ({ temperature: f(b[0]) });",
            "a/lib/f.js": "module.exports = (n) => n / 2;"}  # fmt: skip
    (draft,) = imported(bench, lay(tmp_path, deep) / "a/acme-x.js").drafts
    assert set(draft.files) == {"codec.js", "lib/deep/r.js", "lib/f.js"}
