"""Each form in which codecs are published: the worker answers what Node.js does, called as its author means."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import DecodeError
from hub.devices.codecs import Codec, Codecs

pytestmark = pytest.mark.real("processes")

PAYLOAD = bytes([7, 200, 3, 0x80])
HERE = Path(__file__).parent


def codecs_of(name: str) -> dict[str, tuple[str, str]]:
    """The codecs of a file, each after `#### name = expression`: name → (source, expression)."""
    found = {}
    for part in (HERE / name).read_text("utf-8").split("#### ")[1:]:
        head, _, source = part.partition("\n")
        called, _, expression = head.partition(" = ")
        found[called] = (source, expression)
    return found


FORMS = codecs_of("forms.txt")
"""The expression is how Node.js calls it."""
IMPORTS = codecs_of("imports.txt")
"""The expression is the data, as JSON."""


@pytest.mark.parametrize(("source", "entry"), FORMS.values(), ids=FORMS)
async def test_every_published_form_gives_what_node_gives(
    codecs: Codecs, in_node: Callable[..., Any], source: str, entry: str
) -> None:
    argument = {"bytes": list(PAYLOAD), "fPort": 0, "variables": {}}
    theirs = in_node(Codec(source), argument, entry)
    assert isinstance(theirs, dict), theirs
    assert theirs.get("data"), theirs
    assert await codecs.decode_uplink(Codec(source), PAYLOAD, 0) == theirs


FILES = {
    "lib/math.js": "exports.half = (x) => x / 2; exports['not a name'] = 1; exports.default = { third: (x) => x / 3 };",
    "lib/es.mjs": "import { half } from './math.js'; export const quarter = (x) => half(half(x)); export default 5;",
    "lib/all.js": "export * from './es.mjs'; export * as math from './math.js'; export { half as h } from './math.js';",
    "table.json": '{ "name": "t", "list": [1, 2] }',
    "index.js": "export const never = 1;",
}  # fmt: skip


@pytest.mark.parametrize(("source", "value"), IMPORTS.values(), ids=IMPORTS)
async def test_modules_import_files_of_the_pack(codecs: Codecs, source: str, value: str) -> None:
    codec = Codec(source, FILES | {"codec.js": "exports.decodeUplink = (i) => ({ data: i.bytes[0] });"})
    assert await codecs.decode_uplink(codec, PAYLOAD, 1) == {"data": json.loads(value)}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import x from './none.js'; export const decodeUplink = () => ({ data: x });", "Cannot find module 'none.js'"),
        ("const x = require('./none'); exports.decodeUplink = () => ({ data: x });", "Cannot find module './none'"),
        ("import fs from 'fs'; export const decodeUplink = () => fs.readFileSync('/x');", "has no fs.readFileSync"),
        ("exports.decodeUplink = () => ({ data: require('http').get() });", "Cannot find module 'http'"),
        ("import { none } from './lib/math.js'; export const decodeUplink = () => ({ data: none });", "none"),
        ("function decodeUplink() { return new Promise(() => 1); }", "never comes"),
        ("function decodeUplink() { return new Promise((done) => setTimeout(done, 1)); }", "setTimeout is not defined"),
        ("async function decodeUplink() { throw new Error('no such frame'); }", "no such frame"),
        ("async function decodeUplink() { return 5; }", "returned no object"),
        ("const a = { decodeUplink() {} };\nconst c = { decodeUplink() {} };", "in several objects: a, c"),
        ("(function () { function decodeUplink() {} })();", "no decodeUplink"),
        ("export const decodeDownlink = () => 1;", "no decodeUplink"),
        ("class Decoder { decode() {} }", "no decodeUplink, Decoder or Decode"),
        ("await new Promise(() => 1);\nexport const decodeUplink = () => ({});", "never comes"),
        ("throw new Error('not here'); export const decodeUplink = () => ({});", "not here"),
    ],
)  # fmt: skip
async def test_what_cannot_run_here_says_so(codecs: Codecs, source: str, said: str) -> None:
    with pytest.raises(DecodeError, match=said):
        await codecs.decode_uplink(Codec(source, FILES), PAYLOAD, 1)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("var a = 1;\nfunction decodeUplink( {", 3),
        ("export const a = 1;\n\nexport function decodeUplink(i) { return ; };;\nlet a;", 4),
    ],
)
async def test_a_syntax_error_names_its_line_in_a_script_and_in_a_module(
    codecs: Codecs, source: str, line: int
) -> None:
    with pytest.raises(DecodeError, match=rf"line [2-{line}] of the codec") as caught:
        await codecs.decode_uplink(Codec(source), b"", 1)
    assert caught.value.reason == "codec-syntax"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("for (;;) await null;", "codec-time"),
        ("const f = () => Promise.resolve().then(f); return f();", "codec-time"),
        ("const a = []; for (;;) { a.push(new Uint8Array(100000)); await null; }", "codec-memory"),
    ],
)
async def test_an_async_codec_has_the_bounds_of_any_other(codecs: Codecs, body: str, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        await codecs.decode_uplink(Codec(f"async function decodeUplink(input) {{ {body} }}"), b"", 1)
    assert caught.value.reason == reason
    assert await codecs.decode_uplink(Codec(FORMS["a promise"][0]), PAYLOAD, 0) == {"data": {"t": 9, "port": 0}}
    assert codecs.restarts == 0


async def test_a_codec_is_given_what_other_hosts_give_it(codecs: Codecs) -> None:
    codec = Codec(
        "function decodeUplink(input, second) { return { data: { port: input.fPort, names: Object.keys(input),"
        " at: input.time.toISOString(), same: second === context && input.context === context && context.length === 0,"
        " own: input.hasOwnProperty('bytes') && Array.isArray(input.bytes) && input.constructor === Object } }; }"
    )
    assert await codecs.decode_uplink(codec, b"\1", 0, 1_700_000_000) == {
        "data": {
            "port": 0,
            "names": ["bytes", "fPort", "recvTime", "variables"],
            "at": "2023-11-14T22:13:20.000Z",
            "same": True,
            "own": True,
        }
    }


async def test_what_a_codec_keeps_in_its_context_is_gone_at_the_next_call(codecs: Codecs) -> None:
    codec = Codec("function decodeUplink(input, c) { c.push(input.bytes[0]); return { data: { c } }; }")
    for n in (1, 2):
        assert await codecs.decode_uplink(codec, bytes([n]), 1) == {"data": {"c": [n]}}


async def test_a_downlink_is_encoded_by_codecs_that_take_its_values_without_their_envelope(codecs: Codecs) -> None:
    for given in ("input.data.minutes", "input.minutes"):
        codec = Codec(f"exports.driver = {{ encodeDownlink(input) {{ return {{ bytes: [{given}], fPort: 2 }} }} }};")
        assert await codecs.encode_downlink(codec, {"minutes": 15}) == {"bytes": [15], "fPort": 2}
