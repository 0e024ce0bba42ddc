"""BACnet/IP: what a network of controllers costs the hub, and what the hub costs the network.

python bench/bacnet.py [--seconds 30]

The controllers are sockets of another process that answer at once. 100 of them with 20 objects each are polled every
10 s, without subscriptions: the most that the integration asks of a network. Then 50 every second, and the same with
one of them dead.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from typing import Any

from measure import cpu_s, figure, quantile, rss_mib

import hub
from hub.sdk.testing import FakeSession
from integrations.bacnet import decode, encode, names, run, tags
from integrations.bacnet.decode import Request
from integrations.bacnet.names import ObjectId
from integrations.bacnet.settings import Config

OBJECTS = 20
METRICS = {f"analog-input:{n}": {"metric": f"point_{n}", "privacy": "technical"} for n in range(OBJECTS)}
FIRST = 1000


class Controller(asyncio.DatagramProtocol):
    """Answers what the integration asks: who it is, its units, its values."""

    def __init__(self, instance: int) -> None:
        self._device = ObjectId(names.DEVICE, instance)
        self._value = 0.0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        said = decode.datagram(data, *addr)
        if isinstance(said, Request) and said.invoke is not None:
            body = self._one() if said.service == names.READ_PROPERTY else self._many(said.data)
            apdu = bytes((0x30, said.invoke, said.service)) + body
            self._transport.sendto(encode.unicast(b"\1\0" + apdu), addr)

    def _one(self) -> bytes:
        who = tags.tag(tags.OBJECT, (8 << 22 | self._device.instance).to_bytes(4, "big"))
        head = tags.context(0, self._device) + tags.context(1, names.OBJECT_IDENTIFIER)
        return head + tags.opening(3) + who + tags.closing(3)

    def _many(self, wanted: bytes) -> bytes:
        self._value += 0.25
        values = {
            names.PRESENT_VALUE: tags.application(tags.REAL, self._value), names.STATUS_FLAGS: b"\x82\x04\x00",
            names.RELIABILITY: b"\x91\x00", names.UNITS: b"\x91\x3e", names.MAX_APDU: b"\x22\x05\xc4",
        }  # fmt: skip
        reader, body = tags.Reader(wanted), b""
        while reader:
            body += tags.context(0, reader.object(0)) + tags.opening(1)
            reader.opens(1)
            while not reader.closes(1):
                which = reader.unsigned(0)
                given = tags.opening(4) + values[which] + tags.closing(4) if which in values else b""
                absent = tags.opening(5) + b"\x91\x02\x91\x20" + tags.closing(5)
                body += tags.context(2, which) + (given or absent)
            body += tags.closing(1)
        return body


async def controllers(count: int) -> None:
    ports = []
    for n in range(count):
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda n=n: Controller(FIRST + n), local_addr=("127.0.0.1", 0)
        )
        ports.append(transport.get_extra_info("sockname")[1])
    print(*ports, flush=True)
    await asyncio.Event().wait()


@contextlib.contextmanager
def building(count: int) -> Iterator[list[int]]:
    child = subprocess.Popen([sys.executable, __file__, "--controllers", str(count)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        yield [int(port) for port in child.stdout.readline().split()]
    finally:
        child.kill()
        child.wait()


class Session(FakeSession):
    """Counts; keeps when each device was read."""

    def __init__(self, devices: list[hub.Device]) -> None:
        super().__init__("bacnet", devices)
        self.readings = 0
        self.times: dict[str, list[float]] = defaultdict(list)

    async def emit(self, *reports: hub.Report, **more: Any) -> None:
        for report in reports:
            self.readings += len(report.values)
            self.times[report.device].append(time.monotonic())

    async def every(self, interval: timedelta) -> AsyncIterator[float]:  # type: ignore[override]
        await asyncio.sleep(hash(asyncio.current_task()) % 1000 / 1000 * interval.total_seconds() / 2)
        due = time.monotonic()
        while True:
            yield time.time()
            due += interval.total_seconds()
            await asyncio.sleep(max(0.0, due - time.monotonic()))


def devices(ports: list[int]) -> list[hub.Device]:
    return [
        hub.Device(
            id=f"bacnet:{FIRST + n}",
            integration="bacnet",
            place="p",
            settings={"address": f"127.0.0.1:{port}", "objects": METRICS},
        )
        for n, port in enumerate(ports)
    ]


async def poll(ports: list[int], interval: float, seconds: float) -> tuple[Session, float, float]:
    """The session, CPU seconds and seconds of a run after everything was found."""
    config = Config(
        address="127.0.0.1", port=0, max_rate=1000, notifications="none", interval=timedelta(seconds=interval)
    )
    session = Session(devices(ports))
    task = asyncio.create_task(run(config, session))
    await asyncio.sleep(interval * 1.6 + 2)
    session.times.clear()
    session.readings, cpu, began = 0, cpu_s(os.getpid()), time.monotonic()
    await asyncio.sleep(seconds)
    used, took = cpu_s(os.getpid()) - cpu, time.monotonic() - began
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return session, used, took


def period(session: Session, skip: str = "") -> float:
    """The 99th percentile of the time between two polls, in seconds."""
    gaps = [b - a for name, at in session.times.items() if name != skip for a, b in itertools.pairwise(at)]
    return quantile(gaps, 0.99)


def imported(what: str) -> float:
    """MiB that a process with a hub in it gains by importing it."""
    rss = "int(open('/proc/self/statm').read().split()[1]) * 4 / 1024"
    code = f"import hub.app, hub.plugin_host.plugin_types; before = {rss}; import {what}; print({rss} - before)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--controllers", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.controllers:
        asyncio.run(controllers(options.controllers))
        return
    with building(100) as ports:
        session, used, took = asyncio.run(poll(ports, 10.0, options.seconds))
    figure("BACnet, 100 devices of 20 objects every 10 s: CPU", 100 * used / took, "% of a core", "gate 5")
    figure("the same: values", session.readings / took, "/s")
    with building(50) as ports:
        alive, _, took = asyncio.run(poll(ports, 1.0, options.seconds))
        ports[7] = 9  # discard: nobody answers there
        dead, _, _ = asyncio.run(poll(ports, 1.0, options.seconds))
    before, after = period(alive, f"bacnet:{FIRST + 7}"), period(dead)
    figure("BACnet, 50 devices every second: p99 of the period", before, "s")
    figure("the same, one of them dead: the others' p99 grows by", 100 * (after / before - 1), "%", "gate 5")
    figure(
        "what the configured integration imports",
        imported("integrations.bacnet.poll, integrations.bacnet.writing"),
        "MiB",
    )
    figure("what bacpypes3 would add", imported("bacpypes3.app"), "MiB", "not imported by the hub")
    figure("RSS of this process", rss_mib(os.getpid()), "MiB")


if __name__ == "__main__":
    main()
