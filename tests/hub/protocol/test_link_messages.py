from __future__ import annotations

import hashlib
from contextlib import suppress

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import AuthFailed, DecodeError
from hub.protocol.documents.trust import MAX_DOCUMENT
from hub.protocol.length_prefix import lp
from hub.protocol.link_messages import (
    ACK_LABEL,
    MAX_MESSAGE,
    MAX_RANGES,
    MAX_REPLY,
    MAX_SIGNED,
    SPEAKS,
    STATE_LABEL,
    Ack,
    Group,
    Reply,
    State,
    StreamAck,
    key_id,
    open_message,
    pack_message,
    pack_reply,
    read_ack,
    read_reply,
    read_state,
    sign_ack,
    sign_state,
)

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()


class Key(msgspec.Struct, frozen=True):
    kid: bytes
    public: bytes


class Trust(msgspec.Struct, frozen=True):
    ack_keys: tuple[Key, ...]


TRUST = Trust((Key(b"z" * 32, bytes(32)), Key(hashlib.sha256(PUBLIC).digest(), PUBLIC)))
ACK = Ack(hub="hub-a", stream="readings", run=b"r" * 16, db=b"d" * 16, n=1, through=7, ranges=((9, 9), (12, 40)))
STATE = State(
    hub="hub-a", boot=b"b" * 16, nonce=b"n" * 16, n=3, streams={"readings": (b"r" * 16, 40, b"h" * 32)}, heard=1.8e9
)

seqs = st.integers(1, 2**63 - 1)


@st.composite
def ranges(draw: st.DrawFn, above: int = 0) -> tuple[tuple[int, int], ...]:
    edges = sorted(draw(st.sets(st.integers(above + 1, 2**63 - 1), max_size=12)))
    return tuple(zip(edges[::2], edges[1::2], strict=False))


@st.composite
def acks(draw: st.DrawFn) -> Ack:
    through = draw(st.integers(0, 2**62))
    id16 = st.binary(min_size=16, max_size=16)
    return Ack(
        hub=draw(st.text(min_size=1, max_size=20)),
        stream=draw(st.sampled_from(["readings", "alerts"])),
        run=draw(id16),
        db=draw(id16),
        n=draw(seqs),
        through=through,
        ranges=draw(ranges(through)),
        rejected=draw(ranges()),
        want=draw(ranges()),
        nonce=draw(st.binary(max_size=32)),
        now=draw(st.floats(0, 1e11)),
    )


pair = st.tuples(st.binary(min_size=32, max_size=32), st.binary(min_size=1, max_size=200))
groups = st.lists(pair, min_size=1, max_size=5)


@given(groups)
def test_a_message_gives_back_the_groups_it_was_packed_from(pairs: list[tuple[bytes, bytes]]) -> None:
    body = pack_message((eid, [data[:1], data[1:]]) for eid, data in pairs)
    assert open_message(body)[1] == [Group(*pair) for pair in pairs]


def test_a_message_is_laid_out_byte_for_byte_as_specified() -> None:
    body = pack_message([(b"e" * 32, [b"abc", b"de"]), (b"f" * 32, [b"g"])])
    assert body == b"ILM1" + b"e" * 32 + b"\0\0\0\5abcde" + b"f" * 32 + b"\0\0\0\1g"


def test_a_state_goes_before_the_groups_byte_for_byte_as_specified() -> None:
    body = pack_message([(b"e" * 32, [b"abc"])], b"state")
    assert body == b"ILM2\0\0\0\5state" + b"e" * 32 + b"\0\0\0\3abc"
    assert open_message(body) == (b"state", [Group(b"e" * 32, b"abc")])
    assert open_message(pack_message([(b"e" * 32, [b"abc"])]))[0] == b""
    with pytest.raises(ValueError, match="group"):
        pack_message([], b"state")


@given(groups, st.data())
def test_a_message_cut_anywhere_keeps_whole_groups_or_is_refused(
    pairs: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    body = pack_message((eid, [records]) for eid, records in pairs)
    cut = data.draw(st.integers(0, len(body) - 1))
    whole = [pack_message((eid, [records]) for eid, records in pairs[:k]) for k in range(1, len(pairs))]
    if body[:cut] in whole:
        assert open_message(body[:cut])[1] == [Group(*pair) for pair in pairs][: whole.index(body[:cut]) + 1]
    else:
        with pytest.raises(DecodeError, match=r"truncated|bad-magic|empty"):
            open_message(body[:cut])


@given(st.binary(max_size=300), st.sampled_from([b"", b"ILM1", b"ILM2", b"ILM2\0\0\0\1"]))
def test_arbitrary_bytes_are_a_message_or_a_decode_error(data: bytes, magic: bytes) -> None:
    data = magic + data
    with suppress(DecodeError):
        state, found = open_message(data)
        assert pack_message(((eid, [records]) for eid, records in found), state) == data


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "bad-magic"),
        (b"ILM3" + b"e" * 32 + b"\0\0\0\1g", "bad-magic"),
        (b"ILM2", "truncated"),
        (b"ILM2\0\0\0\0" + b"e" * 32 + b"\0\0\0\1g", "truncated"),
        (b"ILM2\0\0\0\2s", "truncated"),
        (b"ILM2\0\0\0\1s", "empty"),
        (b"ILM2\0\0\0\1s" + b"e" * 32 + b"\0\0\0\2g", "truncated"),
        (b"ILM1", "empty"),
        (b"ILM1" + b"e" * 35, "truncated"),
        (b"ILM1" + b"e" * 32 + b"\0\0\0\0", "empty-group"),
        (b"ILM1" + b"e" * 32 + b"\xff\xff\xff\xffg", "truncated"),
        (bytes(MAX_MESSAGE + 1), "too-large"),
    ],
)
def test_a_wrong_message_says_what_is_wrong(body: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        open_message(body)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "groups", [[], [(b"short", [b"x"])], [(b"e" * 32, [])], [(b"e" * 32, [b""])], [(b"e" * 32, [bytes(MAX_MESSAGE)])]]
)
def test_a_message_that_nobody_could_read_is_not_built(groups: list[tuple[bytes, list[bytes]]]) -> None:
    with pytest.raises(ValueError, match=r"group|message"):
        pack_message(groups)


@given(acks())
def test_an_ack_is_read_as_it_was_signed(ack: Ack) -> None:
    assert read_ack(sign_ack(ack, KEY), TRUST) == (ack, key_id(PUBLIC))


@given(st.lists(acks(), min_size=1, max_size=5))
def test_an_ack_of_several_runs_says_of_each_what_one_of_its_own_would(several: list[Ack]) -> None:
    first = several[0]
    said = [StreamAck(a.stream, a.run, a.through, a.ranges, a.rejected, a.want) for a in several[1:]]
    together = msgspec.structs.replace(first, also=tuple(said))
    found, _ = read_ack(sign_ack(together, KEY), TRUST)
    shared = {name: getattr(first, name) for name in ("hub", "db", "n", "nonce", "now")}
    assert found.each() == [msgspec.structs.replace(one, **shared) for one in several]


def test_ranges_out_of_order_are_refused_in_every_part_of_an_ack() -> None:
    wrong = msgspec.structs.replace(ACK, also=(StreamAck("alerts", b"r" * 16, 7, ((7, 8),)),))
    with pytest.raises(ValueError, match="out of order"):
        sign_ack(wrong, KEY)
    payload = msgspec.msgpack.encode(wrong)
    with pytest.raises(DecodeError, match="bad-ranges"):
        read_ack(lp(ACK_LABEL, payload, key_id(PUBLIC), KEY.sign(lp(ACK_LABEL) + payload)), TRUST)


def test_what_is_empty_is_left_out_of_an_ack_and_of_a_reply_and_what_must_be_there_is_not() -> None:
    bare = Ack(hub="hub-a", stream="readings", run=b"r" * 16, db=b"d" * 16, n=1)
    assert set(msgspec.msgpack.decode(msgspec.msgpack.encode(bare))) == {"hub", "stream", "run", "db", "n", "t"}
    assert msgspec.msgpack.decode(pack_reply()) == {"acks": []}
    assert msgspec.msgpack.decode(pack_reply(speaks=SPEAKS)) == {"acks": [], "speaks": 2}


@given(acks(), st.data())
def test_one_flipped_bit_anywhere_makes_an_ack_worthless(ack: Ack, data: st.DataObject) -> None:
    blob = bytearray(sign_ack(ack, KEY))
    bit = data.draw(st.integers(0, len(blob) * 8 - 1))
    blob[bit // 8] ^= 1 << bit % 8
    with pytest.raises((AuthFailed, DecodeError)):
        read_ack(bytes(blob), TRUST)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_never_an_ack_a_state_or_a_crash(data: bytes) -> None:
    with pytest.raises((AuthFailed, DecodeError)):
        read_ack(data, TRUST)
    with pytest.raises((AuthFailed, DecodeError)):
        read_state(data, PUBLIC)


@given(st.binary(max_size=200))
def test_a_signed_payload_of_any_shape_is_an_ack_or_a_decode_error(payload: bytes) -> None:
    blob = lp(ACK_LABEL, payload, key_id(PUBLIC), KEY.sign(lp(ACK_LABEL) + payload))
    with pytest.raises(DecodeError):
        read_ack(blob, TRUST)


def test_an_ack_of_a_key_that_trust_does_not_list_is_refused() -> None:
    with pytest.raises(AuthFailed, match="does not list"):
        read_ack(sign_ack(ACK, OTHER), TRUST)


def test_a_key_listed_but_malformed_accepts_nothing() -> None:
    blob = sign_ack(ACK, KEY)
    with pytest.raises(AuthFailed, match="signature"):
        read_ack(blob, Trust((Key(key_id(PUBLIC), b"short"),)))


def test_a_state_cannot_pass_for_an_ack() -> None:
    with pytest.raises(DecodeError, match="bad-label"):
        read_ack(sign_state(STATE, KEY), TRUST)
    payload = msgspec.msgpack.encode(STATE)
    relabelled = lp(ACK_LABEL, payload, key_id(PUBLIC), KEY.sign(b"ilot/state/1\0" + payload))
    with pytest.raises(AuthFailed):
        read_ack(relabelled, TRUST)


@pytest.mark.parametrize("ranges", [((7, 8),), ((12, 11),), ((9, 12), (12, 13)), ((20, 30), (9, 10)), ((8, 8),) * 2])
def test_ranges_out_of_order_are_neither_signed_nor_read(ranges: tuple[tuple[int, int], ...]) -> None:
    wrong = msgspec.structs.replace(ACK, ranges=ranges)
    with pytest.raises(ValueError, match="out of order"):
        sign_ack(wrong, KEY)
    payload = msgspec.msgpack.encode(wrong)
    with pytest.raises(DecodeError, match="bad-ranges"):
        read_ack(lp(ACK_LABEL, payload, key_id(PUBLIC), KEY.sign(lp(ACK_LABEL) + payload)), TRUST)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("through", -1, "bad-shape"),
        ("n", 2**63, "bad-shape"),
        ("run", b"short", "bad-shape"),
        ("ranges", ((1, 2),) * (MAX_RANGES + 1), "bad-shape"),
        ("now", float("nan"), "bad-shape"),
        ("hub", "h" * 129, "bad-shape"),
        ("t", "state", "bad-type"),
    ],
)
def test_a_signed_ack_out_of_bounds_is_refused(field: str, value: object, reason: str) -> None:
    payload = msgspec.msgpack.encode(msgspec.structs.asdict(ACK) | {field: value})
    with pytest.raises(DecodeError) as caught:
        read_ack(lp(ACK_LABEL, payload, key_id(PUBLIC), KEY.sign(lp(ACK_LABEL) + payload)), TRUST)
    assert caught.value.reason == reason


def test_a_field_of_a_later_version_is_signed_and_ignored() -> None:
    payload = msgspec.msgpack.encode(msgspec.structs.asdict(ACK) | {"later": [1, {"x": b"y"}]})
    blob = lp(ACK_LABEL, payload, key_id(PUBLIC), KEY.sign(lp(ACK_LABEL) + payload))
    assert read_ack(blob, TRUST)[0] == ACK


def test_trailing_bytes_after_a_signed_statement_are_refused() -> None:
    with pytest.raises(DecodeError, match="bad-framing"):
        read_ack(sign_ack(ACK, KEY) + b"\0\0\0\0", TRUST)


def test_a_signed_statement_beyond_the_cap_is_not_looked_at() -> None:
    with pytest.raises(DecodeError, match="too-large"):
        read_state(bytes(MAX_SIGNED + 1), PUBLIC)


def test_the_largest_ack_that_may_be_signed_is_within_the_cap() -> None:
    spread = tuple((2**62 + 3 * i, 2**62 + 3 * i + 1) for i in range(MAX_RANGES))
    blob = sign_ack(msgspec.structs.replace(ACK, ranges=spread), KEY)
    assert read_ack(blob, TRUST)[0].ranges == spread


def test_a_state_is_read_with_the_identity_that_signed_it_and_no_other() -> None:
    blob = sign_state(STATE, KEY)
    assert read_state(blob, PUBLIC) == STATE
    with pytest.raises(AuthFailed, match="enrolled"):
        read_state(blob, OTHER.public_key().public_bytes_raw())


@pytest.mark.parametrize(
    ("field", "value"),
    [("n", 0), ("n", 2**63), ("heard", -1.0), ("heard", float("nan")), ("heard", float("inf")), ("nonce", b"short")],
)
def test_a_signed_state_out_of_bounds_is_refused(field: str, value: object) -> None:
    payload = msgspec.msgpack.encode(msgspec.to_builtins(STATE, builtin_types=(bytes,)) | {field: value})
    with pytest.raises(DecodeError, match="bad-shape"):
        read_state(lp(STATE_LABEL, payload, key_id(PUBLIC), KEY.sign(lp(STATE_LABEL) + payload)), PUBLIC)


@given(
    st.lists(st.binary(max_size=50), max_size=4),
    st.lists(st.binary(min_size=32, max_size=32), max_size=4),
    st.binary(max_size=50),
)
def test_a_reply_is_read_as_it_was_packed(acks: list[bytes], need: list[bytes], trust: bytes) -> None:
    assert read_reply(pack_reply(acks, need, trust)) == Reply(tuple(acks), tuple(need), trust)


def test_a_trust_document_longer_than_any_hub_reads_is_no_part_of_a_reply() -> None:
    assert read_reply(msgspec.msgpack.encode({"trust": bytes(MAX_DOCUMENT)})).trust == bytes(MAX_DOCUMENT)
    with pytest.raises(DecodeError, match="bad-shape"):
        read_reply(msgspec.msgpack.encode({"trust": bytes(MAX_DOCUMENT + 1)}))


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_a_reply_or_a_decode_error(data: bytes) -> None:
    with suppress(DecodeError):
        reply = read_reply(data)
        assert all(type(ack) is bytes for ack in reply.acks)
        assert all(len(eid) == 32 for eid in reply.need)


def test_a_reply_is_a_map_that_any_messagepack_library_can_write() -> None:
    assert read_reply(msgspec.msgpack.encode({"acks": [b"a"], "need": []})) == Reply((b"a",), ())
    assert read_reply(msgspec.msgpack.encode({})) == Reply()


@pytest.mark.parametrize("body", [bytes(MAX_REPLY + 1), b"<html>captive portal</html>", b"\x81" * 5000])
def test_a_reply_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        read_reply(body)
