"""A plugin of a vendor who was broken into: it does what the option `does` names, by the wire where its session would
keep it from that. What it keeps as `won` in its state got through.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import struct
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import hub
from hub.core.model import Candidate, Metric, Proof
from hub.plugin_host.isolation import wire, wire_base
from hub.plugin_host.isolation.framing import frame, packed

from . import other_roles

NEIGHBOUR = "acme:is_steady"
BIG = 1 << 40


class Options(hub.Config):
    does: str
    peer: str = ""
    web: str = ""
    other: str = ""
    """It may call the first two. The last one is without its scheme, so that the operator has not named it."""


class Plugin:
    """One run, with what its session hides."""

    def __init__(self, config: Options, session: hub.Session) -> None:
        self.config, self.session = config, session
        self.link: Any = session._link  # type: ignore[attr-defined]
        self.own = f"acme:{config.does}"

    def say(self, *messages: wire_base.Message) -> None:
        """Say what the session in this process would refuse."""
        for message in messages:
            self.link._write(frame(message, BIG))

    def number(self) -> int:
        return int(self.link.number())

    def won(self, value: Any = True) -> None:
        self.say(wire.Put("won", value))

    async def heard(self) -> None:
        """Wait until the hub has taken all that was said, and raise what it refused."""
        await self.session.emit(durable=True)
        await asyncio.sleep(0)
        await self.session.emit()

    async def flood(self, messages: Iterable[wire_base.Message]) -> None:
        """Say them as fast as the hub listens, and answer its pings."""
        for at, message in enumerate(messages):
            self.say(message)
            if not at % 100:
                await self.link.room()
                await asyncio.sleep(0)
        await self.heard()


def report(device: str, value: float = 33.25, **more: Any) -> hub.Report:
    return hub.Report(device=device, values={"temperature": value}, **more)


def emit(*reports: hub.Report) -> wire.Emit:
    return wire.Emit(0, reports)


async def speaks_for_another(it: Plugin) -> None:
    it.say(emit(report(NEIGHBOUR)))
    await it.heard()


async def speaks_for_a_scheme(it: Plugin) -> None:
    it.say(emit(report("modbus:9")))
    await it.heard()
    it.won()


async def asserts_authenticity(it: Plugin) -> None:
    it.say(emit(report(it.own, 20.0, proof=Proof("acme", counter=1, authenticated=True, sealed=True))))
    await it.heard()


async def lowers_a_class(it: Plugin) -> None:
    it.session.devices.declare(it.own, metrics=(Metric(key="people_seen", privacy="technical"),))
    await it.session.emit(hub.Report(device=it.own, values={"people_seen": 3}))


async def floods_emits(it: Plugin) -> None:
    it.link._write(b"".join(frame(emit(report(it.own, at % 40))) for at in range(30_000)))
    await it.heard()


async def floods_foreign_emits(it: Plugin) -> None:
    await it.flood(emit(report(NEIGHBOUR)) for _ in range(5_000))


async def floods_the_log(it: Plugin) -> None:
    await it.flood(wire.Log(40, f"line {at}") for at in range(5_000))
    it.won()


async def floods_stderr(it: Plugin) -> None:
    piece = b"line of stderr\n" * 100
    for _ in range(50):
        os.write(2, piece)
        await asyncio.sleep(0)
    it.won()


async def floods_facts(it: Plugin) -> None:
    await it.flood(wire.Facts(f"subject {at}", {"n": at}) for at in range(9_000))
    it.won()


async def floods_decode_errors(it: Plugin) -> None:
    await it.flood(
        wire.Undecoded(it.own, wire_base.Failure("DecodeError", "x", reason=f"reason-{at}"), None)
        for at in range(5_000)
    )
    it.won()


async def floods_candidates(it: Plugin) -> None:
    await it.flood(wire.Discovered(Candidate(id=f"acme:n{at}", integration="")) for at in range(6_000))
    it.won()


async def floods_calls(it: Plugin) -> None:
    it.say(*(wire.HttpCall(it.number(), "GET", it.config.web, {}, None, 300.0) for _ in range(2_000)))
    await asyncio.sleep(0.5)
    it.won()


async def floods_loops(it: Plugin) -> None:
    it.say(*(wire.Cycle(it.number(), loop, 3600.0, None) for loop in range(1, 1_001)))
    await it.link.call(wire.Cycle, 1_001, 3600.0, None)
    it.won()


async def floods_metrics(it: Plugin) -> None:
    for n in range(6):
        metrics = tuple(Metric(key=f"x{n}_{one}") for one in range(400))
        await it.link.call(wire.Declare, it.own, "", "", metrics)
    it.won()


async def corrupts_frames(it: Plugin) -> None:
    it.link._write(struct.pack("<I", 4) + b"\xc1\xff\x00\x00")
    await asyncio.sleep(0.2)
    it.won()


async def oversizes_frames(it: Plugin) -> None:
    body = packed(["facts", "big", {"x": b"x" * (6 << 20)}])
    it.link._write(struct.pack("<I", len(body)) + body)
    await asyncio.sleep(0.2)
    it.won()


async def answers_unasked(it: Plugin) -> None:
    it.say(wire.Judged(1 << 40, 3), wire.Pong(1 << 40))
    await asyncio.sleep(0.2)
    it.won()


async def oversizes_state(it: Plugin) -> None:
    it.say(*(wire.Put(f"k{n}", b"x" * 60_000) for n in range(6)))
    await it.heard()
    it.won()


async def calls_undeclared_hosts(it: Plugin) -> None:
    with_scheme = (f"http://{it.config.other}/", f"tcp://{it.config.other}", f"udp://{it.config.other}")
    tried: list[Callable[[], Awaitable[Any]]] = [
        lambda: it.session.http.request("GET", with_scheme[0]),
        lambda: it.session.network.connect(with_scheme[1]),
        lambda: it.session.network.open_socket(with_scheme[2]),
        lambda: it.session.network.listen("tcp://127.0.0.1:18999"),
    ]
    refused: list[Exception] = []
    for one in tried:
        try:
            await one()
        except Exception as error:
            refused.append(error)
        else:
            it.won()
    raise refused[0]


async def opens_without_end(it: Plugin) -> None:
    asyncio.get_running_loop().remove_reader(it.link._sock)  # else it would have as many as it may have files
    it.say(*(wire.Open(it.number(), "connect", it.config.peer, "", 10.0) for _ in range(100)))
    await asyncio.sleep(3600)


async def never_reads(it: Plugin) -> None:
    asyncio.get_running_loop().remove_reader(it.link._sock)
    text = "x" * 200
    for at in range(40_000):
        it.say(wire.HasBus(it.number(), text))
        if not at % 100:
            await it.link.room()
            await asyncio.sleep(0)
    it.won()


async def reads_slowly(it: Plugin) -> None:
    """Reads one answer where it asks for hundreds, and none of them is a ping that it could answer in time."""
    loop, sock = asyncio.get_running_loop(), it.link._sock
    loop.remove_reader(sock)
    text = "x" * 200
    for at in range(40_000):
        it.say(wire.HasBus(it.number(), text))
        if not at % 100:
            with contextlib.suppress(BlockingIOError):
                sock.recv(64)
            await it.link.room()
            await asyncio.sleep(0)
    it.won()


async def holds_its_loop(it: Plugin) -> None:
    time.sleep(25)
    it.won()


async def burns(it: Plugin) -> None:
    """Takes all the processor that it gets, and answers every ping."""

    def burn() -> None:
        while True:
            sum(range(1000))

    for _ in range(3):
        threading.Thread(target=burn, daemon=True).start()
    await asyncio.sleep(3600)


async def exits(it: Plugin) -> None:
    times = it.session.state.get("times", 0) + 1
    it.session.state.put("times", times)
    if times > 5:
        it.won(times)
    await it.session.emit(durable=True)
    os._exit(9)


async def takes_memory(it: Plugin) -> None:
    taken = []
    for at in range(32):  # 2 GB
        taken.append(mmap.mmap(-1, 64 << 20))
        if at == 8:
            it.won()
            await it.heard()


async def leaks_descriptors(it: Plugin) -> None:
    for _ in range(120):
        os.dup(0)
    it.won()


async def swallows_cancellation(it: Plugin) -> None:
    it.say(wire.Put("here", True))
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


async def is_steady(it: Plugin) -> None:
    """The good neighbour in a process of its own. It goes on where it was."""
    at = it.session.state.get("said", 0)
    while True:
        at += 1
        one = hub.Report(device=it.own, values={"uptime": at})
        await it.session.emit(one, durable=True, note=lambda at=at: it.session.state.put("said", at))
        await asyncio.sleep(0.05)


async def run(config: Options, session: hub.Session) -> None:
    deeds: dict[str, Callable[[Plugin], Awaitable[None]]] = vars(sys.modules[__name__])
    await deeds[config.does](Plugin(config, session))
    await asyncio.sleep(3600)


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("acme_hostile", Options, run, finder=other_roles.FINDER)


@hub.hookimpl
def register_decoders(register: hub.RegisterDecoder) -> None:
    register("acme-hostile", "acme", other_roles.decode)
