"""A fleet of simulated hubs against a real backend, which remembers what it sealed and what was acknowledged.

    python tests/faults/fleet.py OWNER_DIRECTORY TRUTH [--url URL] [--hubs N] [--seconds S] [--every S] [--devices N]
                                 [--twice PERCENT] [--seed N] [--drain S] [--stop-by-input] [--keep-nothing]

Hubs enrol, seal, sign and judge acknowledgements by the hub's own code (`hub.protocol`, `hub.identity`); what drives
them is here. Each behaves in one of the ways of `WAYS`. A part of all messages is sent twice, the second time over
another connection, which may lead to another worker. An answer that does not come is asked for again until the records
are acknowledged, which is what a hub does.

TRUTH is a file that `auditor.py` compares with what the backend answers. Its values tell each reading of a series
apart, so that a reading that is lost, doubled or dated wrongly is seen.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import aiohttp
import msgspec

from backend.conformance.probe import Probe
from backend.conformance.sender import Segment
from hub.core.errors import HubError
from hub.identity import enrolment
from hub.protocol.link_messages import Ack, sign_state
from hub.protocol.ranges import Ranges
from hub.protocol.records.bodies import ClockMark, Gap
from hub.protocol.records.rows import READINGS, Column, Row, Shape, Subject
from hub.protocol.records.seal import Previous

WAYS = ("plain", "late", "undated", "restarting", "gaps")
"""plain · late: blocks leave in another order, minutes after they were sealed · undated: each run begins without a
clock, and tells the time of its boot later · restarting: a new run every few blocks · gaps: numbers that it declares
lost"""
SHAPE = Shape((Column("temperature", "Cel", "0.01"), Column("count", "1", "1", state_class="total_increasing")))
TICK_MS = 1000
RUN_BLOCKS = 5
UNDATED_BLOCKS = 3
LATE_BLOCKS = 4
STATE_EVERY_S = 30.0
MOST_TICKS = 120
LARGEST = 40
"""Records in a message at most."""
PATIENCE_S = 10.0
ENROLLING = 8
"""Hubs that enrol at once."""


class Block(msgspec.Struct):
    """A sealed record: its run and number, the ticks `first` to `last` (excluded) of every device, none of a record
    without readings."""

    run: str
    seq: int
    first: int
    last: int


class Truth(msgspec.Struct):
    """All that a hub sealed. Tick t of device d is dated `begun` + t × TICK_MS + d and reads `value(d, t)`. `acked`
    holds the numbers of each run that the backend has acknowledged."""

    hub: str
    way: str
    begun: int
    devices: int
    blocks: list[Block] = []
    acked: dict[str, list[tuple[int, int]]] = {}
    gaps: list[tuple[str, int, int]] = []


def value(device: int, tick: int) -> tuple[float, int]:
    """Return what a device measures at a tick: a temperature, which may repeat, and a count, which tells each tick
    apart."""
    return round(15 + (tick * 7 + device * 13) % 1000 / 100, 2), tick * 16 + device


@dataclass
class Counts:
    """What a fleet saw. `repeated`: acknowledgements whose number was not above the one before, which hubs refuse."""

    messages: int = 0
    twice: int = 0
    readings: int = 0
    acked: int = 0
    failed: int = 0
    refused: int = 0
    repeated: int = 0
    forged: int = 0
    rejected: int = 0
    databases: int = 0
    wanted: int = 0
    latencies: list[float] = field(default_factory=list)

    def told(self) -> dict[str, float]:
        took = sorted(self.latencies) or [0.0]
        known = {name: number for name, number in asdict(self).items() if name != "latencies"}
        return known | {
            "p50_ms": round(took[len(took) // 2] * 1000, 1),
            "p95_ms": round(took[int(len(took) * 0.95)] * 1000, 1),
            "max_ms": round(took[-1] * 1000, 1),
        }


class SimulatedHub:
    """A hub that measures, seals and sends. One task."""

    def __init__(self, probe: Probe, way: str, options: argparse.Namespace, counts: Counts, rng: random.Random) -> None:
        self.truth = Truth(probe.hub, way, int(time.time() * 1000), options.devices)
        self._probe, self._options, self._counts, self._rng = probe, options, counts, rng
        self._subjects = [Subject(f"sim:{n}", f"place-{n}", "school", "zone") for n in range(options.devices)]
        self._tick = 0
        self._kept: dict[tuple[str, int], tuple[Segment, bytes, int]] = {}  # (run, seq) → its segment, raw, readings
        self._unsent: dict[tuple[str, int], None] = {}
        self._acked: dict[str, Ranges] = {}  # by the newest acknowledgement
        self._ever: dict[str, Ranges] = {}  # by any of them
        self._database, self._n, self._heard = b"", 0, 0.0
        self._stated = -STATE_EVERY_S
        self._told: dict[str, int] = {}
        self._boot, self._in_run, self._is_dated = b"", 0, False
        self._segment = self._begin(None)

    @property
    def waiting(self) -> int:
        """Return how many sealed records are not acknowledged."""
        return sum(not self._is_acked(run, seq) for run, seq in self._kept)

    async def live(self, stop: asyncio.Event) -> None:
        """Measure and send every few seconds until `stop`, then only send until all is acknowledged."""
        await asyncio.sleep(self._rng.uniform(0, self._options.every))
        due = time.monotonic()
        while not stop.is_set():
            self._measure()
            if not await self._send_all():
                await asyncio.sleep(self._rng.uniform(0.2, 2.0))
            due = max(due + self._options.every, time.monotonic() - 5 * self._options.every)
            if (left := due - time.monotonic()) > 0:
                await _either(stop, left)
        self._tell_time()
        self._release(everything=True)
        heard = False  # a database that was put back meanwhile may lack what is acknowledged
        while not heard or self.waiting:
            heard = heard or await self._state()
            if not heard or not await self._send_all() or self.waiting:
                await asyncio.sleep(self._rng.uniform(0.2, 1.0))  # always, or no time-out could end this

    def finish(self) -> Truth:
        self.truth.acked = {run: list(ranges) for run, ranges in self._ever.items()}
        return self.truth

    def _begin(self, before: Segment | None) -> Segment:
        previous = Previous() if before is None else Previous(before.run, before.next_seq - 1, before.last_digest)
        self._in_run, self._is_dated = 0, False
        self._boot = os.urandom(16) if self.truth.way == "undated" else b""
        return self._probe.segment(previous=previous)

    def _measure(self) -> None:
        """Seal what was measured since the last time."""
        way = self.truth.way
        if way in ("restarting", "undated") and self._in_run >= RUN_BLOCKS:
            self._segment = self._begin(self._segment)
        if way == "gaps" and self._in_run and self._rng.random() < 0.1:
            self._lose()
        first, self._tick = self._tick, int((time.time() * 1000 - self.truth.begun) / TICK_MS)
        first = max(first, self._tick - MOST_TICKS)  # what a busy machine did not come to measure
        if first == self._tick:
            return
        undated = way == "undated" and self._in_run < UNDATED_BLOCKS
        rows = list(self._rows(first, undated=undated))
        raw = self._segment.block(rows, self._boot if undated else b"")
        self._keep(raw, first, len(rows) * len(SHAPE.columns))
        if self._in_run == UNDATED_BLOCKS:
            self._tell_time()
        self._release()

    def _tell_time(self) -> None:
        """Date the present run of an undated hub, if nothing has."""
        if self._boot and not self._is_dated:
            self._is_dated = True
            self._keep(self._segment.clock(ClockMark(self._boot, self.truth.begun, 5, "ntp")), self._tick, 0)

    def _rows(self, first: int, *, undated: bool) -> Iterator[Row]:
        for tick in range(first, self._tick):
            for device, subject in enumerate(self._subjects):
                at = tick * TICK_MS + device
                yield Row(subject, SHAPE, at if undated else self.truth.begun + at, not undated, value(device, tick))

    def _keep(self, raw: bytes, first: int, readings: int) -> None:
        run, seq = self._segment.run.hex(), self._segment.next_seq - 1
        self._in_run += 1
        self._counts.readings += readings
        self._kept[run, seq] = self._segment, raw, readings
        self.truth.blocks.append(Block(run, seq, first, self._tick))

    def _lose(self) -> None:
        """Skip numbers, and declare them."""
        first, now = self._segment.next_seq, int(time.time())
        self._segment.skip(2)
        gap = Gap(READINGS, self._segment.run, first, first + 1, 8, now - 60, now, "evicted")
        self.truth.gaps.append((self._segment.run.hex(), first, first + 1))
        self._keep(self._segment.gap(gap), self._tick, 0)

    def _release(self, *, everything: bool = False) -> None:
        """Let sealed records go, those of a late hub in another order and some blocks later."""
        held = [key for key in self._kept if key not in self._unsent and not self._is_acked(*key)]
        if self.truth.way == "late":
            if len(held) < LATE_BLOCKS and not everything:
                return
            self._rng.shuffle(held)
        self._unsent |= dict.fromkeys(held)

    async def _send_all(self) -> bool:
        """Send what waits; return False when an answer did not come, or refused."""
        if time.monotonic() - self._stated >= STATE_EVERY_S:
            if not await self._state():
                return False
            self._stated = time.monotonic()
        while todo := [key for key in self._unsent if not self._is_acked(*key)][:LARGEST]:
            if not await self._message(todo) or all(not self._is_acked(*key) for key in todo):
                return False
        self._unsent.clear()
        return True

    async def _message(self, keys: Sequence[tuple[str, int]]) -> bool:
        groups: dict[bytes, tuple[Segment, list[bytes]]] = {}
        for key in keys:
            segment, raw, _ = self._kept[key]
            groups.setdefault(segment.eid, (segment, []))[1].append(raw)
        # one group a message, as the conformance sender packs them; a TABLE may have come since the last one
        for segment, raws in groups.values():
            known = self._told.get(segment.eid.hex(), 0)
            body = segment.message(raws, context=known < len(segment.context))
            if not await self._post(body, segment):
                return False
            if self._rng.random() * 100 < self._options.twice:
                self._counts.twice += 1
                if not await self._post(body, segment, apart=True):
                    return False
        return True

    async def _post(self, body: bytes, segment: Segment, *, apart: bool = False) -> bool:
        began = time.monotonic()
        try:
            if apart:
                async with aiohttp.ClientSession(timeout=self._probe.session.timeout) as session:
                    answer = await Probe.post(_through(self._probe, session), body)
            else:
                answer = await self._probe.post(body)
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._counts.failed += 1
            return False
        except HubError:
            self._counts.forged += 1
            return False
        if answer.status != 200:
            self._counts.refused += 1
            return False
        self._counts.messages += 1
        self._counts.latencies.append(time.monotonic() - began)
        self._told[segment.eid.hex()] = 0 if segment.eid in answer.need else len(segment.context)
        self._heed(answer.acks)
        return segment.eid not in answer.need

    async def _state(self) -> bool:
        last = self._segment.next_seq - 1
        streams = {READINGS: (self._segment.run, last, self._segment.last_digest)} if last else {}
        oldest = {READINGS: (bytes.fromhex(self.truth.blocks[0].run), 1)} if self.truth.blocks else {}
        said = self._probe.state_of(streams, oldest=oldest, heard=self._heard, nonce=os.urandom(16), speaks=2)
        try:
            answer = await self._probe.post(sign_state(said, self._probe.keys.identity), "state")
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._counts.failed += 1
            return False
        if answer.status != 200:
            self._counts.refused += 1
            return False
        self._heed(answer.acks)
        return True

    def _heed(self, acks: Sequence[Ack]) -> None:
        """Take acknowledgements as a hub does: their numbers rise, and what is committed is what the newest one says.
        Parts of one acknowledgement have one number."""
        for number, ack in enumerate(acks):
            if ack.db != self._database:
                self._database, self._n = ack.db, 0
                self._acked.clear()
                self._counts.databases += 1
                self._unsent |= dict.fromkeys(self._kept)  # also once nothing is measured any more
            same = number > 0 and acks[number - 1].n == ack.n
            if ack.n <= self._n and not same:
                self._counts.repeated += 1
                continue
            self._n, self._heard = ack.n, max(self._heard, ack.now)
            run = ack.run.hex()
            before = self._acked.get(run, Ranges())
            self._acked[run] = now = Ranges([*([(1, ack.through)] if ack.through else []), *ack.ranges])
            self._unsent |= dict.fromkeys(
                key for key in self._kept if key[0] == run and key[1] in before and key[1] not in now
            )
            self._counts.acked += sum(
                readings
                for (of, seq), (_, _, readings) in self._kept.items()
                if of == run and seq in now and seq not in before
            )
            self._counts.rejected += sum(last - first + 1 for first, last in ack.rejected)
            for first, last in now:
                self._ever.setdefault(run, Ranges()).add(first, last)
            if self._options.keep_nothing:
                self._drop(run, now)
            for first, last in ack.want:
                found = [(run, seq) for seq in range(first, last + 1) if (run, seq) in self._kept]
                self._counts.wanted += len(found)
                self._unsent |= dict.fromkeys(found)

    def _drop(self, run: str, acked: Ranges) -> None:
        """Give up what is acknowledged, which hubs keep for some days: whoever asks for it again is not helped."""
        for key in [key for key in self._kept if key[0] == run and key[1] in acked]:
            del self._kept[key]
            self._unsent.pop(key, None)

    def _is_acked(self, run: str, seq: int) -> bool:
        return seq in self._acked.get(run, ())


def _through(probe: Probe, session: aiohttp.ClientSession) -> Probe:
    other = Probe.__new__(Probe)
    other.__dict__ |= probe.__dict__ | {"session": session}
    return other


async def _either(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass


async def enrolled(owner: Path, scratch: Path, count: int, session: aiohttp.ClientSession, url: str) -> list[Probe]:
    """Enrol hubs with tokens of this owner's backend, which runs; each sends to `url`, or to where its token says."""
    probes: list[Probe] = []
    gate = asyncio.Semaphore(ENROLLING)

    async def one(token: str, state: Path) -> None:
        async with gate:
            known = await enrolment.enrol(token, state)
        probes.append(Probe(url or known.url, token, state, session))

    tokens = await asyncio.to_thread(_tokens, owner, count)
    await asyncio.gather(*(one(token, scratch / f"hub-{n}") for n, token in enumerate(tokens)))
    return probes


def _tokens(owner: Path, count: int) -> list[str]:
    """Make all of them at once, from a table."""
    with tempfile.TemporaryDirectory(prefix="ilot-tokens-") as where:
        table, made = Path(where, "hubs.csv"), Path(where, "tokens.csv")
        table.write_text("name,tags\n" + "".join(f"hub {n},\n" for n in range(count)))
        command = [sys.executable, "-m", "hub", "backend", "tokens", "make", owner, table, "--out", made]
        subprocess.run([str(word) for word in command], check=True, capture_output=True)
        with made.open(encoding="utf-8-sig", newline="") as rows:
            return [row["token"] for row in csv.DictReader(rows, delimiter=";")]


async def sail(options: argparse.Namespace) -> Counts:
    """Let a fleet live for a time, and write what is true of it."""
    counts, rng, stop = Counts(), random.Random(options.seed), asyncio.Event()
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    connector = aiohttp.TCPConnector(limit=0)
    with tempfile.TemporaryDirectory(prefix="ilot-fleet-") as scratch:
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            probes = await enrolled(options.owner, Path(scratch), options.hubs, session, options.url)
            print(json.dumps({"enrolled": len(probes)}), flush=True)
            hubs = [
                SimulatedHub(probe, WAYS[n % len(WAYS)], options, counts, random.Random(rng.random()))
                for n, probe in enumerate(probes)
            ]
            living = [asyncio.create_task(hub.live(stop)) for hub in hubs]
            reporting = asyncio.create_task(_report(hubs, counts, options.every))
            if options.stop_by_input:
                living.append(asyncio.create_task(asyncio.to_thread(_until_closed)))
            await asyncio.wait(living, timeout=options.seconds, return_when=asyncio.FIRST_COMPLETED)
            stop.set()
            _, late = await asyncio.wait(living, timeout=options.drain)
            for one in late:
                one.cancel()
            reporting.cancel()
            for task in living:
                if task.done() and not task.cancelled():
                    task.result()
            options.truth.write_bytes(msgspec.json.encode([hub.finish() for hub in hubs]))
            print(json.dumps(counts.told() | {"waiting": sum(hub.waiting for hub in hubs)}), flush=True)
    return counts


def _until_closed() -> None:
    while sys.stdin.buffer.read(4096):
        pass


async def _report(hubs: Sequence[SimulatedHub], counts: Counts, every: float) -> None:
    while True:
        await asyncio.sleep(max(10.0, every))
        print(json.dumps(counts.told() | {"waiting": sum(hub.waiting for hub in hubs)}), file=sys.stderr, flush=True)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("owner", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--url", default="", help="where hubs send to, if not where their token says")
    parser.add_argument("--hubs", type=int, default=20)
    parser.add_argument("--devices", type=int, default=4, choices=range(1, 17), metavar="1-16")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two messages of a hub")
    parser.add_argument("--drain", type=float, default=120.0, help="seconds until all must be acknowledged at the end")
    parser.add_argument("--twice", type=float, default=30.0, help="per cent of the messages that are sent twice")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep-nothing", action="store_true", help="hubs drop at once what is acknowledged")
    parser.add_argument("--stop-by-input", action="store_true", help="the hubs' time is over when stdin is closed")
    return parser.parse_args(words)


if __name__ == "__main__":
    asyncio.run(sail(arguments()))
