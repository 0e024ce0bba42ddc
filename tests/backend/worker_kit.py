"""Workers over one PostgreSQL database: each the backend's ingest, with a storage and caches of its own."""

from __future__ import annotations

import time
from typing import Any

from backend_kit import Sender
from cryptography.hazmat.primitives.asymmetric import ec

from backend.ingest.core import RECORDS, Ingest, Message
from backend.owner import directory as owners
from backend.storage.opening import open_storage
from backend.storage.postgresql.storage import PostgresStorage
from hub.core.errors import HubError
from hub.protocol.enrolment import make_csr, token_proof
from hub.protocol.link_messages import Ack, read_ack, read_reply


class Worker:
    """One worker of an owner."""

    def __init__(self, owner: owners.Owner, url: str) -> None:
        storage = open_storage(url)
        assert isinstance(storage, PostgresStorage)
        self.owner, self.storage = owner, storage
        with storage.transaction():
            storage.numbers.begin()
        self.ingest = Ingest(storage, owner)

    def enrol(self) -> Sender:
        sender, registry, now = Sender(self.owner), self.ingest.registry, time.time()
        token = registry.issue(url="https://localhost:1", root=self.owner.settings.root, name="t", now=now, lifetime=60)
        csr = make_csr(ec.generate_private_key(ec.SECP256R1()), "x")
        mac = token_proof(token.secret, sender.public, csr)
        registry.admit(token_id=token.id, identity=sender.public, csr=csr, name="test", now=now, mac=mac)
        return sender

    def take(self, *messages: Message) -> list[bytes | HubError]:
        return self.ingest.take(list(messages))

    def post(self, hub: Sender, body: bytes, what: str = RECORDS) -> bytes | HubError:
        return self.take(Message(hub.hub, what, body))[0]

    def acks(self, reply: bytes | HubError) -> list[Ack]:
        assert isinstance(reply, bytes), reply
        return [read_ack(ack, self.owner.trust)[0] for ack in read_reply(reply).acks]

    def close(self) -> None:
        self.storage.close()


def contents(worker: Worker) -> list[Any]:
    """Return what is stored, without what two databases never have alike."""
    ask = worker.storage._writing.ask
    names = "join streams s on s.id = r.stream"
    streams = [
        (one.stream, list(one.stored), list(one.forked), one.readings, one.announced)
        for hub in worker.storage.registry.hubs()
        for one in worker.storage.streams.of(hub.hub)
    ]
    return [
        ask(f"select s.stream, r.seq, r.kind, r.readings from records r {names} order by 1, 2"),
        ask("select count(*), count(distinct record) from bodies"),
        ask("select offset_ms, error_ms from boots"),
        ask("select id, dropped from erasures"),
        ask("select kind from alarms order by kind"),
        streams,
    ]
