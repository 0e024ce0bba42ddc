"""The real process, killed and ended: what it acknowledged is there; what it has in hand at SIGTERM is finished."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import aiohttp
import pytest
from backend_kit import NOW, row

from backend.conformance.probe import Probe
from backend.storage.sqlite.schema import open_for_reading
from hub.identity.enrolment import enrol
from tests.journeys.patience import PATIENCE_S
from tests.ports import free_port
from tests.stored import readings

pytestmark = pytest.mark.real("clock, network, processes")

COMMAND = [sys.executable, "-m", "hub", "backend"]


class Server:
    """`ilot backend run` in a process of its own."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory, self.options, self.port = directory, options, free_port()  # the same one when it is back
        self.process: subprocess.Popen[bytes]

    def start(self) -> str:
        self.process = subprocess.Popen(
            [*COMMAND, "run", str(self.directory), "--port", str(self.port), "--json", *self.options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        ready = json.loads(self.process.stdout.readline())
        assert ready["demo_grade"] is True
        assert len(bytes.fromhex(ready["root"])) == 32
        return str(ready["url"])

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextmanager
def running(directory: Path, *options: str) -> Iterator[Server]:
    subprocess.run([*COMMAND, "init", str(directory)], check=True, capture_output=True)
    server = Server(directory, *options)
    server.start()
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end(signal.SIGKILL)


async def probe_of(server: Server, state: Path, session: aiohttp.ClientSession) -> Probe:
    token = subprocess.run(
        [*COMMAND, "token", str(server.directory)], check=True, capture_output=True, text=True
    ).stdout
    enrolled = await enrol(token, state)
    return Probe(enrolled.url, token, state, session)


def stored(directory: Path) -> list[float]:
    return [one.value for one in readings(directory / "backend.db") if one.metric == "temperature"]


async def test_what_was_acknowledged_survives_kill_9_and_comes_once(tmp_path: Path) -> None:
    rng = random.Random(7)
    with running(tmp_path / "owner") as server:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            probe = await probe_of(server, tmp_path / "hub", session)
            segment = probe.segment()
            acknowledged: set[int] = set()
            unsure: list[bytes] = []

            async def post(number: int, message: bytes) -> None:
                try:
                    answer = await probe.post(message)
                except (aiohttp.ClientError, OSError):
                    unsure.append(message)
                    return
                assert not answer.need
                acknowledged.update(n for n in range(1, number + 1) if n in answer.taken(segment))

            number = 0
            for _ in range(5):
                tasks = []
                for _ in range(20):
                    number += 1
                    tasks.append(
                        asyncio.create_task(post(number, segment.message([segment.block([row(NOW, number)])])))
                    )
                await asyncio.sleep(rng.uniform(0.0, 0.08))
                server.end(signal.SIGKILL)
                await asyncio.gather(*tasks)
                server.start()
                for message in unsure:  # as a hub does: what was not acknowledged is sent again
                    answer = await probe.post(message)
                    assert answer.status == 200
                unsure.clear()
                taken = (await probe.post(segment.message([segment.block([row(NOW, number := number + 1)])]))).taken(
                    segment
                )
                assert all(n in taken for n in acknowledged)
                assert list(taken) == [(1, number)]
        assert server.end(signal.SIGTERM) == 0
    assert sorted(stored(tmp_path / "owner")) == [float(n) for n in range(1, number + 1)]


async def test_sigterm_finishes_what_is_in_hand_and_ends_with_0(tmp_path: Path) -> None:
    with running(tmp_path / "owner") as server:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            probe = await probe_of(server, tmp_path / "hub", session)
            segment = probe.segment()
            messages = [segment.message([segment.block([row(NOW + n, n) for n in range(500)])]) for _ in range(20)]
            posts = [asyncio.create_task(probe.post(message)) for message in messages]
            await posts[0]
            code = asyncio.create_task(asyncio.to_thread(server.end, signal.SIGTERM))
            answers = await asyncio.gather(*posts, return_exceptions=True)
            assert await code == 0
    acknowledged = {
        n for a in answers if not isinstance(a, BaseException) for n in range(1, 21) if n in a.taken(segment)
    }
    with closing(open_for_reading(tmp_path / "owner" / "backend.db")) as db:
        kept = {n for (n,) in db.execute("select seq from records")}
    assert acknowledged
    assert acknowledged <= kept
