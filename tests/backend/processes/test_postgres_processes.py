"""`ilot backend run` over PostgreSQL: several processes of ingest at one port, any of which takes any message."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from backend_kit import NOW, row

from backend.conformance.probe import Probe
from backend.hubs.registry import Registry
from backend.owner import directory as owners
from backend.storage.opening import open_storage
from backend.storage.process_lines import living
from hub.identity.enrolment import enrol
from tests.journeys.patience import PATIENCE_S

from .test_processes import Backend, gone, until

pytestmark = pytest.mark.real("network, processes")


@pytest.fixture
def two(postgres_url: str, tmp_path: Path) -> Backend:
    owners.init(tmp_path / "owner", owner="Ville")
    return Backend(tmp_path / "owner", "--database", postgres_url, "--workers", "2", "--metrics", "0")


async def test_a_connection_may_end_at_any_worker_and_one_that_dies_takes_nothing_with_it(
    two: Backend, postgres_url: str, tmp_path: Path
) -> None:
    try:
        before = two.parts()
        assert before.keys() == {"ilot-ingest-1", "ilot-ingest-2", "ilot-api", "ilot-compact"}
        owner = owners.load(tmp_path / "owner")
        with closing(open_storage(postgres_url)) as storage:
            registry, root = Registry(storage), owner.settings.root
            token = str(registry.issue(url=two.facts["url"], root=root, name="t", now=time.time(), lifetime=3600.0))
        await enrol(token, tmp_path / "hub")
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            probe = Probe(two.facts["url"], token, tmp_path / "hub", session)
            segment = probe.segment()

            async def post(number: int) -> None:
                """As a hub does: what was not acknowledged is sent again."""
                message = segment.message([segment.block([row(NOW + number, number)])])
                while True:
                    try:
                        answer = await probe.post(message)
                    except (aiohttp.ClientError, OSError):
                        continue
                    if answer.status == 200 and number in answer.taken(segment):
                        return

            async with asyncio.timeout(PATIENCE_S):
                number = 0
                while min(await _taken(two, session)) < 3:  # a connection for each, which the kernel gives to either
                    await post(number := number + 1)
                os.kill(before["ilot-ingest-2"], signal.SIGKILL)
                for _ in range(10):
                    await post(number := number + 1)
            await asyncio.to_thread(until, partial(two.logged, "ingest-2 works again"))
            stats = await _stats(session, probe, owner.api_token)
            assert stats["records"] == number
            assert stats["readings"] == 2 * number
            with closing(open_storage(postgres_url)) as storage:
                kinds = [line.kind for line in living(storage.processes.told(), time.time())]
            assert kinds.count("ingest") >= 2
        two.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(two.process.wait, PATIENCE_S) == 0
        assert all(gone(process) for process in before.values())
    finally:
        two.close()


async def _taken(backend: Backend, session: aiohttp.ClientSession) -> list[int]:
    """How many messages each of the two processes of ingest has answered."""
    taken = []
    for url in (backend.facts["metrics"], backend.facts["metrics_of_others"][0]):
        async with session.get(url) as reply:
            lines = re.findall(r"^ilot_backend_messages_total (\S+)$", await reply.text(), re.MULTILINE)
            taken.append(int(float(lines[0])) if lines else 0)  # one that is busy tells none
    return taken


async def _stats(session: aiohttp.ClientSession, probe: Probe, token: str) -> dict[str, int]:
    headers, tls = {"Authorization": f"Bearer {token}"}, probe.tls(certificate=False)
    async with session.get(f"{probe.url}/v1/stats", headers=headers, ssl=tls) as reply:
        assert reply.status == 200
        return dict(await reply.json())
