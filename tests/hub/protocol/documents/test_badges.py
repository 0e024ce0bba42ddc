"""Badges: only what a badge key of the owner signed, here and now, with its passphrase."""

from __future__ import annotations

import base64

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core import password_hash
from hub.protocol.documents.badges import (
    GROUPS,
    LONGEST_S,
    PREFIX,
    BadBadge,
    Badge,
    Revoked,
    admit,
    make_badge,
    make_revoked,
    read_badge,
    read_revoked,
)

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEYS = [KEY.public_key().public_bytes_raw()]
NOW = 1_800_000_000
BADGE = Badge(
    id=b"12345678",
    name="Camille Dupont",
    role="technicien",
    sites=("ecole", "mairie"),
    begin=NOW,
    until=NOW + 30 * 86_400,
    secret=b"\x01" + bytes(48),
)
TEXT = make_badge(BADGE, KEY)


def reason(work: object) -> str:
    with pytest.raises(BadBadge) as caught:
        work()  # type: ignore[operator]
    return caught.value.reason


def test_a_badge_reads_back_equal_as_it_was_scanned_or_typed_in_lines() -> None:
    assert read_badge(TEXT, KEYS) == BADGE
    lines = "\n".join(TEXT[at : at + 40].lower() for at in range(0, len(TEXT), 40))
    assert read_badge(lines, KEYS) == BADGE


def test_its_qr_code_holds_only_characters_of_the_compact_mode() -> None:
    """ISO/IEC 18004, table 5: alphanumeric mode."""
    import segno

    assert not set(TEXT) - set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")
    code = segno.make(TEXT, error="m")
    assert code.mode == "alphanumeric"
    assert int(code.version) <= 16  # a phone reads it off another phone's screen


def test_nobody_but_a_key_of_the_trust_document_makes_one() -> None:
    assert reason(lambda: read_badge(make_badge(BADGE, OTHER), KEYS)) == "stranger"
    assert reason(lambda: read_badge(TEXT, [])) == "stranger"


@settings(max_examples=150)
@given(st.data())
def test_one_flipped_bit_anywhere_makes_it_worthless(data: st.DataObject) -> None:
    raw = bytearray(base64.b32decode(TEXT.removeprefix(PREFIX) + "=" * (-len(TEXT.removeprefix(PREFIX)) % 8)))
    at = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[at // 8] ^= 1 << at % 8
    bent = PREFIX + base64.b32encode(raw).decode().rstrip("=")
    assert reason(lambda: read_badge(bent, KEYS)) in ("altered", "unreadable", "stranger")


@given(st.one_of(st.text(max_size=200), st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", max_size=300).map(PREFIX.__add__)))
def test_whatever_is_shown_is_read_or_refused(text: str) -> None:
    assert reason(lambda: read_badge(text, KEYS)) in ("unreadable", "stranger")


@pytest.mark.parametrize(
    "changes",
    [{"until": NOW + LONGEST_S + 1}, {"until": NOW}, {"role": "roi"}, {"name": "a\nb"}, {"sites": ("a\0",)}],
)
def test_what_no_hub_would_take_is_neither_made_nor_read(changes: dict[str, object]) -> None:
    bad = msgspec.structs.replace(BADGE, **changes)
    assert reason(lambda: make_badge(bad, KEY)) == "altered"
    from hub.protocol.documents import badges

    payload = msgspec.msgpack.encode(bad)
    text = PREFIX + base64.b32encode(badges._signed(badges.LABEL, payload, KEY)).decode().rstrip("=")
    assert reason(lambda: read_badge(text, KEYS)) in ("altered", "unreadable")


def test_a_badge_is_no_list_and_a_list_no_badge() -> None:
    document = make_revoked(Revoked(3, NOW, (b"12345678",)), KEY)
    assert read_revoked(document, KEYS) == Revoked(3, NOW, (b"12345678",))
    body = base64.b32decode(TEXT.removeprefix(PREFIX) + "=" * (-len(TEXT.removeprefix(PREFIX)) % 8))
    assert reason(lambda: read_revoked(document[: -len(body)] + body, KEYS)) in ("altered", "unreadable")
    assert reason(lambda: read_revoked(document, [OTHER.public_key().public_bytes_raw()])) == "stranger"
    altered = bytearray(document)
    altered[-1] ^= 1
    assert reason(lambda: read_revoked(bytes(altered), KEYS)) == "altered"


def test_it_is_good_at_its_sites_within_its_time_and_until_it_is_withdrawn() -> None:
    def judge(badge: Badge = BADGE, **said: object) -> None:
        admit(badge, **{"here": {"ecole"}, "revoked": (), "now": NOW + 60.0, "at_least": 0.0, **said})  # type: ignore[arg-type]

    judge()
    judge(msgspec.structs.replace(BADGE, sites=("*",)), here={"hub-9"})
    assert reason(lambda: judge(here={"piscine"})) == "site"
    assert reason(lambda: judge(now=NOW - 3600.0)) == "early"
    assert reason(lambda: judge(now=float(BADGE.until))) == "expired"
    assert reason(lambda: judge(revoked=(BADGE.id,))) == "revoked"


def test_a_clock_that_is_not_sure_keeps_nobody_out_but_whose_time_the_owner_knows_to_be_over() -> None:
    admit(BADGE, here={"ecole"}, revoked=(), now=None, at_least=NOW + 86_400.0)
    late = BADGE.until + 1.0
    assert reason(lambda: admit(BADGE, here={"ecole"}, revoked=(), now=None, at_least=late)) == "expired"


def test_a_passphrase_is_fifty_random_bits_and_forgiving_of_how_it_is_typed() -> None:
    made = {password_hash.new_code(GROUPS) for _ in range(1000)}
    assert len(made) == 1000
    assert sum(GROUPS) * 5 == 50
    assert password_hash.code_of("k7m2q 9xrtO", GROUPS) == "K7M2Q-9XRT0"
    secret = password_hash.make("K7M2Q-9XRT0")
    assert len(secret) == password_hash.SIZE
    assert password_hash.fits(secret, password_hash.code_of("k7m2q9xrto", GROUPS))
    assert not password_hash.fits(secret, "K7M2Q-9XRT1")
