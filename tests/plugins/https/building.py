"""What these tests share: an owner's backend on loopback and one hub enrolled there, both to be stopped and started."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from backend.hubs.registry import Registry
from backend.processes.ingest_process import Running, serving
from backend.storage.opening import open_storage
from hub.core.backoff import Backoff
from hub.core.clock import SystemClock
from hub.identity import enrolment, keys
from hub.identity.certificate_renewal import CertificateRenewal
from hub.identity.trust_updates import TrustUpdates
from hub.protocol.records.rows import READINGS, Column, Row, Shape, Subject
from hub.protocol.records.seal import SealingKeys
from hub.store_and_forward.buffer import Buffer
from hub.store_and_forward.buffer.batch import BufferConfig
from hub.store_and_forward.egress import Egress
from hub.store_and_forward.egress_http import EgressHttp
from hub.store_and_forward.link import AnswerHandlers, Line, Link, RetryPauses, Sender, UplinkConfig
from plugins.https import Https, run
from tests.ports import free_port
from tests.stored import asked

SHAPE = Shape((Column("temperature", "Cel", "0.01"), Column("humidity", "%", "0.1")))
ROOM = Subject("ble:1", "room-1", "school", "ground floor")


class Building:
    """An owner's directory and one hub enrolled there; both can be stopped and started."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.state = directory / "owner", directory / "hub"
        self.port = free_port()
        self.written = self.lives = 0
        self.begun_ms = time.time_ns() // 1_000_000
        self.config = BufferConfig(window_s=0.05, urgent_s=0.01, idle_s=0.05)
        self.following: TrustUpdates  # of the hub that runs, and so the next
        self.renewal: CertificateRenewal

    def backend(self) -> Any:
        return serving(self.directory, port=self.port)

    async def enrol(self, running: Running) -> None:
        self.port = running.port
        with closing(open_storage(running.owner.database)) as storage:
            token = Registry(storage).issue(
                url=running.url, root=running.owner.settings.root, name="t", now=time.time(), lifetime=60.0
            )
        await enrolment.enrol(str(token), self.state)

    @asynccontextmanager
    async def hub(self, change: Callable[[Any], Any] = lambda trust: trust) -> AsyncIterator[tuple[Buffer, Link]]:
        """One life of the hub. `change` alters the trust document that it begins with."""
        enrolled, trust = enrolment.load(self.state)
        trust = change(trust)
        owned, clock = keys.load(self.state / "keys"), SystemClock()
        buffer = await asyncio.to_thread(
            Buffer.open,
            self.state / "buffer",
            keys=SealingKeys(enrolled.hub, owned.identity, owned.store_key),
            trust=trust,
            clock=clock,
            config=self.config,
        )
        egress = Egress(trust, clock, certificate=self.state / enrolment.CERTIFICATE, key=owned.tls_key)
        http = EgressHttp(egress)

        def adopt(newer: Any) -> None:
            buffer.update_trust(newer)
            if egress.update_trust(newer):
                link.reconnect()
            link.update_trust(newer)

        self.following = TrustUpdates(self.state, trust, clock, adopt)
        link = Link(
            Sender(enrolled.hub, owned.identity),
            Line([UplinkConfig("https", Https.model_validate({"url": enrolled.url}), run)]),
            trust=trust,
            buffer=buffer,
            clock=clock,
            egress=egress,
            handlers=AnswerHandlers(
                trust=self.following.offer,
                certificate=lambda certificate: self.renewal.offer(certificate),  # noqa: PLW0108 - it is made below
            ),
            pauses=RetryPauses(lambda: Backoff(0.02, 0.1), lambda: Backoff(0.05, 0.1)),
        )
        self.renewal = CertificateRenewal(
            self.state,
            enrolled,
            owned,
            http=http,
            clock=clock,
            link=link,
            cas=lambda: [e.ca_pem for e in self.following.trust.egress],
        )
        self.lives += 1
        link.state_generation(self.lives)
        buffer.start(asyncio.get_running_loop(), [link.durable])
        tasks = [asyncio.create_task(work) for work in (link.run(), self.following.run(), self.renewal.run())]
        try:
            yield buffer, link
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await http.close()
            await buffer.close()

    async def write(self, buffer: Buffer, reports: int, stream: str = READINGS, *, evenly: bool = False) -> None:
        """`evenly`: a second apart, up to 60 of them, so that how they are encoded is no matter of chance."""
        for _ in range(reports):
            self.written += 1
            now = time.time_ns() // 1_000_000 if not evenly else self.begun_ms + (self.written - 60) * 1000
            buffer.append(Row(ROOM, SHAPE, now, True, (self.written / 100, 50.0), trust=1), stream)
        await buffer.flush()

    def arrived(self) -> list[float]:
        """The distinct temperatures in the backend's database, and that none is there twice."""
        with asked(self.directory / "backend.db") as database:
            rows = database.execute(
                "select r.value from readings r join series s on s.id = r.series where s.metric = 'temperature'"
            ).fetchall()
        values = sorted(value for (value,) in rows)
        assert len(values) == len(set(values)), "a reading is there twice"
        return values


async def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Both ends run on real sockets and threads here: look again until it is so."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


def done(link: Link) -> bool:
    status = link.status()
    return not sum(status.waiting.values())
