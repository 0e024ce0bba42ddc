"""NATS JetStream as the edge's buffer; a leaf node stores locally in the same way. Runs in the peers' environment:

    python bench/peer/jetstream.py REPORTS DRAIN       prints one line of JSON

`end to end` is publisher to acknowledged by a server that syncs each write (`sync_interval: always`), in the clear,
files not encrypted; nobody carries it further. `drain` is a consumer that pulls 500 at a time and acks each, from a
server that syncs every two minutes, as is its default. A message is a JSON report of four readings, about 110 bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import nats
from measure import cpu_s, rss_mib
from nats.js.api import StorageType, StreamConfig

PENDING = 1000


def report(seq: int) -> bytes:
    values = {"temperature": 20 + seq % 97 / 100, "humidity": 45 + seq % 31 / 10, "battery_mv": 3000, "rssi": -70}
    return json.dumps({"id": f"sensor-{seq % 500:04d}", "ts": 1_790_000_000_000 + seq, **values, "seq": seq}).encode()


async def publish(stream: nats.js.JetStreamContext, reports: int) -> None:
    """Returns when all are acknowledged."""
    waiting = []
    for seq in range(reports):
        waiting.append(await stream.publish_async(f"edge.s{seq % 500:04d}", report(seq)))
        if len(waiting) == PENDING:
            await asyncio.gather(*waiting)
            waiting.clear()
    await asyncio.gather(*waiting)


def start(root: Path, sync: str) -> tuple[subprocess.Popen[bytes], str]:
    """A server on loopback whose streams lie under `root`, and its URL."""
    ports = root / "ports"
    ports.mkdir(parents=True)
    config = root / "nats.conf"
    config.write_text(
        f'host: 127.0.0.1\nport: -1\nports_file_dir: "{ports}"\n'
        f'jetstream {{ store_dir: "{root}/js"\n max_file: 4G\n sync_interval: {sync} }}\n'
    )
    with (root / "log").open("wb") as log:
        server = subprocess.Popen(["nats-server", "-c", str(config)], stdout=log, stderr=log)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for told in ports.glob("*.ports"):
            with contextlib.suppress(ValueError):  # half written
                return server, json.loads(told.read_text())["nats"][0]
        time.sleep(0.01)
    server.kill()
    raise SystemExit(f"nats-server did not start: {(root / 'log').read_text()[-500:]}")


async def measure(server: subprocess.Popen[bytes], url: str, reports: int, drain: int) -> dict[str, float]:
    client = await nats.connect(url)
    stream = client.jetstream(publish_async_max_pending=4 * PENDING)
    await stream.add_stream(StreamConfig(name="EDGE", subjects=["edge.>"], storage=StorageType.FILE))
    used, began = cpu_s(server.pid), time.monotonic()
    await publish(stream, reports)
    took = time.monotonic() - began
    found = {
        "end to end": reports * 4 / took,
        "cpu": (cpu_s(server.pid) - used) / reports / 4 * 1e6,
        "rss loaded": rss_mib(server.pid),
    }
    if drain:
        puller = await stream.pull_subscribe("edge.>", durable="drain")
        began, taken = time.monotonic(), 0
        while taken < drain:
            batch = await puller.fetch(500, timeout=5)
            await asyncio.gather(*(message.ack() for message in batch))
            taken += len(batch)
        found["drain"] = taken * 4 / (time.monotonic() - began)
    await client.close()
    return found


def run(sync: str, reports: int, drain: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="bench-nats-") as scratch:
        server, url = start(Path(scratch), sync)
        try:
            return asyncio.run(measure(server, url, reports, drain))
        finally:
            server.terminate()
            server.wait(10)


def main() -> None:
    reports, drain = int(sys.argv[1]), int(sys.argv[2])
    synced, default = run("always", reports, 0), run("2m", drain, drain)
    print(json.dumps({**synced, "end to end unsynced": default["end to end"], "drain": default["drain"]}))


main()
