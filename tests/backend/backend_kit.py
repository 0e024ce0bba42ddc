"""What these tests share: an owner's ingest without a network, and hubs that seal for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.conformance.probe import Answer
from backend.conformance.sender import Segment
from backend.ingest.core import RECORDS, STATE, Ingest, Message
from backend.owner import directory as owners
from backend.processes.ingest_process import make_ingest
from backend.queries.views import Views
from backend.readings.compaction import Compactor
from backend.readings.stored_bodies import encoded_table
from backend.storage.chunks import Body, Names
from backend.storage.opening import open_chunks, open_queries
from backend.storage.sqlite.storage import SqliteStorage
from hub.core.errors import HubError
from hub.protocol.enrolment import make_csr, token_proof
from hub.protocol.hub_id import hub_id
from hub.protocol.link_messages import State, read_ack, read_reply, sign_state
from hub.protocol.records import columns
from hub.protocol.records.bodies import Table
from hub.protocol.records.compression import Squeezer
from hub.protocol.records.dictionary import Numbering
from hub.protocol.records.rows import READINGS, Column, Row, Shape, Subject
from tests.stored import Stored, readings

SHAPE = Shape((Column("temperature", "Cel", "0.01"), Column("motion", kind="flag")))
METER = Shape((Column("energy", "kW.h", "0.001"),))
TEXT = Shape((Column("firmware", kind="text"),))
ROOM = Subject("ble:1", "room-1", "school", "ground floor")
NOW = 1_800_000_000_000


def row(time_ms: int = NOW, value: float = 20.0, subject: Subject = ROOM, **more: Any) -> Row:
    return Row(subject, SHAPE, time_ms, more.pop("sure", True), (value, False), **{"quality": 0, "trust": 1, **more})


def body_of(record: int, epoch: int, rows: Sequence[Row], boot: bytes = b"") -> tuple[Body, Names]:
    """The body of a block, as a hub seals it, and the names that it needs: of an epoch with this one block."""
    numbering = Numbering()
    data = Squeezer()(columns.encode(rows, numbering, boot))
    shapes, subjects = numbering.fresh()
    names = Names(epoch, record, encoded_table(Table(dict(shapes), dict(subjects))))
    return Body(record, epoch, boot, 100.0, data), names


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

    def __init__(self, directory: Path, *, compacts: bool = False, address: Path | str = "") -> None:
        self.owner = owners.init(directory, owner="Ville") if not directory.exists() else owners.load(directory)
        self.compacts = compacts
        self.address = address or self.owner.database
        self.ingest: Ingest = self._made()
        self.views = Views(open_queries(self.address))

    def _made(self) -> Ingest:
        return make_ingest(self.owner)

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

    @property
    def database(self) -> apsw.Connection:
        """The connection of the ingest itself."""
        return self._storage.connection

    @property
    def _storage(self) -> SqliteStorage:
        assert isinstance(self.ingest.storage, SqliteStorage)
        return self.ingest.storage

    def settle(self) -> None:
        if self.compacts:
            self.compact()

    def sql(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with closing(apsw.Connection(str(self.owner.database))) as db:
            return db.execute(statement, arguments).fetchall()

    def seen_at(self, moment: float) -> None:
        """Have all hubs seen at a moment."""
        self.sql("update hubs set seen_at = ?", moment)

    def stored(self) -> list[Stored]:
        """All readings, dated or not."""
        return readings(self.owner.database)

    def rows(self, metric: str = "temperature") -> list[tuple[int, Any]]:
        """(time, value) of all dated readings of a metric, by time and record."""
        found = [one for one in self.stored() if one.metric == metric and one.time_ms is not None]
        return [(one.time_ms or 0, one.value) for one in sorted(found, key=lambda one: (one.time_ms or 0, one.record))]

    def undated(self) -> list[Stored]:
        """All readings without a time."""
        return [one for one in self.stored() if one.time_ms is None]

    def compact(self, ahead_s: float = 86_400.0) -> None:
        """Have a compactor do all that is due when so much time has passed."""
        chunks = open_chunks(self.address)
        try:
            assert chunks.compact_alone()
            compactor = Compactor(chunks, lambda: time.time() + ahead_s)
            for _ in range(1000):
                if not compactor.work():
                    return
            raise AssertionError("the compactor finds no end")
        finally:
            chunks.close()

    def purge_due(self, now: float) -> None:
        """Have ingest judge the clock, and a compactor purge by what it believes."""
        self.ingest.purge()
        chunks = open_chunks(self.address)
        try:
            while Compactor(chunks, lambda: now).purge_due():
                pass
        finally:
            chunks.close()

    def purge(self, now: float) -> int:
        """Have ingest and a compactor purge what is too old at a moment; return how much that was."""
        self.compact()
        with self.ingest.storage.transaction():
            gone = self.ingest.retention.purge(now)
            days = self.ingest.storage.retention.days()
        chunks = open_chunks(self.address)
        try:
            gone += Compactor(chunks, lambda: now).purge(days)
            chunks.remove_traces()
        finally:
            chunks.close()
        return gone

    def alarms(self) -> list[str]:
        return [kind for (kind,) in self.sql("select kind from alarms where cleared_at is null order by id")]

    def close(self) -> None:
        self.ingest.storage.close()

    def restart(self) -> None:
        self.close()
        self.ingest = self._made()
