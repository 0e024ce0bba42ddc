"""What a codec asks for is read with it, and nothing else of its directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.core.errors import DecodeError
from hub.devices.codecs import Codec, Codecs
from hub.devices.codecs.bundle import MAX_BYTES, MAX_FILES, load_bundle, text_of

ASKS = """
import { half as h, up } from "./lib/half.js";
import whole, * as all from './lib/half'
const table = require("./table");
export { h as halved };
export function decodeUplink(i) {
    return { data: { half: h(i.bytes[0]), up, whole: whole(1), all: all.half(8), table } };
}
"""
PLAIN = "function decodeUplink(i) { return {data: {first: i.bytes[0]}}; }"
HALF = (
    "import './side.js';\nexport function half(x) { return x / 2 }\nexport let up = 'u'\nexport default (x) => x + 1\n"
)


@pytest.mark.real("processes")
async def test_a_codec_of_several_modules_runs_with_them_from_its_directory(tmp_path: Path, codecs: Codecs) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "codec.js").write_text(ASKS)
    (tmp_path / "lib/half.js").write_text(HALF)
    (tmp_path / "lib/side.js").write_text("const up = require('../table.json');")
    (tmp_path / "table.json").write_text("[1]")
    (tmp_path / "neighbour.js").write_bytes(b"\xff\xfe no codec asks for this")
    codec = load_bundle(tmp_path / "codec.js")
    assert set(codec.files) == {"lib/half.js", "lib/side.js", "table.json"}
    answer = await codecs.decode_uplink(codec, b"\x03", 1)
    assert answer == {"data": {"half": 1.5, "up": "u", "whole": 2, "all": 4, "table": [1]}}


def test_nothing_outside_the_directory_is_read(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "secret.json").write_text("{}")
    (inner / "link.json").symlink_to(tmp_path / "secret.json")
    (inner / "codec.js").write_text("require('../secret.json'); require('./link.json'); require('./codec')")
    assert load_bundle(inner / "codec.js").files == {}


def test_a_codec_that_asks_for_too_many_files_is_refused(tmp_path: Path) -> None:
    names = [f"f{n}.js" for n in range(MAX_FILES + 1)]
    for name in names:
        (tmp_path / name).write_text("")
    (tmp_path / "codec.js").write_text("\n".join(f"require('./{name}')" for name in names))
    with pytest.raises(ValueError, match=f"more than {MAX_FILES} files"):
        load_bundle(tmp_path / "codec.js")


def test_a_codec_that_is_too_long_with_what_it_asks_for_is_refused(tmp_path: Path) -> None:
    code = tmp_path / "codec.js"
    code.write_text("require('./table')")
    (tmp_path / "table.js").write_bytes(b" " * MAX_BYTES)
    with pytest.raises(ValueError, match="more than 2 MiB"):
        load_bundle(code)
    code.write_bytes(b" " * (MAX_BYTES + 5))
    with pytest.raises(ValueError, match="more than 2 MiB"):
        load_bundle(code)


@pytest.mark.real("processes")
async def test_a_file_above_the_codec_is_looked_for_from_its_top(tmp_path: Path, codecs: Codecs) -> None:
    (tmp_path / "codec").mkdir()
    (tmp_path / "codec" / "decode.js").write_text("exports.decode = (b) => b[0]; exports.k = require('../shared').k;")
    (tmp_path / "shared.js").write_text("exports.k = 2;")
    (tmp_path.parent / "secret.js").write_text("never")
    (tmp_path / "codec.js").write_text(
        "const { decode, k } = require('../../codec/decode'); try { require('../secret') } catch (e) {}\n"
        "exports.decodeUplink = (i) => ({ data: { v: k * decode(i.bytes) } });"
    )
    codec = load_bundle(tmp_path / "codec.js")
    assert sorted(codec.files) == ["codec/decode.js", "shared.js"]
    assert await codecs.decode_uplink(codec, b"\x04", 1) == {"data": {"v": 8}}


def test_links_in_a_ring_and_names_that_no_file_can_have_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "ring.js").symlink_to(tmp_path / "ring.js")
    names = ("./ring", "./" + "é" * 190, "./nul\0")
    (tmp_path / "codec.js").write_text("\n".join(f"require('{name}')" for name in names))
    assert load_bundle(tmp_path / "codec.js").files == {}


@pytest.mark.real("processes")
async def test_a_codec_too_large_for_its_process_fails_alone(codecs: Codecs) -> None:
    await codecs.decode_uplink(Codec(PLAIN), b"\x01", 1)
    lives = codecs.restarts
    with pytest.raises(DecodeError, match="4 MiB at most"):
        await codecs.decode_uplink(Codec(PLAIN, {"table.js": " " * (4 << 20)}), b"\x01", 1)
    assert await codecs.decode_uplink(Codec(PLAIN), b"\x01", 1) == {"data": {"first": 1}}
    assert codecs.restarts == lives


def test_a_makers_old_file_is_windows_1252() -> None:
    assert text_of("// 21 °C".encode("cp1252")) == text_of("\ufeff// 21 °C".encode()) == "// 21 °C"


@pytest.mark.real("processes")
async def test_a_mistake_is_told_of_the_file_as_it_was_written(codecs: Codecs) -> None:
    for source in ("export function decodeUplink(i) { return {data: {v:}} }", "const a = 1; throw new Error('own');"):
        with pytest.raises(Exception, match=r"unexpected token|own"):
            await codecs.decode_uplink(Codec(source), b"\x01", 1)
