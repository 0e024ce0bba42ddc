"""From a local MQTT broker to the backend's signed ack: readings a second, beside thingsboard-gateway by MQTT.

    python bench/ingest_mqtt.py [--reports N] [--turns 3] [--at build/peers] [--no-peer] [--qos 1]

A process of its own publishes reports of four readings as JSON, 500 sensors by turns, as fast as they are taken: never
more than 2,000 ahead of what has come out at the other end, since neither side promises to take a flood without loss.
Ours is the real hub with the integration `mqtt_devices`, sealed and acknowledged as in `bench/pipeline.py`; the peer is
thingsboard-gateway with its MQTT connector, up to its stub server, in the clear. `limit` is a bare aiomqtt client that
decodes each payload and does nothing with it: what this machine lets a Python process take in. Each clock starts with
the first report. By turns, medians. All at QoS 1; `--qos 0` shows what QoS 0 gives, and what is then `lost` of a flood.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import mmap
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import aiomqtt
import msgspec
from cpu import DEVICES, nothing
from house import House, until
from measure import Spread, cpu_s, figure, remark
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from peer import thingsboard
from peer.broker import broker, end, free_port
from peers import SPREAD, environment, servers

AHEAD = 2000
METRICS = {"temperature": "temperature", "humidity": "humidity", "volume": "seq", "battery": "battery"}


class Progress:
    """A counter that two processes see: how many reports have come out at the other end."""

    def __init__(self, path: Path) -> None:
        path.touch()
        with path.open("r+b") as file:
            file.truncate(8)
            self._map = mmap.mmap(file.fileno(), 8)

    @property
    def count(self) -> int:
        return int.from_bytes(self._map[:8], "little")

    @count.setter
    def count(self, value: int) -> None:
        self._map[:8] = value.to_bytes(8, "little")


def publish(port: int, reports: int, progress: Progress, qos: int) -> None:
    """The publisher's process."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(500)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for seq in range(reports):
        values = {
            "temperature": 20 + seq % 97 / 100,
            "humidity": 45 + seq % 31 / 10,
            "seq": seq,
            "battery": 60 + seq % 20,
        }
        sent = client.publish(f"sensor/{seq % DEVICES:05d}/data", json.dumps(values), qos=qos)
        if seq % 50 == 0:
            limit = time.monotonic() + 60
            while seq - progress.count > AHEAD and time.monotonic() < limit:
                time.sleep(0.001)
    sent.wait_for_publish(30)
    time.sleep(1)
    client.disconnect()
    client.loop_stop()


@contextmanager
def source(reports: int, qos: int) -> Iterator[tuple[int, Progress, list[str]]]:
    """A local broker, the progress to tell, and the publisher's command."""
    with tempfile.TemporaryDirectory(prefix="ilot-bench-") as scratch:
        Path(scratch).chmod(0o755)
        port = free_port()
        process, shared = broker(Path(scratch) / "local", port), Path(scratch) / "progress"
        progress = Progress(shared)
        command = [sys.executable, __file__, "--publish", str(port), str(reports), str(shared), str(qos)]
        try:
            yield port, progress, command
        finally:
            end(process)


class MqttHouse(House):
    """A house whose devices speak to a broker."""

    port = 0

    def configure(self, url: str) -> None:
        super().configure(url)
        text = self.scene.config.read_text()
        text = text.replace(
            "integrations: {source: {}}", f"integrations: {{mqtt_devices: {{host: 127.0.0.1, port: {self.port}}}}}"
        )
        listed = json.dumps({metric: {"path": path} for metric, path in METRICS.items()})
        for at, name in enumerate(self.names):
            text = text.replace(
                f'"{name}": {{integration: source, place: p{at:05d}}}',
                f'"{name}": {{integration: mqtt_devices, place: p{at:05d}, '
                f"settings: {{topic: sensor/{at:05d}/data, values: {listed}}}}}",
            )
        self.scene.config.write_text(text)


async def ours(house: MqttHouse, reports: int, progress: Progress, command: list[str]) -> dict[str, float]:
    async with house.hub(nothing) as running:
        await asyncio.sleep(3)  # 500 subscriptions
        before = time.process_time()
        publisher = await asyncio.create_subprocess_exec(*command)
        await until(lambda: running.path.pipeline.reports, 30, "the first report")
        began, taken = time.monotonic(), 0
        last, still = began, 0.0
        while running.path.pipeline.reports < reports and still < 3.0:
            progress.count = running.path.pipeline.reports
            if running.path.pipeline.reports != taken:
                taken, last = running.path.pipeline.reports, time.monotonic()
            still = time.monotonic() - last
            await asyncio.sleep(0.005)
        progress.count = reports
        accepted, readings = time.monotonic() - began - still * (still >= 3.0), running.path.pipeline.readings
        await running.base.buffer.flush()
        await until(lambda: running.backend.link.delivery.acked_readings >= readings, 60, "the last ack")
        took = time.monotonic() - began - still * (still >= 3.0)
        await publisher.wait()
        used, taken = time.process_time() - before, running.path.pipeline.reports
    return {"end to end": readings / took, "accepted": readings / accepted, "lost": reports - taken,
            "cpu": used / readings * 1e6}  # fmt: skip


async def limit(port: int, reports: int, progress: Progress, command: list[str], qos: int) -> tuple[float, float]:
    """Readings a second, and microseconds of processor time for one."""
    async with aiomqtt.Client("127.0.0.1", port, max_queued_incoming_messages=4096) as client:
        await client.subscribe("sensor/+/data", qos=qos)
        before = time.process_time()
        publisher = await asyncio.create_subprocess_exec(*command)
        began, taken = 0.0, 0
        async for message in client.messages:
            began = began or time.monotonic()
            msgspec.json.decode(message.payload)  # type: ignore[arg-type]
            taken += 1
            if taken % 50 == 0:
                progress.count = taken
            if taken == reports:
                break
        took, used = time.monotonic() - began, time.process_time() - before
        progress.count = reports
        await publisher.wait()
    return taken * 4 / took, used / taken / 4 * 1e6


def peer(python: Path, reports: int) -> dict[str, float]:
    with source(reports, 1) as (port, progress, command), thingsboard.Gateway(python, mqtt_port=port) as gateway:
        time.sleep(8)
        used, began = cpu_s(gateway.pid), time.monotonic()
        with subprocess.Popen(command):
            while len(gateway.counter.seen) < reports and time.monotonic() - began < 90:
                progress.count = len(gateway.counter.seen)
                time.sleep(0.01)
            progress.count = reports
        delivered = len(gateway.counter.seen)
        return {
            "end to end": delivered * 4 / (gateway.counter.last - gateway.counter.first),
            "lost": reports - delivered,
            "cpu": (cpu_s(gateway.pid) - used) / delivered / 4 * 1e6,
        }


def one(reports: int, qos: int) -> tuple[dict[str, float], tuple[float, float]]:
    with source(reports, qos) as (port, progress, command):
        MqttHouse.port = port
        with MqttHouse(devices=DEVICES) as house:
            found = asyncio.run(ours(house, reports, progress, command))
    with source(reports, qos) as (port, progress, command):
        return found, asyncio.run(limit(port, reports, progress, command, qos))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=20_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--at", type=Path, default=Path(__file__).parents[1] / "build/peers")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--qos", type=int, choices=(0, 1), default=1)
    parser.add_argument("--publish", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.publish:
        port, reports, shared, qos = options.publish
        publish(int(port), int(reports), Progress(Path(shared)), int(qos))
        return 0
    chosen = [] if options.no_peer else servers(["thingsboard"])
    python = environment(options.at) if chosen else Path()
    own, limits, other = [], [], []
    for _ in range(options.turns):
        found, most = one(options.reports, options.qos)
        own.append(found)
        limits.append(most)
        if chosen:
            other.append(peer(python, 5_000))
    for name, unit in (("end to end", "readings/s"), ("accepted", "readings/s"), ("cpu", "ms/1,000")):
        mine = Spread.of([figures[name] for figures in own])
        figure(f"ours by MQTT: {name}", mine.median, unit, f"{len(own)} times, spread {mine.factor:.2f}")
    _lost("ours", own)
    most = Spread.of([rate for rate, _ in limits]).median
    figure("limit: a bare aiomqtt client", most, "readings/s")
    figure("limit: cpu", Spread.of([used for _, used in limits]).median, "ms/1,000")
    share = Spread.of([figures["accepted"] for figures in own]).median / most
    figure("ours by MQTT against the limit", share * 100, "%", "gate 60")
    if not other:
        return 0
    for name, unit in (("end to end", "readings/s"), ("cpu", "ms/1,000")):
        theirs = Spread.of([figures[name] for figures in other])
        figure(f"thingsboard by MQTT: {name}", theirs.median, unit, f"spread {theirs.factor:.2f}")
        if theirs.factor > SPREAD:
            remark(f"ours / thingsboard by MQTT: {name}", f"its repetitions are a factor {theirs.factor:.1f} apart")
        else:
            mine = Spread.of([figures[name] for figures in own])
            figure(f"ours / thingsboard by MQTT: {name}", mine.median / theirs.median, "x")
    _lost("thingsboard", other)
    return 0


def _lost(whose: str, runs: list[dict[str, float]]) -> None:
    """The worst of the runs: a loss is none that a median may hide."""
    figure(f"{whose} by MQTT: lost", max(one["lost"] for one in runs), "reports", f"the most of {len(runs)} times")


if __name__ == "__main__":
    sys.exit(main())
