"""The same codec, the same bytes, in Node.js and in the worker: the same answer. Node.js is `prelude.js`'s oracle."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import DecodeError
from hub.devices.codecs import Codec, Codecs

pytestmark = pytest.mark.real("processes")

NODE = Path(__file__).parents[3] / "peers" / "node"
ADEUNIS = (NODE / "node_modules/@adeunis/codecs/dist/lib.public.js").read_text()
InNode = Callable[[Codec, Any], Any]


def argument(payload: bytes, port: int = 1) -> dict[str, Any]:
    return {"bytes": list(payload), "fPort": port}


async def in_worker(codecs: Codecs, codec: Codec, payload: bytes) -> Any:
    """What `in_node` gives, of the worker; an error by its JavaScript name."""
    try:
        return await codecs.decode_uplink(codec, payload, 1)
    except DecodeError as error:
        return error.detail.split(":")[0]


PRODUCTS = [
    "analog", "breath", "comfort", "comfort2", "comfortCo2", "drycontacts", "drycontacts2", "deltap", "motion", "pulse",
    "pulse3", "pulse4", "repeater", "temp", "temp3", "temp4", "ticCbeLinkyMono", "ticCbeLinkyTri", "ticPmePmi",
]  # fmt: skip


ENTRY = """
function decodeUplink(input) {
    const decoder = new codec.Decoder();
    decoder.setDeviceType("PRODUCT");
    return { data: decoder.decode(Buffer.from(input.bytes).toString("hex")) };
}
"""


OTHERS = pytest.mark.long("the same 238 kB for another product", of="hub/devices/codecs")


@pytest.mark.parametrize(
    "product", [pytest.param(name, marks=[OTHERS] if n % 5 else []) for n, name in enumerate(PRODUCTS)]
)
async def test_a_makers_codec_of_238_kb_runs_unchanged(product: str, codecs: Codecs, in_node: InNode) -> None:
    codec = Codec(ADEUNIS + ENTRY.replace("PRODUCT", product))
    rng = random.Random(product)
    told = set()
    frames = [bytes([kind]) + rng.randbytes(rng.randint(2, 40)) for kind in range(0x70) for _ in range(2)]
    for frame in frames:
        ours, theirs = await in_worker(codecs, codec, frame), in_node(codec, argument(frame))
        assert ours == _unmarked(theirs), frame.hex()
        told.add(str(theirs.get("data", {}).get("type")) if isinstance(theirs, dict) else theirs)
    assert len(told) > 1, "the frames never reached the codec"


def _unmarked(answer: Any) -> Any:
    """Without the code that Node.js puts into the text of an error."""
    return json.loads(re.sub(r" \[ERR_[A-Z_]+\]", "", json.dumps(answer)))


CASES = (Path(__file__).parent / "expressions.txt").read_text().splitlines()
"""JavaScript expressions over `b`, the bytes of a payload, one a line."""


async def test_what_a_codec_finds_around_it_is_what_node_gives(codecs: Codecs, in_node: InNode) -> None:
    for expression in CASES:
        codec = Codec(f"function decodeUplink(input) {{ const b = input.bytes; return {{ data: {expression} }}; }}")
        rng = random.Random(expression)
        for _ in range(12):
            payload = rng.randbytes(2 * rng.randint(4, 8))
            ours, theirs = await in_worker(codecs, codec, payload), in_node(codec, argument(payload))
            assert ours == theirs, (expression, payload.hex())


async def test_utf8_is_decoded_as_node_does_whatever_the_bytes(codecs: Codecs, in_node: InNode) -> None:
    codec = Codec("function decodeUplink(i) { return { data: Buffer.from(i.bytes).toString() } }")
    rng = random.Random(1)
    interesting = [0x41, 0x80, 0xBF, 0xC0, 0xC2, 0xDF, 0xE0, 0xA0, 0xED, 0x9F, 0xEF, 0xF0, 0x90, 0xF4, 0x8F, 0xF5, 0xFF]
    for _ in range(400):
        payload = bytes(rng.choice(interesting) for _ in range(rng.randint(1, 9)))
        assert await in_worker(codecs, codec, payload) == in_node(codec, argument(payload)), payload.hex()


async def test_files_of_the_pack_are_required_as_node_does(codecs: Codecs, in_node: InNode) -> None:
    codec = Codec(
        "const { half } = require('./lib/math'); const table = require('./table.json');\n"
        "module.exports = { decodeUplink: (i) => ({ data: { half: half(i.bytes[0]), name: table.name } }) };",
        {
            "lib/math.js": "exports.half = (x) => x / 2; exports.up = require('../up');",
            "up.js": "module.exports = 1;",
            "table.json": '{"name": "t"}',
        },
    )
    assert (
        await in_worker(codecs, codec, b"\x08")
        == in_node(codec, argument(b"\x08"))
        == {"data": {"half": 4, "name": "t"}}
    )


FORMS = [
    "const decodeUplink = (input) => ({ data: { v: input.bytes[0] } });",
    "let decodeUplink = function (input) { return { data: { v: input.bytes.length } }; }",
    "class D { static v(b) { return b[1]; } }\nvar decodeUplink = (i) => ({ data: { v: D.v(i.bytes) } });",
    "export function decodeUplink(input) { return { data: { v: input.bytes[0] } }; }",
    "const k = 3;\nexport const decodeUplink = (i) => ({ data: { v: k * i.bytes[0] } });\nexport let other = 1;",
    "function f(i) { return { data: { v: i.fPort } }; }\nexport { f as decodeUplink };",
    "const c = { decodeUplink: (i) => ({ data: { v: i.bytes } }) };\nexport default c;",
    "export default { decodeUplink(i) { return { data: { v: 'export ' + this.k } }; }, k: 2 };",
    "export default class X { static decodeUplink(i) { return { data: { v: i.bytes[2] } }; } }",
    "console.time('a'); console.group(); console.count(); var decodeUplink = (i) => ({ data: { v: 1 } });",
]


@pytest.mark.parametrize("source", FORMS)
async def test_the_ways_of_writing_a_codec_give_what_node_gives(source: str, codecs: Codecs, in_node: InNode) -> None:
    codec = Codec(source)
    for payload in (b"\x01\x02\x03", b"\xff\x00\x80\x10"):
        ours = await in_worker(codecs, codec, payload)
        assert ours == in_node(codec, argument(payload))
        assert "data" in ours
