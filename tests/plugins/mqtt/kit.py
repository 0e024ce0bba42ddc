"""What these tests share: an owner, a mosquitto with the files that the owner makes for it, hubs enrolled there."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiomqtt

from backend.hubs.registry import Registry
from backend.owner import broker as brokers
from backend.owner import directory as owners
from backend.owner import pki
from backend.owner.broker import Address
from backend.processes.ingest_process import Running, serving
from backend.storage.opening import open_storage
from hub.core.backoff import Backoff
from hub.core.clock import SystemClock
from hub.identity import enrolment, keys
from hub.protocol.pem import private_pem
from hub.protocol.records.rows import READINGS, Column, Row, Shape, Subject
from hub.protocol.records.seal import SealingKeys
from hub.store_and_forward.buffer import Buffer
from hub.store_and_forward.buffer.batch import BufferConfig
from hub.store_and_forward.egress import Egress
from hub.store_and_forward.link import AnswerHandlers, Line, Link, RetryPauses, Sender, UplinkConfig
from plugins import https, mqtt
from tests.ports import free_port
from tests.stored import asked

SHAPE = Shape((Column("temperature", "Cel", "0.01"), Column("humidity", "%", "0.1")))
ROOM = Subject("ble:1", "room-1", "school", "ground floor")
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


async def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Both ends run on real sockets, processes and threads here: look again until it is so."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


class Mosquitto:
    """A broker on loopback, with the files that the owner made for it and `more` lines of configuration."""

    def __init__(self, owner: Path, directory: Path, *more: str, websocket: bool = False) -> None:
        self.port, self.websocket = free_port(), free_port() if websocket else None
        address = Address("127.0.0.1", self.port)
        brokers.prepare(owner, directory, address, websocket=self.websocket, where=str(directory))
        self.directory, self._log = directory, directory / "log"
        conf = directory / "ilot.conf"
        lines = [line + " 127.0.0.1" * line.startswith("listener ") for line in conf.read_text().splitlines()]
        conf.write_text("\n".join(["user root", *more, *lines, ""]))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtts://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def allow(self, *acl: str) -> None:
        """More lines for the ACL, in front."""
        file = self.directory / "acl"
        file.write_text("\n".join([*acl, "", file.read_text()]))

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([MOSQUITTO, "-c", str(self.directory / "ilot.conf")], stderr=log)
        await until(self._answers)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


class District:
    """An owner's directory and hubs enrolled there; a mosquitto beside."""

    def __init__(self, directory: Path, *more: str, websocket: bool = False) -> None:
        self.root, self.owner = directory, directory / "owner"
        owners.init(self.owner, owner="Ville")
        self.port = free_port()
        owners.serve_at(owners.load(self.owner), self.port)
        self.broker = Mosquitto(self.owner, directory / "broker", *more, websocket=websocket)
        self.written = 0
        self.offered: list[bytes] = []  # trust documents that the backend handed to hubs

    def backend(self, broker: Mosquitto | None = None) -> Any:
        return serving(self.owner, port=self.port, mqtt=(broker or self.broker).address)

    async def enrol(self, running: Running, name: str = "hub") -> str:
        with closing(open_storage(running.owner.database)) as storage:
            token = Registry(storage).issue(
                url=running.url, root=running.owner.settings.root, name=name, now=time.time(), lifetime=60.0
            )
        return (await enrolment.enrol(str(token), self.root / name)).hub

    def certificate(self, name: str) -> ssl.SSLContext:
        """What a client shows that the owner's CA calls `name`."""
        owner, key = owners.load(self.owner), pki.new_key()
        made = pki.make_client_certificate(owner.ca, owner.ca_key, key.public_key(), name)
        (self.root / f"{name}.pem").write_bytes(pki.pem(made) + private_pem(key))
        context = ssl.create_default_context(cafile=str(self.owner / "ca.pem"))
        context.load_cert_chain(self.root / f"{name}.pem")
        return context

    def client(self, name: str, broker: Mosquitto | None = None, **more: Any) -> aiomqtt.Client:
        """A strange client of the broker, by the name of its certificate."""
        given = {"identifier": name, "tls_context": self.certificate(name), "protocol": aiomqtt.ProtocolVersion.V5}
        return aiomqtt.Client("127.0.0.1", (broker or self.broker).port, **(given | more))

    @asynccontextmanager
    async def hub(
        self, uplinks: Iterable[str] = ("mqtt",), name: str = "hub", **settings: Any
    ) -> AsyncIterator[tuple[Buffer, Link]]:
        enrolled, trust = enrolment.load(self.root / name)
        owned, clock = keys.load(self.root / name / "keys"), SystemClock()
        buffer = await asyncio.to_thread(
            Buffer.open,
            self.root / name / "buffer",
            keys=SealingKeys(enrolled.hub, owned.identity, owned.store_key),
            trust=trust,
            clock=clock,
            config=BufferConfig(window_s=0.05, urgent_s=0.01, idle_s=0.05),
        )
        known = {
            "mqtt": UplinkConfig("mqtt", mqtt.Mqtt.model_validate({"url": self.broker.url} | settings), mqtt.run),
            "https": UplinkConfig("https", https.Https.model_validate({"url": enrolled.url}), https.run),
        }
        link = Link(
            Sender(enrolled.hub, owned.identity),
            Line([known[uplink] for uplink in uplinks]),
            trust=trust,
            buffer=buffer,
            clock=clock,
            egress=Egress(trust, clock, certificate=self.root / name / enrolment.CERTIFICATE, key=owned.tls_key),
            handlers=AnswerHandlers(trust=self.offered.append),
            pauses=RetryPauses(lambda: Backoff(0.02, 0.1), lambda: Backoff(0.05, 0.1)),
        )
        buffer.start(asyncio.get_running_loop(), [link.durable])
        task = asyncio.create_task(link.run())
        try:
            yield buffer, link
        finally:
            task.cancel()
            await asyncio.wait([task])
            await buffer.close()

    async def write(self, buffer: Buffer, reports: int, stream: str = READINGS) -> None:
        for _ in range(reports):
            self.written += 1
            now = time.time_ns() // 1_000_000
            buffer.append(Row(ROOM, SHAPE, now, True, (self.written / 100, 50.0), trust=1), stream)
        await buffer.flush()

    def arrived(self) -> list[float]:
        """The temperatures in the backend's database, in order: two of a kind would be a reading stored twice."""
        with asked(self.owner / "backend.db") as database:
            rows = database.execute(
                "select r.value from readings r join series s on s.id = r.series where s.metric = 'temperature'"
            ).fetchall()
        return sorted(value for (value,) in rows)

    def everything(self) -> list[float]:
        """What `arrived` must be in the end."""
        return [n / 100 for n in range(1, self.written + 1)]


def done(link: Link) -> bool:
    return not sum(link.status().waiting.values())
