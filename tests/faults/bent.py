"""A backend process in which something is bent: `python bent.py OPTIONS -- ARGUMENTS OF ilot`.

    --lie KIND     nothing is stored, and each ack claims that everything was. KIND says what gives it away:
                   unsigned    the right key's id, another key's signature
                   stranger    signed by a key that TRUST does not name
                   ahead       well signed, and beyond what was sent
                   other-hub   well signed, for another hub
                   other-run   well signed, for a run that this hub never had
                   database    well signed, of a database that cannot show it answers now
    --quick        holes are looked for every half second and asked for after a second, not 15 and 60

Everything else is the real backend.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any
from unittest import mock

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.ingest import Ingest
from hub.__main__ import main as ilot
from hub.protocol.link_messages import Ack, key_id, sign_ack

LIES = ("unsigned", "stranger", "ahead", "other-hub", "other-run", "database")
_STRANGER = Ed25519PrivateKey.generate()


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
    mock.patch("backend.acks.sign_ack", sign).start()


def main() -> None:
    at = sys.argv.index("--")
    parser = argparse.ArgumentParser()
    parser.add_argument("--lie", choices=LIES)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(sys.argv[1:at])
    if options.lie:
        lie(options.lie)
    if options.quick:
        for name, seconds in (("ASK_AFTER_S", 1.0), ("ASK_FIRST_S", 2.0)):
            mock.patch(f"backend.missing_records.{name}", seconds).start()
        mock.patch("backend.worker.HOLES_EVERY_S", 0.5).start()
    sys.argv[:] = ["ilot", *sys.argv[at + 1 :]]
    ilot()


if __name__ == "__main__":
    main()
