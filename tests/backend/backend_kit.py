"""What these tests share: an owner's ingest without a network, and hubs that seal for it."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend import owner as owners
from backend.conformance.probe import Answer
from backend.conformance.sender import Segment
from backend.ingest import RECORDS, STATE, Ingest, Message
from backend.server import make_ingest
from backend.views import Views
from hub.core.errors import HubError
from hub.protocol.enrolment import make_csr, token_proof
from hub.protocol.hub_id import hub_id
from hub.protocol.link_messages import State, read_ack, read_reply, sign_state
from hub.protocol.records.rows import READINGS, Column, Row, Shape, Subject

SHAPE = Shape((Column("temperature", "Cel", "0.01"), Column("motion", kind="flag")))
METER = Shape((Column("energy", "kW.h", "0.001"),))
TEXT = Shape((Column("firmware", kind="text"),))
ROOM = Subject("ble:1", "room-1", "school", "ground floor")
NOW = 1_800_000_000_000


def row(time_ms: int = NOW, value: float = 20.0, subject: Subject = ROOM, **more: Any) -> Row:
    return Row(subject, SHAPE, time_ms, more.pop("sure", True), (value, False), **{"quality": 0, "trust": 1, **more})


class Sender:
    """An enrolled hub's identity."""

    def __init__(self, owner: owners.Owner) -> None:
        self.identity = Ed25519PrivateKey.generate()
        self.public = self.identity.public_key().public_bytes_raw()
        self.hub = hub_id(self.public)
        self.trust = owner.trust
        self.states = 0

    def segment(self, **more: Any) -> Segment:
        return Segment(**{"hub": self.hub, "identity": self.identity, "trust": self.trust, **more})

    def state(self, segment: Segment | None = None, stream: str = READINGS, **more: Any) -> bytes:
        streams = {stream: (segment.run, segment.next_seq - 1, segment.last_digest)} if segment is not None else {}
        self.states += 1
        told = {"hub": self.hub, "boot": bytes(16), "nonce": b"n" * 16, "n": self.states, "streams": streams, **more}
        return sign_state(State(**told), self.identity)


class Desk:
    """An owner in a directory, its ingest on this very thread."""

    def __init__(self, directory: Path, *, journal: bool = False) -> None:
        self.owner = owners.init(directory, owner="Ville") if not directory.exists() else owners.load(directory)
        self.journal = journal
        self.ingest: Ingest = make_ingest(self.owner, journal=journal)
        self.views = Views(self.owner.database)

    def enrol(self) -> Sender:
        sender, registry = Sender(self.owner), self.ingest.registry
        now = time.time()
        token = registry.issue(url="https://localhost:1", root=self.owner.settings.root, name="t", now=now, lifetime=60)
        csr = make_csr(ec.generate_private_key(ec.SECP256R1()), "x")
        registry.admit(
            token_id=token.id,
            identity=sender.public,
            csr=csr,
            name="test",
            now=now,
            mac=token_proof(token.secret, sender.public, csr),
        )
        return sender

    def answer(self, hub: Sender | str, body: bytes, what: str = RECORDS) -> bytes | HubError:
        return self.ingest.take([Message(hub if isinstance(hub, str) else hub.hub, what, body)])[0]

    def post(self, hub: Sender, body: bytes, what: str = RECORDS) -> Answer:
        """The reply, which must be one."""
        answer = self.answer(hub, body, what)
        if isinstance(answer, HubError):
            raise answer
        reply = read_reply(answer)
        return Answer(200, [read_ack(ack, self.owner.trust)[0] for ack in reply.acks], reply.need)

    def state(self, hub: Sender, body: bytes) -> Answer:
        return self.post(hub, body, STATE)

    def settle(self) -> None:
        while self.ingest.checkpoint(1 << 16):
            pass

    def sql(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with closing(apsw.Connection(str(self.owner.database))) as db:
            return db.execute(statement, arguments).fetchall()

    def rows(self, metric: str = "temperature") -> list[tuple[int, Any]]:
        """(time, value) of all rows of a metric."""
        return self.sql(  # type: ignore[return-value]
            "select r.time, r.value from readings r join series s on s.id = r.series where s.metric = ?"
            " order by r.time, r.origin",
            metric,
        )

    def alarms(self) -> list[str]:
        return [kind for (kind,) in self.sql("select kind from alarms where cleared_at is null order by id")]

    def close(self) -> None:
        if self.ingest.journal is not None:
            self.ingest.journal.close()
        self.ingest.storage.close()

    def restart(self, *, journal: bool | None = None) -> None:
        self.close()
        self.journal = self.journal if journal is None else journal
        self.ingest = make_ingest(self.owner, journal=self.journal)
