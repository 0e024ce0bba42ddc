"""Bytes, ciphers and hashes, dates and numbers around a codec: as Node.js 20 gives them, or an error that says so.

Expressions are tried many in one call; what one throws is compared by its message.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hub.core.errors import DecodeError
from hub.devices.codecs import Answer, Codec, Codecs
from hub.devices.codecs.messages import UPLINK, Call, Unpacker, pack

pytestmark = pytest.mark.real("processes")

HERE = Path(__file__).parent
PAYLOAD = bytes(range(1, 17))
AT_ONCE = 25


def tried(expressions: Sequence[str]) -> Codec:
    each = ",\n".join(f"() => ({one})" for one in expressions)
    return Codec(
        f"const all = [{each}];\nfunction decodeUplink(input) {{ globalThis.b = input.bytes;\n"
        "const said = (e) => 'threw ' + e.name + ': ' + e.message;\n"
        "return { data: all.map((one) => { try { return one() } catch (e) { return said(e) } }) } }"
    )


async def compared(codecs: Codecs, in_node: Callable[..., Any], expressions: Sequence[str]) -> list[str]:
    """Those that differ, with both answers."""
    different = []
    for part in (expressions[at : at + AT_ONCE] for at in range(0, len(expressions), AT_ONCE)):
        codec = tried(part)
        theirs = in_node(codec, {"bytes": list(PAYLOAD), "fPort": 1})
        assert isinstance(theirs, dict), (theirs, part)
        ours = await codecs.decode_uplink(codec, PAYLOAD, 1)
        for one, mine, other in zip(part, ours["data"], theirs["data"], strict=True):
            if mine != other:
                different.append(f"{one}: {json.dumps(mine)} and not {json.dumps(other)}")
    return different


FIXED = [f"{sign}8" for sign in ("Int", "UInt", "Uint")] + [
    f"{sign}{bits}{order}" for sign in ("Int", "UInt", "Uint") for bits in (16, 32) for order in ("BE", "LE")
]
BIG_OR_REAL = ("Float", "Double", "BigInt64", "BigUInt64", "BigUint64")
OTHER = [f"{kind}{order}" for kind in BIG_OR_REAL for order in ("BE", "LE")]

SIZED = [f"{sign}{order}" for sign in ("Int", "UInt", "Uint") for order in ("BE", "LE")]
OFFSETS = ("", "0", "3", "8", "15", "16", "-1", "1.5", "NaN", "Infinity", "'1'", "null", "undefined", "1e10")
NUMBERS = ("0", "1", "127", "128", "255", "256", "-1", "-128", "-129", "65535", "65536", "1.7", "-1.7", "NaN", "'12'",
    "null", "2**31", "2**32", "-(2**31)", "-(2**31)-1", "undefined", "true")  # fmt: skip
BIG = ("0n", "1n", "2n**63n-1n", "2n**63n", "2n**64n", "-1n", "-(2n**63n)", "-(2n**63n)-1n")
PLACES = ("", "0,0", "0,1", "0,2", "1,3", "1,5", "0,6", "0,7", "11,6", "10,6", "-1,2", "1.5,2", "0,'2'", "0,1.5")
WIDE = ("0,0,6", "-1,0,6", "2**48,0,6", "2**47,0,6", "-(2**47),1,6", "2**24,0,3", "-(2**23)-1,0,3", "256,0,1",
    "65536,0,2", "2**32,0,4", "2**40,0,5", "1,9,6", "1,0,7", "1,0,0", "1", "1.9,0,3", "'7',0,2")  # fmt: skip


def reads_and_writes() -> list[str]:
    def write(method: str, given: str) -> str:
        done = f"const r = x.write{method}({given}); return [x.toString('hex'), r]"
        return f"(() => {{ const x = Buffer.alloc(10, 7); {done} }})()"

    found = [f"String(Buffer.from(b).read{name}({at}))" for name in FIXED + OTHER for at in OFFSETS]
    found += [write(name, f"{value}, 1") for name in FIXED for value in NUMBERS]
    found += [write(name, f"{value}, 1") for name in OTHER for value in (BIG if "Big" in name else NUMBERS)]
    found += [
        write(name, ", ".join(filter(None, ("1n" if "Big" in name else "1", at))))
        for name in FIXED + OTHER
        for at in OFFSETS
    ]
    found += [f"String(Buffer.from(b).read{name}({given}))" for name in SIZED for given in PLACES]
    return found + [write(name, given) for name in SIZED for given in WIDE]


async def test_every_number_of_a_buffer_is_read_and_written_as_node_does(
    codecs: Codecs, in_node: Callable[..., Any]
) -> None:
    assert await compared(codecs, in_node, reads_and_writes()) == []


ENCODINGS = (
    "utf8",
    "hex",
    "base64",
    "base64url",
    "ascii",
    "latin1",
    "binary",
    "ucs2",
    "utf16le",
    "UTF-8",
    "HEX",
    "nope",
)
TEXTS = ("'héllo €😀'", "'0a0B'", "'0a0'", "'zz'", "'0g11'", "'YWJj'", "'YWJ'", "'YQ=='", "'YQ==YQ=='", "'Y W\\nJj'",
    "'_-8'", "'\\ud800x'", "''")  # fmt: skip


def texts() -> list[str]:
    found = [f"Buffer.from({text}, '{name}').toString('hex')" for name in ENCODINGS for text in TEXTS]
    found += [f"Buffer.byteLength({text}, '{name}')" for name in ENCODINGS for text in TEXTS]
    found += [
        f"Buffer.from([0xe9,128,255,65,0,0xf0,0x9f,0x98,0x80,0xd8]).toString('{name}', 0, 9)" for name in ENCODINGS
    ]
    found += [
        f"(() => {{ const x = Buffer.alloc(6); return [x.write('é€zé', 1, '{name}'), x.toString('hex')] }})()"
        for name in ENCODINGS
    ]
    found += [f"[Buffer.alloc(5, 'ab', '{name}').toString('hex'), Buffer.isEncoding('{name}')]" for name in ENCODINGS]
    return found + (HERE / "expressions-buffer.txt").read_text("utf-8").splitlines()


async def test_text_and_bytes_become_each_other_as_in_node(codecs: Codecs, in_node: Callable[..., Any]) -> None:
    assert await compared(codecs, in_node, texts()) == []


async def test_ciphers_and_hashes_are_those_of_node(codecs: Codecs, in_node: Callable[..., Any]) -> None:
    lines = (HERE / "expressions-crypto.txt").read_text("utf-8").splitlines()
    assert await compared(codecs, in_node, lines) == []


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("require('crypto').pbkdf2Sync('a', 'b', 1, 16, 'sha1')", "the hub has no crypto.pbkdf2Sync"),
        ("require('crypto').createCipheriv('des-ede3-cbc', Buffer.alloc(24), null)", "the hub has no des-ede3-cbc"),
        ("require('crypto').createHash('whirlpool')", "the hub has no whirlpool"),
        ("crypto.subtle.generateKey()", "the hub has no crypto.subtle.generateKey"),
        ("crypto.subtle.deriveKey()", "the hub has no crypto.subtle.deriveKey"),
        ("require('crypto').createHash('md5').update(Buffer.alloc(2 << 20)).digest()", "1048576 bytes"),
        ("require('crypto').randomBytes(1e9)", "1048576 random bytes"),
        ("require('crypto').randomBytes(8, () => 1)", "takes no callback"),
        ("require('util').inspect({})", "the hub has no util.inspect"),
        ("require('util').promisify(() => 1)", "the hub has no util.promisify"),
        ("require('os').hostname()", "the hub has no os.hostname"),
        ("new TextDecoder('shift_jis')", "not supported"),
        ("atob('_-')", "not correctly encoded"),
        ("new Date(0).toLocaleString('ja-JP')", "the hub formats no dates and numbers of ja-JP"),
        ("new Date(0).toLocaleString('fr', { month: 'long' })", "the hub formats no month: long"),
        ("new Date(0).toLocaleString('fr', { dateStyle: 'short' })", "the hub formats no dates with dateStyle"),
        ("new Date(0).toLocaleString('fr', { timeZone: 'Mars/Olympus' })", "Invalid time zone specified: Mars/Olympus"),
        ("new Date(0).toLocaleTimeString('fr', { hour: 'numeric' })", "the hub formats no part of a time"),
        ("(5).toLocaleString('en', { currency: 'EUR' })", "the hub formats no numbers with currency"),
        ("new Intl.PluralRules('fr')", "the hub formats no Intl.PluralRules"),
        ("'é'.localeCompare('e')", "the hub formats no comparisons of text beyond ASCII"),
        ("setTimeout(() => 1, 1)", "setTimeout is not defined"),
    ],
)  # fmt: skip
async def test_what_is_not_here_says_so_and_is_never_guessed(codecs: Codecs, expression: str, said: str) -> None:
    with pytest.raises(DecodeError) as caught:
        await codecs.decode_uplink(Codec(f"function decodeUplink(input) {{ return {{ data: {expression} }} }}"), b"", 1)
    assert said in caught.value.detail


TIMES = (
    "[0, 1700000000500, 1679187785000, 1698541199000, 1698541200000, 1711846799000, 1711846800000, -1e12, 951782400000]"
)
ZONES = ("Europe/Paris", "America/New_York", "Asia/Kolkata", "UTC", "Pacific/Auckland", "Etc/GMT+5", "europe/paris",
    "Australia/Lord_Howe", "Indian/Reunion", "America/Cayenne")  # fmt: skip
LOCALES = ("undefined", "'en-US'", "'en-GB'", "'en-CA'", "'fr-FR'", "'fr'", "'de-DE'", "'sv-SE'", "['fr-FR', 'en']")
SHAPES = (
    "{}", "{ hour12: false }", "{ hourCycle: 'h23' }", "{ year: 'numeric', month: '2-digit', day: '2-digit' }",
    "{ year: '2-digit', month: '2-digit', day: '2-digit' }", "{ year: 'numeric', month: 'numeric', day: 'numeric' }",
    "{ hour: '2-digit', minute: '2-digit' }",
    "{ hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false }",
    "{ hour: 'numeric', minute: 'numeric', second: 'numeric' }",
)  # fmt: skip


def dates() -> list[str]:
    found = [
        f"{TIMES}.map((t) => new Date(t).toLocaleString({place}, {{ timeZone: '{zone}' }}))"
        for zone in ZONES
        for place in LOCALES
    ]
    for place, shape, method in itertools.product(
        LOCALES, SHAPES, ("toLocaleString", "toLocaleDateString", "toLocaleTimeString")
    ):
        found.append(f"{TIMES}.map((t) => new Date(t).{method}({place}, {{ ...{shape}, timeZone: 'Europe/Paris' }}))")
    for place in LOCALES:
        parts = ", ".join(f"{name}: '2-digit'" for name in ("month", "day", "hour", "minute", "second"))
        every = f"{{ timeZone: 'Europe/Paris', year: 'numeric', {parts} }}"
        found += [
            f"new Intl.DateTimeFormat({place}, {every}).formatToParts(1700000000500)",
            f"Intl.DateTimeFormat({place}).format(0)",
        ]
    return [*found, *(HERE / "expressions-places.txt").read_text("utf-8").splitlines()]


async def test_dates_are_told_in_the_time_zone_that_was_asked_for(codecs: Codecs, in_node: Callable[..., Any]) -> None:
    assert await compared(codecs, in_node, dates()) == []


VALUES = (
    "[0, -0, 1, 12.5, 1234.5678, 1234567.891, 0.0005, 0.00049, -1234.5, 1e21, 1.5e-7, NaN, Infinity, -Infinity,"
    " 1.005, 2.5, 999.9995, 12n, -1234567n]"
)
DIGITS = ("undefined", "{ maximumFractionDigits: 2 }", "{ minimumFractionDigits: 2 }", "{ maximumFractionDigits: 0 }",
    "{ minimumFractionDigits: 2, maximumFractionDigits: 2 }", "{ useGrouping: false }", "{ minimumIntegerDigits: 2 }",
    "{ minimumFractionDigits: 3, maximumFractionDigits: 1 }")  # fmt: skip


async def test_numbers_are_told_as_node_does(codecs: Codecs, in_node: Callable[..., Any]) -> None:
    asked = [f"{VALUES}.map((n) => n.toLocaleString({place}, {digits}))" for place in LOCALES for digits in DIGITS]
    asked += [f"new Intl.NumberFormat({place}).format(1234567.891)" for place in LOCALES]
    assert await compared(codecs, in_node, asked) == []


def test_the_local_time_of_the_worker_is_utc_whatever_the_machines_is() -> None:
    codec = Codec(
        "function decodeUplink() { const d = new Date(2024, 6, 1, 12);"
        " return { data: [d.toISOString(), d.getTimezoneOffset(), String(d), d.toLocaleString()] } }"
    )
    asked = pack(Call(1, codec.digest, UPLINK, '{"bytes": [], "fPort": 1, "recvTime": null}', codec))
    done = subprocess.run(
        [sys.executable, "-m", "hub.devices.codecs.worker"],
        input=asked,
        env={**os.environ, "TZ": "America/New_York"},
        capture_output=True,
        check=True,
    )
    ready, answer = (msgspec.msgpack.decode(body, type=Answer) for body in Unpacker().feed(done.stdout))
    assert ready.text == "ready"
    assert answer.object()["data"] == [
        "2024-07-01T12:00:00.000Z",
        0,
        "Mon Jul 01 2024 12:00:00 GMT+0000 (Coordinated Universal Time)",
        "7/1/2024, 12:00:00 PM",
    ]
