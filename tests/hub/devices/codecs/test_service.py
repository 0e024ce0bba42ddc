"""A codec that loops, recurses, allocates, throws or lies costs one frame; a worker that dies costs one call."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import DecodeError, NotReady
from hub.devices.codecs import Answer, Codec, Codecs
from hub.devices.codecs import service as module
from hub.sdk.testing import settle

GOOD = Codec("function decodeUplink(i) { return { data: { port: i.fPort, n: i.bytes.length } } }")


async def refused(codecs: Codecs, source: str, **more: Any) -> str:
    with pytest.raises(DecodeError) as caught:
        await codecs.decode_uplink(Codec(source, **more), b"\1\2", 7)
    return caught.value.reason


def body(code: str) -> str:
    return f"function decodeUplink(input) {{ {code} }}"


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (body("for (;;);"), "codec-time"),
        (body("/(a+)+$/.test('a'.repeat(40) + 'b'); return {}"), "codec-time"),
        (body("return { data: { toJSON() { for (;;); } } }"), "codec-time"),
        (body("(function r() { r(); r() })()"), "codec-stack"),
        (body("const a = []; for (;;) a.push(new Array(1000).fill(1))"), "codec-memory"),
        (body("return { data: 'x'.repeat(1 << 28) }"), "codec-memory"),
        (body("throw new Error('no such frame')"), "codec-error"),
        (body("throw null"), "codec-error"),
        (body("const o = {}; o.o = o; return { data: o }"), "codec-error"),
        (body("return { data: { text: 'x'.repeat(1e6) } }"), "codec-error"),
        (body("return new Promise(() => 1)"), "codec-error"),
        (body("return null"), "codec-error"),
        (body("let a = []; for (let n = 0; n < 2000; n++) a = [a]; return { data: { a } }"), "codec-shape"),
        (body("return 5"), "codec-error"),
        (body("return require('fs').readFileSync('/etc/passwd')"), "codec-error"),
        (body("return process.exit(1)"), "codec-error"),
        ("function decodeUplink(", "codec-syntax"),
        ("for (;;);", "codec-time"),
        ("var nothing = 1", "codec-error"),
    ],
)
async def test_what_a_codec_does_wrong_costs_its_own_frame_and_has_a_reason(
    codecs: Codecs, source: str, reason: str
) -> None:
    before = codecs.decode_uplink(GOOD, b"\1", 3)
    assert await before == {"data": {"port": 3, "n": 1}}
    assert await refused(codecs, source) == reason
    assert await codecs.decode_uplink(GOOD, b"\1\2", 4) == {"data": {"port": 4, "n": 2}}
    assert codecs.restarts == 0, "none of this needs another process"


@pytest.mark.real("processes")
async def test_a_codec_that_fills_its_memory_by_small_objects_is_ended_by_either_bound(codecs: Codecs) -> None:
    """It reaches 50 ms of processor about when it reaches 16 MiB: which one comes first is the machine's affair."""
    assert await refused(codecs, body("const a = []; for (;;) a.push({})")) in ("codec-memory", "codec-time")
    assert await codecs.decode_uplink(GOOD, b"\1\2", 4) == {"data": {"port": 4, "n": 2}}
    assert codecs.restarts == 0


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    ("source", "given"),
    [
        (body("return { data: { a: input.bytes[0], p: input.fPort } }"), {"data": {"a": 1, "p": 7}}),
        ("function Decoder(bytes, port) { return { a: bytes[0], p: port } }", {"data": {"a": 1, "p": 7}}),
        ("function Decode(fPort, bytes, variables) { return { a: bytes[0], p: fPort } }", {"data": {"a": 1, "p": 7}}),
        ("exports.decodeUplink = (i) => ({ data: { a: i.bytes[0] } })", {"data": {"a": 1}}),
        ("module.exports = { decodeUplink(i) { return { data: this.help(i) } }, help: (i) => ({ a: 1 }) }",
         {"data": {"a": 1}}),
        (body("return { errors: ['unknown port'], warnings: ['w'] }"), {"errors": ["unknown port"], "warnings": ["w"]}),
    ],
)  # fmt: skip
async def test_every_form_of_codec_is_found(codecs: Codecs, source: str, given: dict[str, Any]) -> None:
    assert await codecs.decode_uplink(Codec(source), b"\1\2", 7) == given


@pytest.mark.real("processes")
async def test_downlinks_are_encoded(codecs: Codecs) -> None:
    codec = Codec("function encodeDownlink(i) { return { bytes: [i.data.minutes], fPort: 2 } }")
    assert await codecs.encode_downlink(codec, {"minutes": 15}) == {"bytes": [15], "fPort": 2}
    old = Codec("function Encoder(data, port) { return [data.minutes, port] }")
    assert await codecs.encode_downlink(old, {"minutes": 15}, 3) == {"bytes": [15, 3], "fPort": 3}


@pytest.mark.real("processes")
async def test_the_time_of_reception_is_a_date(codecs: Codecs) -> None:
    codec = Codec(body("return { data: { at: input.recvTime.toISOString() } }"))
    told = await codecs.decode_uplink(codec, b"", 1, 1_700_000_000.5)
    assert told == {"data": {"at": "2023-11-14T22:13:20.500Z"}}


@pytest.mark.real("processes")
async def test_many_calls_at_once_are_answered_each_with_its_own(codecs: Codecs) -> None:
    answers = await asyncio.gather(*(codecs.decode_uplink(GOOD, bytes(n % 9), n % 200) for n in range(500)))
    assert answers == [{"data": {"port": n % 200, "n": n % 9}} for n in range(500)]


@pytest.mark.real("processes")
async def test_more_codecs_than_stay_compiled_are_compiled_again(codecs: Codecs) -> None:
    made = [Codec(body(f"return {{ data: {{ n: {n} }} }}")) for n in range(40)]
    for _ in range(2):
        for n, codec in enumerate(made):
            assert await codecs.decode_uplink(codec, b"", 1) == {"data": {"n": n}}


@pytest.mark.real("processes")
async def test_many_large_bundles_stay_below_the_memory_of_the_worker(codecs: Codecs) -> None:
    """Python keeps four bytes for each character of a text that has one beyond the basic plane."""
    large = "".join(f"// {n:x} 😀 of a library that a bundler has put into the file\n" for n in range(24_000))
    for n in range(30):
        codec = Codec(f"{large}function decodeUplink() {{ return {{ data: {n} }} }}")
        assert await codecs.decode_uplink(codec, b"", 1) == {"data": n}
    assert codecs.restarts == 0


@pytest.mark.real("processes")
async def test_a_worker_that_is_killed_is_started_again_and_the_calls_behind_are_asked_again(codecs: Codecs) -> None:
    await codecs.decode_uplink(GOOD, b"", 1)
    calls = [asyncio.create_task(codecs.decode_uplink(GOOD, bytes(n), n)) for n in range(20)]
    for pid in _workers():
        os.kill(pid, signal.SIGKILL)
    done = await asyncio.gather(*calls, return_exceptions=True)
    wrong = [answer for answer in done if not isinstance(answer, dict)]
    assert len(wrong) <= 1
    assert all(isinstance(error, DecodeError) and error.reason == "codec-crash" for error in wrong)
    assert await codecs.decode_uplink(GOOD, b"", 5) == {"data": {"port": 5, "n": 0}}
    assert codecs.restarts >= 1


@pytest.mark.real("processes")
async def test_a_worker_that_dies_while_it_has_nothing_to_do_costs_no_call(codecs: Codecs) -> None:
    await codecs.decode_uplink(GOOD, b"", 1)
    (pid,) = _workers()
    os.kill(pid, signal.SIGKILL)
    while Path(f"/proc/{pid}").exists():  # until its end was noticed
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert await codecs.decode_uplink(GOOD, b"", 5) == {"data": {"port": 5, "n": 0}}
    assert codecs.restarts == 1


def test_a_worker_that_was_taken_over_makes_up_no_reason_to_be_counted() -> None:
    with pytest.raises(DecodeError) as caught:
        Answer(1, "x" * 9999, "made\nup").object()
    assert (caught.value.reason, len(caught.value.detail)) == ("codec-crash", 300)


@pytest.mark.real("processes")
async def test_a_worker_that_answers_what_is_no_text_costs_that_call_and_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started = module._worker

    @contextlib.asynccontextmanager
    async def taken_over() -> Any:
        reader = asyncio.StreamReader()
        reader.feed_data(b"\0\0\0\5\x93\1\xa1\xff\xa0")
        monkeypatch.setattr(module, "_worker", started)
        with open(os.devnull, "wb") as out:
            yield reader, out, lambda: 0.0

    monkeypatch.setattr(module, "_worker", taken_over)
    async with Codecs(starved_s=300.0) as codecs, asyncio.timeout(300):
        with pytest.raises(DecodeError) as caught:
            await codecs.decode_uplink(GOOD, b"\1", 1)
        assert caught.value.reason == "codec-crash"
        assert await codecs.decode_uplink(GOOD, b"\1", 2) == {"data": {"port": 2, "n": 1}}


@pytest.mark.real("processes")
async def test_a_worker_that_hangs_is_killed_and_the_call_it_hung_on_has_the_blame() -> None:
    async with Codecs(call_s=0.5, starved_s=300.0) as codecs:
        await codecs.decode_uplink(GOOD, b"", 1)
        (pid,) = _workers()
        os.kill(pid, signal.SIGSTOP)
        with _hardly_waiting(codecs):
            first = asyncio.create_task(codecs.decode_uplink(GOOD, b"1", 1))
            second = asyncio.create_task(codecs.decode_uplink(GOOD, b"22", 2))
            await asyncio.wait([first])
        with pytest.raises(DecodeError) as caught:
            await first
        assert caught.value.reason == "codec-time"
        assert await second == {"data": {"port": 2, "n": 2}}
        assert pid not in _workers()


@pytest.mark.real("processes")
async def test_a_worker_that_gets_no_processor_is_waited_for_and_one_that_computes_too_long_is_not() -> None:
    async with Codecs(starved_s=300.0) as codecs:
        await codecs.decode_uplink(GOOD, b"", 1)
        codecs._call_s = 0.1  # what is compiled needs a hundredth of it
        (pid,) = _workers()
        os.kill(pid, signal.SIGSTOP)
        waiting = asyncio.create_task(codecs.decode_uplink(GOOD, b"1", 1))
        await asyncio.sleep(0.5)  # five times what a call may compute
        os.kill(pid, signal.SIGCONT)
        assert await waiting == {"data": {"port": 1, "n": 1}}
        assert codecs.restarts == 0
        with pytest.raises(DecodeError) as caught:  # compiled for a second, were it let
            await codecs.decode_uplink(Codec("for (;;);"), b"", 1)
        assert caught.value.reason == "codec-time"
        async with asyncio.timeout(60):
            while codecs.restarts != 1:
                await asyncio.sleep(0.01)


@pytest.mark.real("processes")
async def test_a_worker_that_is_being_ended_when_the_hub_ends_is_gone_before_the_hub_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cancelled while it waits for the end of a worker that hung: it waits on, or a zombie and its pipes are left."""
    wait, ending, go = asyncio.subprocess.Process.wait, asyncio.Event(), asyncio.Event()

    async def slowly(process: asyncio.subprocess.Process) -> int:
        ending.set()
        await go.wait()
        return await wait(process)

    monkeypatch.setattr(asyncio.subprocess.Process, "wait", slowly)
    async with asyncio.timeout(60):
        async with Codecs(call_s=0.5, starved_s=300.0) as codecs:
            await codecs.decode_uplink(GOOD, b"", 1)
            (pid,) = _workers()
            os.kill(pid, signal.SIGSTOP)
            with _hardly_waiting(codecs), pytest.raises(DecodeError):
                await codecs.decode_uplink(GOOD, b"1", 1)
            await ending.wait()
            leaving = asyncio.create_task(codecs.__aexit__(None, None, None))
            await settle()
            assert not leaving.done()
            go.set()
            await leaving
            assert not Path(f"/proc/{pid}").exists()


@pytest.mark.real("processes")
async def test_without_the_worker_calls_fail_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sys, "executable", "/does/not/exist")  # type: ignore[attr-defined]
    async with Codecs() as codecs:
        with pytest.raises(NotReady, match="cannot be started"):
            await codecs.decode_uplink(GOOD, b"", 1)


@pytest.mark.real("processes")
async def test_nothing_is_left_behind() -> None:
    async with Codecs(starved_s=300.0) as codecs:
        await codecs.decode_uplink(GOOD, b"", 1)
        assert len(_workers()) == 1
    assert _workers() == []


@contextlib.contextmanager
def _hardly_waiting(codecs: Codecs) -> Iterator[None]:
    """For a worker that hangs: what runs before and after it may take its time on a busy machine."""
    usual, codecs._starved_s = codecs._starved_s, 1.0
    yield
    codecs._starved_s = usual


def _workers() -> list[int]:
    """Process ids of this test's own workers."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(parent[1]) == os.getpid() and parent[0] != "Z" and b"hub.devices.codecs.worker" in command:
                found.append(int(entry.name))
    return found


@pytest.mark.real("processes")
async def test_a_codec_that_is_no_javascript_is_refused_with_its_line(codecs: Codecs) -> None:
    with pytest.raises(DecodeError, match=r"codec-syntax: SyntaxError: .* \(line 3 of the codec\)"):
        await codecs.decode_uplink(
            Codec("function decodeUplink(input) {\n  const a = 1;\n  retrun { data: {} };\n}"), b"", 1
        )
