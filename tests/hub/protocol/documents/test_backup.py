"""A state backup: sealed to the recovery key alone, signed by its hub, and refused when it is anything else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import AuthFailed, DecodeError
from hub.protocol.documents.backup import (
    LABEL,
    SENT_EVERY_S,
    SENT_JUMP,
    SENT_MOST,
    SENT_PREFIX,
    Contents,
    Head,
    StreamEnd,
    ahead,
    jumped,
    open_backup,
    read,
    seal,
)
from hub.protocol.documents.recovery_key_file import read_recovery_key
from hub.protocol.documents.trust import Recipient
from hub.protocol.length_prefix import lp
from hub.protocol.records.seal import kid_of


class Key:
    """A recipient, with the file that `ilot backend init` would write."""

    def __init__(self, role: str) -> None:
        mlkem, x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
        public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        self.kid, self.private = kid_of(public), MLKEM768X25519PrivateKey(mlkem, x25519)
        self.recipient = Recipient(self.kid, role, public)
        self._secret = mlkem.private_bytes_raw() + x25519.private_bytes_raw()

    def file(self, role: str) -> bytes:
        return msgspec.json.encode(
            {"format": "ilot-recipient-key/1", "role": role, "kid": self.kid.hex(), "private": self._secret}
        )


RECOVERY, INGEST, STRANGER = Key("recovery"), Key("ingest"), Key("recovery")
IDENTITY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
STATE = Contents(
    config="config.yaml",
    files={"config.yaml": b"hub: {}", "secrets.yaml": b"canary: canary"},
    keys={"identity": b"i", "store": b"s" * 32, "tls": b"t"},
    trust=b"trust",
    enrolment=b"{}",
    certificate=b"crt",
    store=b"db",
    local={"counter/ble:AA/00": 41, SENT_PREFIX + "lorawan:1": 7, "state/x/y": "z"},
    streams=[StreamEnd("readings", bytes(16), 9, [(1, 8)])],
)


def sealed(contents: Contents = STATE, identity: Ed25519PrivateKey = IDENTITY) -> bytes:
    return seal(
        contents,
        identity=identity,
        generation=3,
        made=1.8e9,
        trust_version=2,
        recipients=[INGEST.recipient, RECOVERY.recipient],
    )


WHOLE = sealed()


def test_the_recovery_key_opens_it_and_everything_is_there():
    backup = read(WHOLE)
    assert (backup.head.generation, backup.head.trust_version) == (3, 2)
    assert open_backup(backup, RECOVERY.kid, RECOVERY.private) == STATE
    assert b"canary" not in WHOLE


@pytest.mark.parametrize("key", [INGEST, STRANGER], ids=["ingest", "stranger"])
def test_no_other_key_opens_it(key):
    with pytest.raises(AuthFailed, match="only the owner's recovery key"):
        open_backup(read(WHOLE), key.kid, key.private)
    with pytest.raises(AuthFailed, match="does not open"):
        open_backup(read(WHOLE), RECOVERY.kid, key.private)


def test_an_ingest_key_that_calls_itself_a_recovery_key_opens_nothing():
    key = read_recovery_key(INGEST.file("recovery"))
    with pytest.raises(AuthFailed, match="not sealed to the key"):
        open_backup(read(WHOLE), key.kid, key.private)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_refused(at, bit):
    data = bytearray(WHOLE)
    data[at] ^= 1 << bit
    with pytest.raises((AuthFailed, DecodeError)):
        read(bytes(data))


@given(st.integers(0, len(WHOLE) - 1))
def test_a_backup_cut_short_is_refused(length):
    with pytest.raises((AuthFailed, DecodeError)):
        read(WHOLE[:length])


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda tail: lp(LABEL) + tail))
def test_what_is_no_backup_is_refused_with_a_clear_error(data):
    with pytest.raises((AuthFailed, DecodeError)):
        read(data)


def test_the_capsule_of_another_backup_does_not_open_this_one():
    mine, other = read(WHOLE), read(sealed())
    with pytest.raises(AuthFailed):
        open_backup(mine._replace(caps=other.caps), RECOVERY.kid, RECOVERY.private)
    with pytest.raises(AuthFailed):
        open_backup(mine._replace(sealed=other.sealed), RECOVERY.kid, RECOVERY.private)


def test_a_backup_that_commits_to_another_key_than_its_capsule_holds_is_refused(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("hub.protocol.documents.backup.COMMIT_LABEL", b"to another")
        made = read(sealed())
    with pytest.raises(AuthFailed, match="another key than the backup commits to"):
        open_backup(made, RECOVERY.kid, RECOVERY.private)


def test_a_backup_in_the_name_of_a_hub_that_did_not_sign_it_is_refused(monkeypatch):
    name = read(WHOLE).head.hub
    with monkeypatch.context() as patch:
        patch.setattr("hub.protocol.documents.backup.hub_id", lambda public: name)
        forged = sealed(identity=OTHER)
    with pytest.raises(AuthFailed, match="names a hub that did not sign it"):
        read(forged)


def test_a_backup_names_the_hub_that_signed_it():
    assert read(sealed(identity=OTHER)).head.hub != read(WHOLE).head.hub


@pytest.mark.parametrize("name", ["../etc/passwd", "/etc/passwd", "a/../../b", "", ".", "a//b", "nul\0"])
def test_a_hub_that_was_taken_over_cannot_have_a_file_written_elsewhere(name):
    evil = msgspec.structs.replace(STATE, files={**STATE.files, name: b"x"})
    with pytest.raises(DecodeError, match="are impossible"):
        open_backup(read(sealed(evil)), RECOVERY.kid, RECOVERY.private)


def test_without_a_recovery_key_nothing_is_sealed():
    with pytest.raises(AuthFailed, match="no recovery key"):
        seal(STATE, identity=IDENTITY, generation=1, made=1.0, trust_version=1, recipients=[INGEST.recipient])


def test_receive_windows_stay_and_sent_counters_jump_ahead():
    assert jumped(STATE.local, 1100) == {
        "counter/ble:AA/00": 41, SENT_PREFIX + "lorawan:1": 1107, "state/x/y": "z", "state/x/restored": True,
        "state/x/skip": 1100,
    }  # fmt: skip


@pytest.mark.parametrize(("pending", "skip"), [
    ({"state/x/restored": True, "state/x/skip": 2000}, 3024), ({"state/x/restored": True}, 2048),
    ({"state/x/restored": True, "state/x/skip": "many"}, 2048),
    ({"state/x/restored": False, "state/x/skip": 2000}, 1024),
])  # fmt: skip
def test_what_a_plugin_has_not_skipped_yet_is_skipped_too_the_life_before_may_have_done_so(
    pending: dict[str, Any], skip: int
) -> None:
    assert jumped({"state/x/y": 1, **pending}, SENT_JUMP) == {
        "state/x/y": 1,
        "state/x/restored": True,
        "state/x/skip": skip,
    }


DAY = 86_400.0


@given(
    made=st.floats(0, 2e9),
    first=st.floats(0, 8 * DAY),
    later=st.floats(0, 8 * DAY),
    spent=st.integers(0, SENT_JUMP - 1),
    known=st.booleans(),
)
def test_a_second_restoration_of_a_backup_begins_beyond_the_first_where_it_is_known_and_further_on_where_it_is_not(
    made: float, first: float, later: float, spent: int, known: bool
) -> None:
    head = Head(hub="hub", generation=5, made=made, identity=bytes(32), trust_version=1, commitment=bytes(32))
    one = ahead(head, lived=0, now=made + first)
    two = ahead(head, lived=head.generation + one if known else 0, now=made + first + later)
    if known:
        assert two > one + spent
    else:
        assert two >= one + int(later / SENT_EVERY_S) - 1 if first + later < SENT_MOST * SENT_EVERY_S else two >= one


def test_a_clock_that_stands_before_the_backup_or_long_after_it_bounds_the_jump() -> None:
    head = Head(hub="hub", generation=5, made=1e9, identity=bytes(32), trust_version=1, commitment=bytes(32))
    assert ahead(head, lived=0, now=0.0) == SENT_JUMP
    assert ahead(head, lived=0, now=1e9 + DAY) == SENT_JUMP + 720
    assert ahead(head, lived=0, now=2e9) == SENT_JUMP + SENT_MOST
    assert 2 * (SENT_JUMP + SENT_MOST) < 16_384, "two restorations that no downlink followed stay within MAX_FCNT_GAP"


def test_every_plugin_that_keeps_a_state_is_told_of_the_restoration():
    local = {"state/lorawan/lorawan:1/x": b"record", "state/linky/speed": 9600, "clock/floor": 1.0}
    told = {name for name, value in jumped(local, SENT_JUMP).items() if name.endswith("/restored") and value is True}
    assert told == {"state/lorawan/restored", "state/linky/restored"}
