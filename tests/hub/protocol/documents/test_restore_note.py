"""The note of a restoration: only the hub that it names makes one."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import AuthFailed, DecodeError
from hub.protocol.documents.restore_note import LABEL, Note, read_note, sign_note
from hub.protocol.hub_id import hub_id
from hub.protocol.length_prefix import lp, unlp

IDENTITY = Ed25519PrivateKey.generate()
PUBLIC = IDENTITY.public_key().public_bytes_raw()
NOTE = sign_note(IDENTITY, generation=1031, at=1.9e9)


def test_a_note_says_which_hub_was_restored_and_where_it_began() -> None:
    assert read_note(NOTE) == Note(hub=hub_id(PUBLIC), identity=PUBLIC, generation=1031, at=1.9e9)


def test_nobody_else_can_make_a_hubs_counters_leap() -> None:
    other = Ed25519PrivateKey.generate()
    head = msgspec.msgpack.encode(Note(hub=hub_id(PUBLIC), identity=PUBLIC, generation=9999, at=1.9e9))
    with pytest.raises(AuthFailed, match="altered"):
        read_note(lp(LABEL, head, other.sign(LABEL + head)))
    foreign = other.public_key().public_bytes_raw()
    head = msgspec.msgpack.encode(Note(hub=hub_id(PUBLIC), identity=foreign, generation=9999, at=1.9e9))
    with pytest.raises(AuthFailed, match="did not sign"):
        read_note(lp(LABEL, head, other.sign(LABEL + head)))


@given(st.integers(0, len(NOTE) - 1), st.integers(1, 255))
def test_no_changed_byte_passes(at: int, flip: int) -> None:
    changed = bytearray(NOTE)
    changed[at] ^= flip
    with pytest.raises((AuthFailed, DecodeError)):
        read_note(bytes(changed))


@given(st.binary(max_size=2000) | st.lists(st.binary(max_size=80), max_size=4).map(lambda parts: lp(LABEL, *parts)))
def test_whatever_lies_there_instead_is_told(data: bytes) -> None:
    with pytest.raises((AuthFailed, DecodeError)):
        read_note(data)


def test_it_is_three_parts() -> None:
    assert [len(part) for part in unlp(NOTE)][::2] == [len(LABEL), 64]
