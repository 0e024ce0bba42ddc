"""The backend alone: readings a second from a sealed message over TLS to its signed acknowledgement.

    python bench/backend.py [--readings N] [--block N] [--devices N]

The server is a process of its own, held to one core, the sender to another; messages are sealed before the clock
starts. Values are random walks at sensor noise, not a repeating pattern that zstd would see
through. A run counts only when every record was acknowledged and the database holds exactly what was sent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where `backend` is this script
import aiohttp
from measure import cpu_s, figure, part_of, rss_mib

from backend.conformance.sender import Segment
from hub.identity import enrolment, keys
from hub.protocol import link_messages
from hub.protocol.documents.trust import Trust
from hub.protocol.records.rows import Column, Row, Shape, Subject
from tests.stored import count

SHAPE = Shape(
    (
        Column("temperature", "Cel", "0.01"),
        Column("humidity", "%", "0.1"),
        Column("battery_voltage", "V", "0.001"),
        Column("power", "W", "1"),
    )
)
MESSAGE_BYTES = 65536
IN_FLIGHT = 16


def walk(rng: random.Random, count: int) -> list[tuple[float, float, float, int]]:
    """Values of one device, report after report."""
    temperature, humidity, battery, power = rng.uniform(15, 25), rng.uniform(30, 60), 3.0, rng.uniform(0, 2000)
    values = []
    for _ in range(count):
        temperature += rng.gauss(0, 0.03)
        humidity += rng.gauss(0, 0.3)
        battery += rng.gauss(0, 0.002)
        power += rng.gauss(0, 15)
        values.append((round(temperature, 2), round(humidity, 1), round(battery, 3), round(power)))
    return values


def seal(hub_keys: keys.HubKeys, trust: Trust, *, readings: int, block: int, devices: int) -> tuple[list[bytes], int]:
    """The context with the first block, then messages of about 64 KiB, and how many records there are in all."""
    rng = random.Random(1)
    subjects = [Subject(f"bench:{n:05d}", f"place-{n}") for n in range(devices)]
    phases = [rng.randrange(60_000) for _ in subjects]
    turns = readings // 4 // devices
    walks = [walk(rng, turns) for _ in subjects]
    rows = [
        Row(
            subjects[n],
            SHAPE,
            1_800_000_000_000 + turn * 60_000 + phases[n] + rng.randrange(200),
            True,
            walks[n][turn],
            0,
            1,
            -60 - rng.randrange(8),
        )
        for turn in range(turns)
        for n in range(devices)
    ]
    step = block // 4
    segment = Segment(hub=hub_keys.hub_id, identity=hub_keys.identity, trust=trust)
    records = [segment.block(rows[at : at + step]) for at in range(0, len(rows), step)]
    messages, batch, size = [segment.message(records[:1])], [], 0
    for record in records[1:]:
        if size + len(record) > MESSAGE_BYTES and batch:
            messages.append(segment.message(batch, context=False))
            batch, size = [], 0
        batch.append(record)
        size += len(record)
    messages.append(segment.message(batch, context=False))
    return messages, len(records)


async def send(url: str, state: Path, messages: list[bytes], records: int) -> float:
    """Post all, at most IN_FLIGHT at a time; the seconds until everything is acknowledged, each ack verified."""
    hub_keys, (_, trust) = keys.load(state / "keys"), enrolment.load(state)
    context = ssl.create_default_context(cadata=trust.egress[0].ca_pem)
    context.load_cert_chain(state / enrolment.CERTIFICATE, hub_keys.tls_key)
    gate = asyncio.Semaphore(IN_FLIGHT)
    through = 0

    async def one(session: aiohttp.ClientSession, body: bytes) -> None:
        nonlocal through
        async with gate, session.post(f"{url}/v1/hubs/{hub_keys.hub_id}/records", data=body, ssl=context) as reply:
            answer = link_messages.read_reply(await reply.read())
            if reply.status != 200 or answer.need:
                raise SystemExit(f"refused: {reply.status}")
            through = max([through, *(link_messages.read_ack(ack, trust)[0].through for ack in answer.acks)])

    async with aiohttp.ClientSession() as session:
        await one(session, messages[0])  # the context, as a hub would have sent it before
        began = time.perf_counter()
        await asyncio.gather(*(one(session, body) for body in messages[1:]))
        seconds = time.perf_counter() - began
    if through != records:
        raise SystemExit(f"acknowledged through {through}, sent {records}")
    return seconds


def measure(options: argparse.Namespace, root: Path) -> None:
    directory, state = root / "backend", root / "hub"
    command = [sys.executable, "-m", "hub", "backend"]
    subprocess.run([*command, "init", str(directory)], check=True, capture_output=True)
    cores = sorted(os.sched_getaffinity(0))
    held = ["taskset", "-c", str(cores[-1]), *command]
    arguments = ["run", str(directory), "--port", "0", "--json"]
    with subprocess.Popen([*held, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            assert server.stdout is not None
            url = json.loads(server.stdout.readline())["url"]
            ingest = part_of(server.pid, "ingest")
            token = subprocess.run(
                [*command, "token", str(directory)], check=True, capture_output=True, text=True
            ).stdout
            asyncio.run(enrolment.enrol(token, state))
            hub_keys, (_, trust) = keys.load(state / "keys"), enrolment.load(state)
            total = options.readings // 4 // options.devices * options.devices * 4
            messages, records = seal(hub_keys, trust, readings=total, block=options.block, devices=options.devices)
            timed = total - options.block  # the first block goes ahead of the clock
            os.sched_setaffinity(0, cores[:1])
            before = cpu_s(ingest)
            seconds = asyncio.run(send(url, state, messages, records))
            used = cpu_s(ingest) - before
            figure(f"acknowledged, blocks of {options.block}, one core", timed / seconds, "readings/s")
            figure("CPU", used / timed * 1e6, "us/reading")
            if settled(directory) != total:
                raise SystemExit(f"the database holds {settled(directory)} readings, sent {total}")
            figure("memory", rss_mib(ingest), "MiB")
            figure("on the wire", sum(map(len, messages)) / total, "bytes/reading")
        finally:
            os.sched_setaffinity(0, cores)
            server.send_signal(signal.SIGTERM)


def settled(directory: Path) -> int:
    """Readings in the database, counted one by one (what rssi adds is not a reading)."""
    return count(directory / "backend.db")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readings", type=int, default=2_000_000)
    parser.add_argument("--block", type=int, default=1000)
    parser.add_argument("--devices", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ilot-bench-") as scratch:
        measure(options, Path(scratch))


if __name__ == "__main__":
    main()
