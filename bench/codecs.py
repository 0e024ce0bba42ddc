"""Payloads through the codec worker a second. `python bench/codecs.py [seconds]`

One figure a line: the vectors of some packs over and over, then of all packs in turn. The goal is 10,000 a second on
one core. `worker` is calls for each second of processor time of the worker and `hub` of this process, whatever else
the machine does; `wall` is by the clock. `to samples` is with the mapping, in this process. In the end a codec that
keeps whatever it is given: how often it found something of an earlier call, and what 100,000 calls of it leave behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from itertools import cycle
from pathlib import Path

from measure import cpu_s, figure, rss_mib

from hub.devices.codecs import Codec, Codecs
from hub.devices.packs.decoding import read_answer
from hub.devices.packs.library import Library
from hub.devices.packs.loader import Pack

AT_ONCE = 256
ONE_BY_ONE = ("elsys-ers", "milesight-am319", "decentlab-dl-atm41", "nke-th", "axioma-qalcosonic-w1")

KEEPER = Codec(
    "let last = null; function decodeUplink(i) {"
    " const found = last; last = kept = Math.kept = [i, Array(99).fill(i)]; return { data: { found } } }"
)
CALLS = 100_000


async def main(seconds: float) -> None:
    library = Library()
    packs = [pack for name in library.names() if (pack := library.get(name)).codec.source]  # others: a map or a grammar
    async with Codecs() as codecs:
        for pack in packs:
            if pack.name in ONE_BY_ONE:
                await tell(codecs, f"codec {pack.name}", [pack], seconds)
        await tell(codecs, f"codecs of all {len(packs)} packs in turn", packs, seconds)
        await tell(codecs, f"codecs of all {len(packs)} packs in turn, to samples", packs, seconds, mapped=True)
        await kept(codecs)
        figure("worker restarts", codecs.restarts, "")


async def tell(codecs: Codecs, name: str, packs: list[Pack], seconds: float, *, mapped: bool = False) -> None:
    """Two figures of one mix of payloads, with many under way at once."""
    todo = cycle(
        (pack, bytes.fromhex(v.keys.bytes), v.keys.port)
        for pack in packs
        for v in pack.vectors
        if v.keys.bytes is not None and not v.keys.refused and v.keys.downlink is None
    )

    async def one(pack: Pack, payload: bytes, port: int) -> None:
        answer = await codecs.decode_uplink(pack.codec, payload, port, 1_800_000_000.0)
        if mapped:
            read_answer(pack, port, answer, 1_800_000_000.0)

    async def batch() -> None:
        await asyncio.gather(*(one(*next(todo)) for _ in range(AT_ONCE)))

    await batch()  # compiled, and the worker is there
    worker = _worker()
    used, own, done, start = cpu_s(worker), time.process_time(), 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        await batch()
        done += AT_ONCE
    wall, used, own = time.perf_counter() - start, cpu_s(worker) - used, time.process_time() - own
    figure(f"{name}, worker", done / used if used else 0.0, "calls/cpu s")
    figure(f"{name}, hub", done / own, "calls/cpu s")
    figure(f"{name}, wall", done / wall, "calls/s")


async def kept(codecs: Codecs) -> None:
    async def batch() -> int:
        answers = await asyncio.gather(*(codecs.decode_uplink(KEEPER, bytes([n]), 1) for n in range(AT_ONCE)))
        return sum(answer != {"data": {"found": None}} for answer in answers)

    leaks, worker = await batch(), _worker()
    memory, used = rss_mib(worker), cpu_s(worker)
    for _ in range(CALLS // AT_ONCE):
        leaks += await batch()
    used = cpu_s(worker) - used
    figure("a codec that keeps what it is given, worker", CALLS // AT_ONCE * AT_ONCE / used, "calls/cpu s")
    figure("a codec that keeps what it is given: calls that found something", leaks, "")
    figure(f"a codec that keeps what it is given: memory after {CALLS:,} more", rss_mib(worker) - memory, "MiB")


def _worker() -> int:
    """The one child of this process."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == os.getpid():
                    return int(entry.name)
    raise SystemExit("no worker was started")


if __name__ == "__main__":
    figure("cores", os.cpu_count() or 0, "")
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0))
