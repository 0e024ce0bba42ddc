"""A backend process in which something is bent: `python bent.py OPTIONS -- ARGUMENTS OF ilot`.

    --lie KIND     nothing is stored, and each ack claims that everything was. KIND says what gives it away:
                   unsigned    the right key's id, another key's signature
                   stranger    signed by a key that TRUST does not name
                   ahead       well signed, and beyond what was sent
                   other-hub   well signed, for another hub
                   other-run   well signed, for a run that this hub never had
                   database    well signed, of a database that cannot show it answers now
    --early        what a transaction wrote is committed when the next one begins, so after its ack, or soon
    --deaf         what PostgreSQL stored without its standby is taken for stored
    --boast        each record that could not be stored is acknowledged all the same
    --quick        holes are looked for every half second and asked for after a second, not 15 and 60

Everything else is the real backend.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

import apsw
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.ingest.core import RECORDS, Ingest, Message
from backend.ingest.verifier import Verifier, unpack
from backend.ingest.worker import Worker
from backend.storage.sqlite.schema import transaction
from hub.__main__ import main as ilot
from hub.core.errors import StorageError
from hub.protocol.link_messages import Ack, key_id, open_message, pack_reply, sign_ack
from hub.protocol.ranges import Ranges
from hub.protocol.records import framing
from hub.protocol.records.opening import verify_epoch

LIES = ("unsigned", "stranger", "ahead", "other-hub", "other-run", "database")
_STRANGER = Ed25519PrivateKey.generate()
OTHERS_S, LATE_S = 0.12, 0.5
_late: list[apsw.Connection] = []
next_of = Worker._next


def _kid(key: Ed25519PrivateKey) -> bytes:
    return key_id(key.public_key().public_bytes_raw())


def lie(kind: str) -> None:
    """From now on this process stores nothing and claims everything."""
    seen: dict[tuple[str, bytes], int] = {}

    def record(self: Ingest, work: Any, stream: Any, epoch: Any, item: Any) -> None:
        key = stream.stream, stream.run
        seen[key] = max(seen.get(key, 0), item.opened.seq)

    def sign(ack: Ack, key: Ed25519PrivateKey) -> bytes:
        everything = msgspec.structs.replace(
            ack, through=seen.get((ack.stream, ack.run), ack.through), ranges=(), rejected=(), want=()
        )
        if kind == "unsigned":
            return sign_ack(everything, _STRANGER).replace(_kid(_STRANGER), _kid(key))
        if kind == "stranger":
            return sign_ack(everything, _STRANGER)
        changed = {
            "ahead": {"through": everything.through + 1000},
            "other-hub": {"hub": "hub-of-somebody-else"},
            "other-run": {"run": os.urandom(16)},
            "database": {"db": os.urandom(16), "nonce": os.urandom(16)},
        }[kind]
        return sign_ack(msgspec.structs.replace(everything, **changed), key)

    mock.patch.object(Ingest, "_record", record).start()
    mock.patch("backend.ingest.acks.sign_ack", sign).start()


@contextlib.contextmanager
def late_commit(connection: apsw.Connection) -> Iterator[None]:
    """A transaction of ingest that is committed when the next one begins, or when nothing comes for a moment. The other
    processes get their turn before it begins."""
    if threading.current_thread().name != "ingest":
        with transaction(connection):
            yield
        return
    if connection.in_transaction:
        connection.execute("commit")
        time.sleep(OTHERS_S)
    connection.execute("begin immediate")
    _late[:] = [connection]
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def boast() -> None:
    """From now on this process acknowledges each record of an epoch that it was told, stored or not."""
    streams: dict[bytes, tuple[str, bytes]] = {}
    databases: list[bytes] = []
    real_epoch, real_take = Verifier.open_epoch, Ingest.take

    def open_epoch(self: Verifier, hub: str, identity: bytes, eid: bytes, records: list[bytes]) -> Any:
        for raw in records:
            if framing.parse(raw).head.kind == framing.EPOCH:
                epoch = verify_epoch(raw, identity)
                streams[epoch.eid] = epoch.stream, epoch.run
        return real_epoch(self, hub, identity, eid, records)

    def boasted(self: Ingest, message: Message) -> bytes:
        acks = []
        if message.what == RECORDS:
            for eid, records in unpack(open_message(message.body)[1]):
                seqs = sorted(seq for raw in records if (seq := framing.parse(raw).head.seq))
                if eid in streams and seqs:
                    stream, run = streams[eid]
                    spans = tuple(Ranges((seq, seq) for seq in seqs))
                    number = int(time.time() * 1e6)
                    ack = Ack(hub=message.hub, stream=stream, run=run, db=databases[-1], n=number, ranges=spans,
                              now=time.time())  # fmt: skip
                    acks.append(sign_ack(ack, self._owner.ack_key_for(None)))
        return pack_reply(acks)

    def take(self: Ingest, messages: list[Message]) -> list[Any]:
        answers = real_take(self, messages)
        if any(isinstance(one, bytes) for one in answers):
            databases[:] = [self.storage.numbers.database]
        failed = [databases and isinstance(one, StorageError) for one in answers]
        return [
            boasted(self, message) if bad else answer
            for message, answer, bad in zip(messages, answers, failed, strict=True)
        ]

    mock.patch.object(Verifier, "open_epoch", open_epoch).start()
    mock.patch.object(Ingest, "take", take).start()


def commit_when_idle(self: Worker, timeout: float) -> Any:
    """What comes next for ingest; where nothing does for LATE_S, what is late is committed."""
    if timeout > LATE_S:
        item = next_of(self, LATE_S)
        if item != "nothing":
            return item
        for connection in _late:
            if connection.in_transaction:
                connection.execute("commit")
    return next_of(self, timeout)


def main() -> None:
    at = sys.argv.index("--")
    parser = argparse.ArgumentParser()
    parser.add_argument("--lie", choices=LIES)
    parser.add_argument("--early", action="store_true")
    parser.add_argument("--deaf", action="store_true")
    parser.add_argument("--boast", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(sys.argv[1:at])
    if options.lie:
        lie(options.lie)
    if options.early:
        mock.patch("backend.storage.sqlite.schema.transaction", late_commit).start()
        mock.patch.object(Worker, "_next", commit_when_idle).start()
    if options.deaf:
        mock.patch("backend.storage.postgresql.connection.Database._notice", return_value=None).start()
    if options.boast:
        boast()
    if options.quick:
        for name, seconds in (("ASK_AFTER_S", 1.0), ("ASK_FIRST_S", 2.0)):
            mock.patch(f"backend.ingest.missing_records.{name}", seconds).start()
        mock.patch("backend.ingest.worker.HOLES_EVERY_S", 0.5).start()
    sys.argv[:] = ["ilot", *sys.argv[at + 1 :]]
    ilot()


if __name__ == "__main__":
    main()
