"""Attacks on what is sealed, and a twin of the gate for each: the same attack must pass there, or it proves nothing.

An attacker who reads everything and can post in the hub's name (a broker, a stolen TLS key). What holds it off is that
a record is signed by its epoch's key, over the epoch it belongs to. For the splices, the hub's random numbers have
failed, so that two epochs share their keys: then nothing but the epoch's id keeps a record in its place.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

sys.path.insert(0, str(Path(__file__).parents[1] / "backend"))

from backend_kit import Desk, Sender, row

from backend.conformance.sender import Segment
from backend.owner.recipient_keys import load
from backend.storage.engine import Stream
from backend.storage.sqlite.records import Records
from hub.protocol.link_messages import pack_message
from hub.protocol.records import framing
from hub.protocol.records.columns import encode
from hub.protocol.records.compression import Squeezer
from hub.protocol.records.dictionary import Numbering
from hub.protocol.records.opening import Opener, verify_epoch
from hub.protocol.records.seal import AES, SUITE, H, Sealer, nonce


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "owner")
    with mock.patch("backend.conformance.sender.default_aead", return_value=AES):
        yield made
    made.close()


class _Deaf:
    """Holds every signature for good."""

    def verify(self, signature: bytes, data: bytes) -> None:
        pass


@contextmanager
def without_record_signature() -> Iterator[None]:
    """The twin whose gate does not verify what e has signed."""
    real = Opener.__init__

    def made(self: Opener, *args: Any, **more: Any) -> None:
        real(self, *args, **more)
        self._signer = _Deaf()  # type: ignore[assignment]

    with mock.patch.object(Opener, "__init__", made):
        yield


@contextmanager
def without_epoch_id() -> Iterator[None]:
    """The twin whose records do not name their epoch, neither in what is signed nor in what is authenticated."""
    opened, sealed = Opener.__init__, Sealer.seal

    def open_(self: Opener, *args: Any, **more: Any) -> None:
        opened(self, *args, **more)
        self.epoch = mock.Mock(wraps=self.epoch, eid=b"", first_seq=self.epoch.first_seq)

    def seal(self: Sealer, *args: Any, **more: Any) -> Any:
        with mock.patch.object(self, "eid", b""):
            return sealed(self, *args, **more)

    with mock.patch.object(Opener, "__init__", open_), mock.patch.object(Sealer, "seal", seal):
        yield


@contextmanager
def no_entropy() -> Iterator[None]:
    """The hub's random numbers are the same for each epoch (runs are given by the test)."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    constant = random.Random(1)
    secret = constant.randbytes(32)
    with (
        mock.patch("hub.protocol.records.seal.os.urandom", side_effect=lambda size: secret[:size]),
        mock.patch("hub.protocol.records.seal.Ed25519PrivateKey", mock.Mock(generate=lambda: key)),
    ):
        yield


def became(desk: Desk) -> str:
    return "stored" if desk.rows() else "refused"


def forge(desk: Desk, hub: Sender, file: str) -> str:
    """A reading that nobody measured, by somebody who holds a key that opens: `file` of the owner's directory."""
    segment = hub.segment()
    segment.block([row(value=1.0)])  # its TABLE is sent, it is not
    (path,) = desk.owner.directory.glob(file)
    recipient = load(path)
    epoch = verify_epoch(segment.epoch, hub.public)
    cap = epoch.caps[epoch.kids.index(recipient.kid)]
    key = SUITE.decrypt(cap, recipient.private, info=epoch.info + recipient.kid)
    body = Squeezer()(encode([row(value=99.0)], told(segment)))
    header = framing.pack_header(framing.BLOCK, len(body) + 16, readings=2, seq=1, total=2, commit_s=5)
    payload = AESGCM(key).encrypt(nonce(framing.BLOCK, 1), body, epoch.eid + header)
    signature = Ed25519PrivateKey.generate().sign(b"ilot/rec/1\0" + epoch.eid + H(header + payload))
    desk.answer(hub, segment.message([framing.pack_record(header, payload, signature)]))
    return became(desk)


def told(segment: Segment) -> Numbering:
    """The numbers under which the segment's TABLE told its shapes and subjects."""
    numbering = Numbering()
    encode([row(value=1.0)], numbering)
    return numbering


@pytest.mark.parametrize("file", ["recovery.key", "recipients/*.key"])
def test_who_holds_a_key_that_opens_cannot_forge_and_a_gate_that_is_deaf_to_signatures_would_believe_it(
    desk: Desk, file: str
) -> None:
    assert forge(desk, desk.enrol(), file) == "refused"
    assert desk.alarms() == ["forged"]
    with without_record_signature():
        assert forge(desk, desk.enrol(), file) == "stored"


@contextmanager
def without_digest() -> Iterator[None]:
    """The twin that takes the same number for a duplicate, whatever its content."""
    real = Records.digest

    def digest(self: Records, stream: Stream, seq: int) -> Any:
        return None if real(self, stream, seq) is None else mock.ANY

    with mock.patch.object(Records, "digest", digest):
        yield


def fork(desk: Desk) -> tuple[int, int]:
    """A hub set back to an older image says something else under a number. Forks kept, and numbers acked, of two."""
    hub, run = desk.enrol(), os.urandom(16)
    one, two = hub.segment(run=run), hub.segment(run=run)
    desk.post(hub, one.message([one.block([row(value=1.0)])]))
    answer = desk.post(hub, two.message([two.block([row(value=2.0)])]))
    return len(desk.sql("select * from forks where stream in (select id from streams where hub = ?)", hub.hub)), len(
        list(answer.taken(two))
    )


def test_a_fork_is_kept_and_a_backend_that_does_not_look_at_digests_would_drop_it_and_acknowledge(desk: Desk) -> None:
    assert fork(desk) == (1, 0)
    with without_digest():
        assert fork(desk) == (0, 1)


def splice(desk: Desk, what: str) -> str:
    """A block moved into the epoch of another hub, run or segment, while all epochs share their keys."""
    run, more = os.urandom(16), {}
    source, target = desk.enrol(), None
    if what == "hub":
        target = desk.enrol()
    elif what == "run":
        more = {"run": os.urandom(16)}
    else:
        more = {"number": 2}
    with no_entropy():
        one = source.segment(run=run)
        two = (target or source).segment(**{"run": run, **more})
        block = one.block([row()])
        two.block([row()])  # so that its TABLE is told
    before = desk.rows()
    body = pack_message([(two.eid, [*two.context, block])])
    desk.answer(target or source, body)
    return "stored" if desk.rows() != before else "refused"


@pytest.mark.parametrize("what", ["hub", "run", "segment"])
def test_a_block_of_another_epoch_is_refused_though_the_keys_are_the_same_and_only_the_epochs_id_tells(
    desk: Desk, what: str
) -> None:
    assert splice(desk, what) == "refused"
    with without_epoch_id():
        assert splice(desk, what) == "stored"
