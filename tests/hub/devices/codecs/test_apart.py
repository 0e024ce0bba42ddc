"""A call of a codec sees nothing of an earlier one, by whatever way the codec keeps it, and however that call ended.

Each way answers, in `found`, what an earlier call of it has left, and then leaves the bytes of its own. The twin is the
former way: one context that goes on. Every way must leak there, or it shows nothing here.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import resource
from typing import Any

import pytest

from hub.core.errors import DecodeError
from hub.devices.codecs import Codec, Codecs
from hub.devices.codecs.messages import ENCODE, UPLINK, Call
from hub.devices.codecs.sandbox import Compiled, Sandbox
from hub.devices.codecs.worker import CodecCache

SECRET = b"SERIAL-" + b"67890123!" * 8
"""So long that its block, once freed, is not given to a smaller text before the test has looked for it."""
OTHER = b"another meter"


def way(top: str, get: str, put: str, **files: str) -> Codec:
    """`s` is the payload as text; `get` is what is left, `put` leaves it."""
    return Codec(
        f"{top}\nfunction decodeUplink(input) {{"
        f" const s = String.fromCharCode(...input.bytes), found = {get};"
        f" {put}; return {{ data: {{ found: found === undefined ? null : found }} }} }}",
        {f"{name}.js": text for name, text in files.items()},
    )


WAYS = {
    "a variable": way("var last", "last", "last = s"),
    "a variable nobody declared": way("", "typeof last === 'string' ? last : null", "last = s"),
    "a lexical variable": way("let last", "last", "last = s"),
    "a closure": way("const k = (() => { let v; return (n) => { const o = v; v = n; return o } })()", "k(s)", ""),
    "a property of the global object": way("", "globalThis.last", "globalThis.last = s"),
    "a symbol of the registry": way("", "globalThis[Symbol.for('l')]", "globalThis[Symbol.for('l')] = s"),
    "a property that cannot be deleted": way("", "globalThis['g' + 1]",
        "globalThis.g1 === undefined && Object.defineProperty(globalThis, 'g1', { value: s })"),
    "a property of the function": way("", "decodeUplink.last", "decodeUplink.last = s"),
    "the codec itself": way("", "module.exports.last", "module.exports = { decodeUplink, last: s }"),
    "Object.prototype": way("", "({}).last", "Object.prototype.last = s"),
    "a getter of Object.prototype": way("", "({}).got",
        "Object.defineProperty(Object.prototype, 'got', { get: () => s, configurable: true })"),
    "a built-in method": way("", "[].at.call([0], 0)", "Array.prototype.at = () => s"),
    "JSON": way("", "JSON.parse('null')", "JSON.parse = () => s"),
    "toJSON": way("", "JSON.stringify([]).length", "Array.prototype.toJSON = () => s"),
    "a prototype": way("", "Math.last", "Object.setPrototypeOf(Math, { last: s })"),
    "the prototype of the global object": way("", "globalThis.far",
        "Object.setPrototypeOf(Object.getPrototypeOf(globalThis) || {}, null); globalThis.__proto__.far = s"),
    "Symbol.species": way("", "new (class extends Array {})(1).constructor.last || Array.last",
        "Object.defineProperty(Array, Symbol.species, { value: Object, configurable: true }); Array.last = s"),
    "the clock": way("", "Date.now() === 7", "Date.now = () => 7"),
    "random numbers": way("", "Math.random()", "for (const c of s) Math.random()"),
    "where an expression stands": way("const r = /./g", "r.lastIndex", "r.test(s)"),
    "exec of all expressions": way("", "/x/.exec('x')[0]", "RegExp.prototype.exec = () => [s]"),
    "a generator": way("const g = (function* () { let v; for (;;) v = yield v })()", "g.next(s).value", "g.next(s)"),
    "an iterator": way("const i = Array(99).keys()", "i.next().value", "for (const c of s) i.next()"),
    "an iterator helper": way("const h = Array(99).keys().map((x) => x)", "h.next().value", "s.length"),
    "a map": way("const m = new Map()", "m.get('l')", "m.set('l', s)"),
    "a weak map, by a built-in": way("const w = new WeakMap()", "w.get(Object)", "w.set(Object, s)"),
    "a weak map, by a template": way("const w = new WeakMap(), t = (x) => x, key = () => t`x`",
        "w.get(key())", "w.set(key(), s)"),
    "a weak reference": way("let w", "w && w.deref().s", "w = new WeakRef(globalThis.o = { s })"),
    "a set of what is forgotten": way("let n = 0; const f = new FinalizationRegistry(() => {})", "n",
        "f.register({}, s); n++"),
    "bytes": way("const b = new Uint8Array(64)", "Array.from(b)", "b.set(input.bytes)"),
    "shared bytes": way("const b = new Int32Array(new SharedArrayBuffer(64))", "Atomics.load(b, 1)",
        "Atomics.add(b, 1, s.length)"),
    "Buffer": way("", "Buffer.from('x').last", "Buffer.prototype.last = s"),
    "what Buffer reads": way("", "Buffer.from('x').toString('hex')", "Buffer.prototype.toString = () => s"),
    "console": way("", "(Object.getOwnPropertyDescriptor(console, 'l') || {}).value", "console.l = s"),
    "TextDecoder": way("", "new TextDecoder().decode(new Uint8Array(1))", "TextDecoder.prototype.decode = () => s"),
    "a file of the pack": way("const k = require('./kept')", "k.last", "k.last = s", kept="exports.last = null"),
    "a variable of a file": way("const k = require('./kept')", "k.swap(s)", "",
        kept="let v; exports.swap = (n) => { const o = v; v = n; return o }"),
    "a static private field": way("class C { static #v; static swap(n) { const o = C.#v; C.#v = n; return o } }",
        "C.swap(s)", ""),
    "a private field on a built-in": way(
        "class B { constructor(o) { return o } } class S extends B { #v; static get(o) { return #v in o ? o.#v : null }"
        " static put(o, v) { if (!(#v in o)) new S(o); o.#v = v } }", "S.get(Math)", "S.put(Math, s)"),
    "a frozen object": way("", "Object.isFrozen(JSON)", "Object.freeze(JSON)"),
    "a global object that takes no more": way("", "Object.isExtensible(globalThis)",
        "Object.preventExtensions(globalThis)"),
    "a function that is gone": way("", "typeof parseInt", "delete globalThis.parseInt"),
    "code by eval": way("", "(0, eval)('typeof ev === \"string\" ? ev : null')",
        "(0, eval)('var ev = ' + JSON.stringify(s))"),
    "code by Function": way("", "Function('return this.fn')()", "Function('v', 'this.fn = v')(s)"),
    "code by the constructor of a generator": way("", "globalThis.gf",
        "(function* () {}).constructor('v', 'globalThis.gf = v')(s).next()"),
    "how many lines an error tells": way("", "Error.stackTraceLimit", "Error.stackTraceLimit = s.length"),
    "how an error is told": way("", "new Error().stack === s ? 1 : typeof Error.prepareStackTrace",
        "Error.prepareStackTrace = () => s"),
    "an error": way("const e = new Error()", "e.message", "e.message = s"),
    "a proxy": way("const t = {}, p = new Proxy(t, {})", "p.last", "p.last = s"),
    "a default": way("function d(v, k = d.k ??= []) { const o = k[0]; k[0] = v; return o }", "d(s)", ""),
    "what another host keeps": way("", "context[0]", "context.push(s)"),
    "a cipher": way("const c = require('crypto').createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16))",
        "c.update(s, 'latin1', 'hex')", ""),
    "a hash": way("const h = require('crypto').createHash('md5')", "h.copy().digest('hex')", "h.update(s)"),
    "a built-in module": way("const c = require('crypto')", "c.last", "c.last = s"),
    "how dates are told": way("const f = new Intl.DateTimeFormat('fr', { timeZone: 'Europe/Paris' })", "f.last",
        "f.last = s"),
    "a promise": way("let p", "p && p.s", "p = Promise.resolve(s); p.s = s; p.then(() => { globalThis.x = s })"),
    "a microtask": way("let n = 0", "n", "n++; queueMicrotask(() => { throw s })"),
    "a call that throws": way("let last", "last", f"last = s; if (s.length === {len(SECRET)}) throw new Error(s)"),
    "a call that never ends": way("let last", "last", f"last = s; while (s.length === {len(SECRET)});"),
    "a call that recurses": way("let last; const r = () => r() + r()", "last",
        f"last = s; if (s.length === {len(SECRET)}) r()"),
    "a call that takes all memory": way("let last; const a = []", "last",
        f"last = s; while (s.length === {len(SECRET)}) a.push(Array(10000).fill(s))"),
    "an answer that is none": way("let last", "last", f"last = s; if (s.length === {len(SECRET)}) return null"),
}  # fmt: skip


def argument(payload: bytes) -> str:
    return json.dumps({"bytes": list(payload), "fPort": 1, "recvTime": None})


def called(sandbox: Sandbox, compiled: Compiled, payload: bytes) -> str:
    try:
        return sandbox.call(compiled, UPLINK, argument(payload))
    except DecodeError as error:
        return f"{error.reason}: {error.detail}"


def heard(sandbox: Sandbox, codec: Codec) -> tuple[str, str]:
    """What a codec answers to one payload first, and again after it was given another."""
    compiled = sandbox.compiled(codec)
    first = called(sandbox, compiled, OTHER)
    called(sandbox, compiled, SECRET)
    return first, called(sandbox, compiled, OTHER)


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.mark.parametrize("name", WAYS)
def test_a_call_sees_nothing_of_an_earlier_one(sandbox: Sandbox, name: str) -> None:
    first, again = heard(sandbox, WAYS[name])
    assert again == first
    assert first.startswith('{"data":')


@pytest.mark.parametrize("name", WAYS)
def test_each_way_leaks_where_the_context_goes_on(name: str) -> None:
    """The broken twin."""
    sandbox = Sandbox()
    compiled = sandbox.compiled(WAYS[name])
    sandbox.engine.reset_to = lambda image: None  # type: ignore[method-assign]
    first = called(sandbox, compiled, OTHER)
    called(sandbox, compiled, SECRET)
    assert called(sandbox, compiled, OTHER) != first


@pytest.mark.parametrize("name", WAYS)
def test_no_byte_of_a_call_is_left_in_the_memory_of_the_engine(sandbox: Sandbox, name: str) -> None:
    compiled, heap = sandbox.compiled(WAYS[name]), sandbox.engine.heap
    called(sandbox, compiled, SECRET)
    used = ctypes.string_at(heap.base, heap.used)
    assert SECRET in used
    sandbox.engine.reset_to(compiled.image)
    now = ctypes.string_at(heap.base, len(used))
    rest = len(compiled.image.content)
    assert SECRET not in now
    assert now[rest:] == bytes(len(used) - rest)
    assert heap.image()[1:] == compiled.image[1:]


@pytest.mark.real("processes")
async def test_in_the_worker_no_call_sees_an_earlier_one_nor_does_another_codec_or_a_downlink(codecs: Codecs) -> None:
    async def ask(codec: Codec, payload: bytes) -> Any:
        try:
            return await codecs.decode_uplink(codec, payload, 1)
        except DecodeError as error:
            return error.reason

    for codec in WAYS.values():
        first = await ask(codec, OTHER)
        await asyncio.gather(*(ask(codec, SECRET) for _ in range(3)), return_exceptions=True)
        await ask(WAYS["Object.prototype"], SECRET)
        assert await ask(codec, OTHER) == first
    both = Codec(
        "let last = null; function decodeUplink(i) { last = i.bytes[0]; return {} }"
        "function encodeDownlink(i) { const found = last; last = i.data; return { bytes: [], found } }"
    )
    for n in range(3):
        await codecs.decode_uplink(both, bytes([n]), 1)
        assert await codecs.encode_downlink(both, n) == {"bytes": [], "found": None}
    assert codecs.restarts == 0


@pytest.mark.real("processes")
async def test_the_serial_number_of_one_meter_does_not_reach_the_reading_of_the_next(codecs: Codecs) -> None:
    """A frame of type 1 says who the meter is, one of type 2 what it has counted: written so, it served one meter."""
    codec = Codec(
        "function decodeUplink(input) { const b = input.bytes;"
        " if (b[0] === 1) { serial = b.slice(1).join(''); return { data: { serial } } }"
        " return { data: { kwh: b[1], serial: typeof serial === 'undefined' ? null : serial } } }"
    )
    assert await codecs.decode_uplink(codec, b"\1\6\7\x08", 1) == {"data": {"serial": "678"}}
    assert await codecs.decode_uplink(codec, b"\2\x2a", 1) == {"data": {"kwh": 42, "serial": None}}


def test_a_hundred_thousand_calls_take_no_more_memory_than_some() -> None:
    """Kept objects, cycles, jobs and failures among them."""
    bench = CodecCache()
    kept = [
        Codec("const all = []; function decodeUplink(i) { all.push(i); return { data: { n: all.length } } }"),
        Codec("function decodeUplink(i) { const o = { i }; o.o = o; Promise.resolve(o).then(() => o); return {} }"),
        Codec("function decodeUplink(i) { globalThis['k' + i.fPort] = Array(300).fill(i); throw Error('no') }"),
    ]

    def calls(number: int) -> None:
        for n in range(number):
            codec = kept[n % 3]
            asked = {"bytes": [n & 255], "fPort": n, "recvTime": None}
            answer = bench.answer(Call(n, codec.digest, UPLINK, json.dumps(asked), codec if n < 3 else None))
            assert answer.text in ('{"data":{"n":1}}', "{}", "Error: no (line 1 of the codec)")

    calls(1000)
    before, used = _peak(), bench._sandbox.engine.heap.used
    calls(100_000)
    assert _peak() - before < 2 << 20
    assert bench._sandbox.engine.heap.used < used + (64 << 10)


def test_images_that_are_large_push_others_out_and_all_codecs_go_on() -> None:
    bench = CodecCache()
    large = [
        Codec(f"const t = new Uint8Array(9e6); function decodeUplink(i) {{ return {{ data: {n} }} }}") for n in range(9)
    ]
    for _ in range(2):
        for n, codec in enumerate(large):
            assert bench.answer(Call(n, codec.digest, UPLINK, argument(b""), codec)).text == f'{{"data":{n}}}'
    assert 1 < len(bench._compiled) < 9


def test_encoders_are_called_apart_too(sandbox: Sandbox) -> None:
    compiled = sandbox.compiled(Codec("let n = 0; function Encoder(data, port) { return [++n, data] }"))
    said = [sandbox.call(compiled, ENCODE, '{"data": 5, "fPort": 1}') for _ in range(3)]
    assert said == ['{"bytes":[1,5],"fPort":1}'] * 3


def _peak() -> int:
    """Bytes of memory this process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
