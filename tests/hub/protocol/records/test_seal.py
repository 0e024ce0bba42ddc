"""The seal: what is signed cannot be changed, what is sealed opens only for its recipients, no nonce comes twice."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import AuthFailed, DecodeError, HubError, SegmentDamaged, StorageError
from hub.protocol.length_prefix import lp, unlp
from hub.protocol.records import framing
from hub.protocol.records.bodies import (
    ClockMark,
    Gap,
    decode_clock,
    decode_gap,
    decode_local,
    decode_table,
    encode_table,
)
from hub.protocol.records.columns import encode
from hub.protocol.records.compression import MAX_BODY, Squeezer, expand
from hub.protocol.records.dictionary import Numbering
from hub.protocol.records.opening import (
    Block,
    Opener,
    Table,
    Tables,
    load_private,
    open_epoch,
    open_local,
    split,
    verify_epoch,
)
from hub.protocol.records.seal import (
    AES,
    CHACHA,
    SUITE,
    EpochStart,
    H,
    Previous,
    Sealed,
    Sealer,
    SealingKeys,
    default_aead,
    load_public,
    u64,
)
from tests.hub.store_and_forward.buffer.buffer_kit import Party, rows

RUN, OLD_RUN = bytes(range(16)), bytes(range(16, 32))


START = EpochStart(RUN, "readings", 3, 7, 90, 1_800_000_000, Previous(OLD_RUN, 41, b"d" * 32))


def sealer(party: Party, aead: str = AES, hub: str = "hub-test", **changed: Any) -> Sealer:
    return Sealer(SealingKeys(hub, party.identity, party.store_key, aead), party.trust, START._replace(**changed))


def block(sealer: Sealer, seq: int = 7, count: int = 5) -> tuple[Sealed, Sealed]:
    numbering, squeeze = Numbering(), Squeezer()
    body = encode(rows(0, count), numbering)
    table = squeeze(encode_table(*numbering.fresh()))
    return (
        sealer.seal(framing.TABLE, sealer.counter(framing.TABLE), table, readings=0, total=90, commit_s=5),
        sealer.seal(framing.BLOCK, seq, squeeze(body), readings=2 * count, total=90 + 2 * count, commit_s=5),
    )


@pytest.mark.parametrize("aead", [AES, CHACHA])
@pytest.mark.parametrize("who", ["ingest", "recovery"])
def test_each_recipient_opens_what_was_sealed(party: Party, aead: str, who: str) -> None:
    made = sealer(party, aead)
    table, sealed = block(made)
    epoch = verify_epoch(made.epoch, party.public)
    kid = getattr(party, who).kid
    opener = open_epoch(epoch, {kid: load_private(getattr(party, f"{who}_private"))})
    told, opened = opener.open(table.raw).body, opener.open(sealed.raw)
    assert isinstance(told, Table)
    assert isinstance(opened.body, Block)
    assert (opened.kind, opened.seq, opened.readings, opened.digest) == (framing.BLOCK, 7, 10, sealed.digest)
    found = opened.body.rows(told)
    assert sorted(int(row.values[0]) for row in found) == [0, 1, 2, 3, 4]
    assert {row.subject.place for row in found} == {f"place-{number}" for number in range(5)}


def test_an_epoch_says_whose_it_is(party: Party) -> None:
    epoch = verify_epoch(sealer(party).epoch, party.public)
    assert (epoch.hub, epoch.run, epoch.stream, epoch.segment, epoch.first_seq) == ("hub-test", RUN, "readings", 3, 7)
    assert (epoch.previous_run, epoch.previous_seq, epoch.previous_digest) == (OLD_RUN, 41, b"d" * 32)
    assert epoch.kids == (party.ingest.kid, party.recovery.kid)
    assert epoch.trust_version == 1


@pytest.mark.parametrize("aead", [AES, CHACHA])
def test_the_construction_is_the_one_on_the_page(party: Party, aead: str) -> None:
    """Opened again by hand with bare primitives, from the docstring of hub.store_and_forward.buffer, not with
    hub.protocol.records.opening."""
    made = sealer(party, aead)
    _, sealed = block(made)
    payload, signature = made.epoch[36:-68], made.epoch[-68:-4]
    party.identity.public_key().verify(signature, b"ilot/epoch-sig/1\0" + payload)
    parts, at = [], 0
    while at < len(payload):
        size = int.from_bytes(payload[at : at + 4], "big")
        parts.append(payload[at + 4 : at + 4 + size])
        at += 4 + size
    body = b"".join(len(part).to_bytes(4, "big") + part for part in parts[:15])
    kid = hashlib.sha256(party.ingest.public).digest()
    assert parts[0] == b"ilot/epoch/1\0"
    assert parts[12] == kid
    info = b"ilot/epoch/1\0" + hashlib.sha256(body).digest() + kid
    key = SUITE.decrypt(parts[15], load_private(party.ingest_private), info=info)
    assert parts[11] == hashlib.sha256(b"ilot/commit/1\0" + key).digest()
    eid = hashlib.sha256(payload).digest()
    header, ciphertext, mark = sealed.raw[:36], sealed.raw[36:-68], sealed.raw[-68:-4]
    cipher = (AESGCM if aead == AES else ChaCha20Poly1305)(key)
    plain = cipher.decrypt(b"\x03\0\0\0" + (7).to_bytes(8, "big"), ciphertext, eid + header)
    assert plain[:4] == bytes.fromhex("28b52ffd")  # a zstd frame
    signer = Ed25519PublicKey.from_public_bytes(parts[10])
    signer.verify(mark, b"ilot/rec/1\0" + eid + hashlib.sha256(header + ciphertext).digest())
    assert sealed.digest == hashlib.sha256(header + ciphertext + mark).digest()


def refit(raw: bytes, at: int, flip: int) -> bytes:
    """`raw` with one payload or signature byte changed and its checksums made right again, as a forger would."""
    changed = bytearray(raw)
    changed[at] ^= flip
    body = bytes(changed[36:-4])
    header = bytes(changed[:32])
    fixed = header + framing.crc32(header).to_bytes(4, "big") + body
    return fixed + framing.crc32(body).to_bytes(4, "big")


def test_no_byte_of_an_epoch_can_be_changed(party: Party) -> None:
    raw = sealer(party).epoch
    for at in range(framing.HEADER_SIZE, len(raw) - 4):
        with pytest.raises((AuthFailed, DecodeError)):
            verify_epoch(refit(raw, at, 1), party.public)


def test_no_byte_of_a_record_can_be_changed(party: Party) -> None:
    made = sealer(party)
    _, sealed = block(made)
    opener = open_epoch(verify_epoch(made.epoch, party.public), party.private_keys)
    for at in range(8, len(sealed.raw) - 4):
        if 32 <= at < 36:
            continue  # the header's own checksum, which refit repairs
        with pytest.raises((AuthFailed, DecodeError, SegmentDamaged)):
            opener.open(refit(sealed.raw, at, 1))


def test_an_epoch_of_another_hub_is_refused(party: Party) -> None:
    with pytest.raises(AuthFailed):
        verify_epoch(sealer(party).epoch, Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    with pytest.raises(AuthFailed):
        verify_epoch(sealer(party).epoch, b"no key")


def test_a_stranger_cannot_open_an_epoch(party: Party) -> None:
    epoch = verify_epoch(sealer(party).epoch, party.public)
    private = load_private(party.stranger_private)
    with pytest.raises(AuthFailed):
        open_epoch(epoch, {party.stranger.kid: private})
    with pytest.raises(AuthFailed):
        open_epoch(epoch, {party.ingest.kid: private})


def test_a_capsule_for_another_key_than_committed_is_refused(party: Party) -> None:
    made = sealer(party)
    epoch = verify_epoch(made.epoch, party.public)
    cap = SUITE.encrypt(os.urandom(32), load_public(party.ingest.public), info=epoch.info + party.ingest.kid)
    parts = unlp(made.epoch[36:-68])
    full = lp(*parts[:15], cap, parts[16])
    header = framing.pack_header(framing.EPOCH, len(full), readings=0, seq=7, total=90, commit_s=5)
    forged = framing.pack_record(header, full, party.identity.sign(b"ilot/epoch-sig/1\0" + full))
    with pytest.raises(AuthFailed, match="commits to"):
        open_epoch(verify_epoch(forged, party.public), party.private_keys)


@pytest.mark.parametrize("cap", [b"", b"short", bytes(1168), b"\xff" * 1168, bytes(1169)])
def test_a_capsule_that_is_none_is_refused_and_nothing_else_happens(party: Party, cap: bytes) -> None:
    """Of any length, and with a point of small order in it, whose secret is zero."""
    parts = unlp(sealer(party).epoch[36:-68])
    full = lp(*parts[:15], cap, parts[16])
    header = framing.pack_header(framing.EPOCH, len(full), readings=0, seq=7, total=90, commit_s=5)
    forged = framing.pack_record(header, full, party.identity.sign(b"ilot/epoch-sig/1\0" + full))
    with pytest.raises(AuthFailed, match="does not open"):
        open_epoch(verify_epoch(forged, party.public), party.private_keys)


def test_a_record_of_another_epoch_is_refused(party: Party) -> None:
    one, two = sealer(party), sealer(party, segment=4)
    _, sealed = block(one)
    opener = open_epoch(verify_epoch(two.epoch, party.public), party.private_keys)
    with pytest.raises(AuthFailed):
        opener.open(sealed.raw)


def test_a_number_from_before_its_epoch_is_refused(party: Party) -> None:
    """A later segment supersedes an earlier one from its own first number on: one may not reach further back."""
    made = sealer(party)
    opener = open_epoch(verify_epoch(made.epoch, party.public), party.private_keys)
    assert opener.open(block(made)[1].raw).seq == 7
    made._last[framing.BLOCK] = 0
    with pytest.raises(DecodeError, match="bad-seq"):
        opener.open(block(made, seq=6)[1].raw)


@pytest.mark.parametrize(("part", "other"), [(3, b"audit"), (3, b"readings2"), (9, b"rot13"), (9, b"AES-256-GCM")])
def test_an_epoch_of_a_stream_or_cipher_that_is_none_is_refused(party: Party, part: int, other: bytes) -> None:
    parts = unlp(sealer(party).epoch[36:-68])
    parts[part] = other
    full = lp(*parts)
    header = framing.pack_header(framing.EPOCH, len(full), readings=0, seq=7, total=90, commit_s=5)
    forged = framing.pack_record(header, full, party.identity.sign(b"ilot/epoch-sig/1\0" + full))
    with pytest.raises(DecodeError, match="bad-epoch"):
        verify_epoch(forged, party.public)


def test_whoever_holds_only_the_opening_key_cannot_forge(party: Party) -> None:
    """The recipient knows k; a record must also be signed by e, which never left the hub."""
    made = sealer(party)
    epoch = verify_epoch(made.epoch, party.public)
    key = SUITE.decrypt(epoch.caps[0], load_private(party.ingest_private), info=epoch.info + party.ingest.kid)
    body = Squeezer()(b"forged")
    header = framing.pack_header(framing.BLOCK, len(body) + 16, readings=1, seq=9, total=91, commit_s=5)
    payload = AESGCM(key).encrypt(b"\x03\0\0\0" + u64(9), body, epoch.eid + header)
    signature = Ed25519PrivateKey.generate().sign(b"ilot/rec/1\0" + epoch.eid + H(header + payload))
    with pytest.raises(AuthFailed):
        Opener(epoch, key).open(framing.pack_record(header, payload, signature))


def test_a_number_is_sealed_once(party: Party) -> None:
    made = sealer(party)
    seal = lambda kind, seq: made.seal(kind, seq, b"x", readings=0, total=0, commit_s=0)  # noqa: E731
    seal(framing.BLOCK, 7)
    for kind, seq in ((framing.BLOCK, 7), (framing.GAP, 7), (framing.CLOCK, 6), (framing.BLOCK, 1)):
        with pytest.raises(StorageError):
            seal(kind, seq)
    seal(framing.GAP, 8)
    seal(framing.TABLE, 1)
    seal(framing.LOCAL, 1)
    with pytest.raises(StorageError):
        seal(framing.TABLE, 1)


def test_a_failing_cipher_burns_the_number(party: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def encrypt(self, *_: object) -> bytes:
            raise MemoryError

    made = sealer(party)
    monkeypatch.setattr(made, "_cipher", Broken())
    with pytest.raises(MemoryError):
        made.seal(framing.BLOCK, 7, b"x", readings=0, total=0, commit_s=0)
    monkeypatch.undo()
    with pytest.raises(StorageError):
        made.seal(framing.BLOCK, 7, b"x", readings=0, total=0, commit_s=0)


def test_a_closed_epoch_seals_nothing(party: Party) -> None:
    made = sealer(party)
    made.close()
    with pytest.raises(StorageError):
        made.seal(framing.BLOCK, 7, b"x", readings=0, total=0, commit_s=0)


@pytest.mark.real("processes")
def test_a_fork_has_no_keys(party: Party) -> None:
    made = sealer(party)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            made.seal(framing.BLOCK, 7, b"x", readings=0, total=0, commit_s=0)
        except StorageError:
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    made.seal(framing.BLOCK, 7, b"x", readings=0, total=0, commit_s=0)


def test_local_records_open_for_the_hub_alone(party: Party) -> None:
    made = sealer(party)
    local = made.seal(framing.LOCAL, 1, Squeezer()(b"\x93\x00\x00\x81\xa1k\x05"), readings=0, total=90, commit_s=5)
    epoch = verify_epoch(made.epoch, party.public)
    assert open_local(epoch, party.store_key).open(local.raw).body.values == {"k": 5}  # type: ignore[union-attr]
    with pytest.raises(DecodeError):
        open_epoch(epoch, party.private_keys).open(local.raw)
    with pytest.raises(AuthFailed):
        open_local(epoch, bytes(32)).open(local.raw)
    key = SUITE.decrypt(epoch.caps[0], load_private(party.ingest_private), info=epoch.info + party.ingest.kid)
    with pytest.raises(InvalidTag):
        AESGCM(key).decrypt(b"\x06\0\0\0" + u64(1), local.raw[36:-68], made.eid + local.raw[:36])


def test_the_same_counter_in_two_epochs_has_two_local_keys(party: Party) -> None:
    one, two = (sealer(party).seal(framing.LOCAL, 1, b"same", readings=0, total=0, commit_s=0).raw for _ in range(2))
    assert one[36:-68] != two[36:-68]


def test_nobody_to_seal_to_is_an_error(party: Party) -> None:
    from tests.hub.store_and_forward.buffer.buffer_kit import Recipient, Trust

    for trust, error in ((Trust(1, ()), StorageError), (Trust(1, (Recipient(b"", "ingest", b"short"),)), DecodeError)):
        with pytest.raises(error):
            Sealer(party.keys(), trust, START)


def test_a_body_that_expands_beyond_its_cap_is_refused() -> None:
    squeeze = Squeezer()
    bomb = squeeze(bytes(MAX_BODY))
    assert len(bomb) < 1000
    assert len(expand(bomb)) == MAX_BODY
    with pytest.raises(DecodeError, match="too-long"):
        expand(bomb, MAX_BODY - 1)
    for wrong in (bomb[:-1], bomb + b"x", b"", b"garbage", squeeze(b"a") + squeeze(b"b")):
        with pytest.raises(DecodeError):
            expand(wrong)


@given(st.binary(max_size=300))
def test_no_bytes_crash_what_a_recipient_reads(data: bytes) -> None:
    for read in (decode_table, decode_gap, decode_clock, decode_local, expand, lambda raw: list(split(raw))):
        try:
            read(data)
        except HubError:
            continue


@given(st.binary(max_size=2000), st.integers(1, 6))
def test_no_signed_nonsense_crashes_verify_epoch(party: Party, payload: bytes, kind: int) -> None:
    header = framing.pack_header(kind, len(payload), readings=0, seq=1, total=0, commit_s=0)
    raw = framing.pack_record(header, payload, party.identity.sign(b"ilot/epoch-sig/1\0" + payload))
    with pytest.raises((DecodeError, AuthFailed)):
        verify_epoch(raw, party.public)


def test_bodies_of_gap_and_clock_are_checked() -> None:
    import msgspec

    encode_any = msgspec.msgpack.encode
    assert decode_gap(encode_any(["alerts", RUN, 1, 2, 3, 4, 5, "damaged"])) == Gap(
        "alerts", RUN, 1, 2, 3, 4, 5, "damaged"
    )
    assert decode_clock(encode_any([RUN, 5, 1, "ntp"])) == ClockMark(RUN, 5, 1, "ntp")
    for stream, run, first in (("x", RUN, 1), ("alerts", b"", 1), ("alerts", RUN, 3), ("alerts", RUN, 0)):
        with pytest.raises(DecodeError):
            decode_gap(encode_any([stream, run, first, 2, 3, 4, 5, "damaged"]))
    with pytest.raises(DecodeError):
        decode_clock(encode_any([b"short", 5, 1, "ntp"]))


def test_tables_keep_what_was_told_first() -> None:
    tables = Tables()
    one = decode_table(encode_table([], [(0, rows(0, 1)[0].subject)]))
    two = decode_table(encode_table([], [(0, rows(1, 1)[0].subject), (1, rows(1, 1)[0].subject)]))
    tables.add(one)
    tables.add(two)
    assert [subject.device for subject in tables.subjects.values()] == ["test:0", "test:1"]


def test_the_cipher_suits_the_processor(tmp_path: object) -> None:
    path = tmp_path / "cpuinfo"  # type: ignore[operator]
    path.write_text("flags\t\t: fpu aes avx\n")
    assert default_aead(str(path)) == AES
    path.write_text("Features\t: fp asimd evtstrm crc32\n")
    assert default_aead(str(path)) == CHACHA
    assert default_aead(str(path) + "-none") == CHACHA
