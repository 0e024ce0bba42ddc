"""The document of a release: what is not signed is not read, and what is signed can say nothing harmful."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import AuthFailed
from hub.protocol.documents.release import (
    LABEL,
    File,
    Release,
    ReleaseKeys,
    add_signature,
    read_release,
    sign_release,
)
from hub.protocol.documents.signed_payload import key_id
from hub.protocol.length_prefix import lp

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))
PUBLIC, SECOND = KEY.public_key().public_bytes_raw(), OTHER.public_key().public_bytes_raw()
TRUSTED = ReleaseKeys((PUBLIC,))
GOOD = Release(
    counter=7, version="1.0.7", architecture="arm64", python="3.13", issued=1.0, expires=2.0, writes=1, reads=1,
    files=(File("lib/python3.13/site-packages/hub/__init__.py", 3, bytes(32)), File(".x/a b (c).so", 0, bytes(32))),
)  # fmt: skip


def forged(release: Release) -> bytes:
    """Signed by the true key, and never looked at before."""
    payload = msgspec.json.encode(release)
    return lp(LABEL, payload, key_id(PUBLIC), KEY.sign(lp(LABEL) + payload))


def test_what_is_signed_is_read_as_it_was_written() -> None:
    signed = read_release(sign_release(GOOD, [KEY]), TRUSTED)
    assert (signed.release, signed.signers) == (GOOD, (key_id(PUBLIC),))


def test_two_keys_sign_one_after_the_other_and_each_counts_once() -> None:
    both = ReleaseKeys((PUBLIC, SECOND), 2)
    once = sign_release(GOOD, [KEY])
    assert len(read_release(add_signature(once, OTHER), both).signers) == 2
    for document in (once, add_signature(once, KEY), sign_release(GOOD, [Ed25519PrivateKey.generate(), KEY])):
        with pytest.raises(AuthFailed):
            read_release(document, both)


@pytest.mark.parametrize("keys", [ReleaseKeys(()), ReleaseKeys((PUBLIC,), 0), ReleaseKeys((PUBLIC,), 2)])
def test_a_hub_without_enough_keys_takes_nothing(keys: ReleaseKeys) -> None:
    with pytest.raises(AuthFailed, match="no release keys"):
        read_release(sign_release(GOOD, [KEY]), keys)


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../x", "a/../b", "a//b", ".", "..", "a/.", "a/..", "a\0b", "a\nb", "ü", "a" * 300, "a/",
     "lib/python3.13/site-packages/hub", "lib/python3.13/site-packages/hub/__init__.py/x", "a\\b", "-"],
)  # fmt: skip
def test_no_path_leads_out_or_is_two_things_at_once(path: str) -> None:
    files = (*GOOD.files, File(path, 1, bytes(32)))
    bad = msgspec.structs.replace(GOOD, files=files)
    if path == "-":
        assert read_release(forged(bad), TRUSTED).release == bad
        return
    with pytest.raises(AuthFailed):
        read_release(forged(bad), TRUSTED)
    with pytest.raises(AuthFailed):
        sign_release(bad, [KEY])


@pytest.mark.parametrize(
    "facts",
    [
        {"counter": 0}, {"counter": 10**10}, {"after": -1}, {"version": "a b"}, {"python": "2.7"}, {"reads": 0},
        {"expires": 0.5}, {"issued": -1.0}, {"files": ()}, {"files": (File("a", 1 << 40, bytes(32)),)},
        {"files": (File("a", 1, b"short"),)}, {"notes": "x" * 5000}, {"threshold": 1}, {"keys": (PUBLIC,)},
        {"keys": (PUBLIC, PUBLIC), "threshold": 1}, {"keys": (b"x",), "threshold": 1}, {"built": -1},
        {"files": (File("a", 1, bytes(32)), File("a", 1, bytes(32)))}, {"expires": float("inf")},
    ],
)  # fmt: skip
def test_what_no_hub_can_install_is_refused_whoever_signed_it(facts: dict[str, object]) -> None:
    with pytest.raises(AuthFailed):
        read_release(forged(msgspec.structs.replace(GOOD, **facts)), TRUSTED)  # type: ignore[arg-type]


@given(st.binary(max_size=400))
def test_whatever_bytes_come_they_are_refused(data: bytes) -> None:
    with pytest.raises(AuthFailed):
        read_release(data, TRUSTED)


@given(st.binary(max_size=200))
def test_whatever_a_true_key_signed_is_a_release_or_refused(payload: bytes) -> None:
    with pytest.raises(AuthFailed):
        read_release(lp(LABEL, payload, key_id(PUBLIC), KEY.sign(lp(LABEL) + payload)), TRUSTED)


def test_one_flipped_bit_anywhere_makes_it_worthless() -> None:
    document = sign_release(GOOD, [KEY])
    for at in range(len(document)):
        with pytest.raises(AuthFailed):
            read_release(document[:at] + bytes([document[at] ^ 1]) + document[at + 1 :], TRUSTED)
