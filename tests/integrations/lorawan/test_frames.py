"""Frames, keys and ciphers: byte for byte as another implementation has them, and never surprised by hostile bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lorawan_peer import LoraPacket

import hub
from integrations.lorawan import crypto, phy
from integrations.lorawan.crypto import Key

KEYS = st.binary(min_size=16, max_size=16)
EUIS = st.binary(min_size=8, max_size=8)
ADDRESS = st.integers(0, 0xFFFFFFFF)
MANY = settings.get_profile("hostile")


@st.composite
def datas(draw: st.DrawFn) -> tuple[phy.Data, int]:
    """A data frame without its MIC and with its payload in clear, and its 32-bit counter."""
    uplink, fcnt = draw(st.booleans()), draw(st.integers(0, 0xFFFFFFFF))
    fport = draw(st.none() | st.integers(0, 255))
    payload = draw(st.binary(max_size=222)) if fport is not None else b""
    fopts = draw(st.binary(max_size=15)) if fport != 0 else b""
    flags = draw(st.tuples(*[st.booleans()] * 4))
    data = phy.Data(
        uplink=uplink,
        confirmed=draw(st.booleans()),
        dev_addr=draw(ADDRESS),
        fcnt=fcnt & 0xFFFF,
        fport=fport,
        payload=payload,
        fopts=fopts,
        adr=flags[0],
        adr_ack_req=uplink and flags[1],
        ack=flags[2],
        flag=not uplink and flags[3],
    )
    return data, fcnt


def ours(data: phy.Data, fcnt: int, nwk: bytes, app: bytes) -> bytes:
    key = Key(nwk if data.fport == 0 else app)
    sealed = crypto.payload(key, data.uplink, data.dev_addr, fcnt, data.payload)
    signed = phy.unsigned_data(_with(data, payload=sealed))
    return signed + crypto.data_mic(Key(nwk), data.uplink, data.dev_addr, fcnt, signed)


def _with(data: phy.Data, **changes: object) -> phy.Data:
    return phy.Data(**{**{name: getattr(data, name) for name in data.__struct_fields__}, **changes})


@pytest.mark.real("processes")
@settings(max_examples=300, deadline=None)
@given(datas(), KEYS, KEYS)
def test_a_data_frame_of_ours_is_the_one_that_lora_packet_makes(
    lora_packet: LoraPacket, made: tuple[phy.Data, int], nwk: bytes, app: bytes
) -> None:
    data, fcnt = made
    theirs = lora_packet.data(
        uplink=data.uplink,
        confirmed=data.confirmed,
        address=data.dev_addr,
        fcnt=fcnt,
        fport=data.fport,
        payload=data.payload,
        fopts=data.fopts,
        adr=data.adr,
        adr_ack_req=data.adr_ack_req,
        ack=data.ack,
        pending=data.flag,
        nwk=nwk,
        app=app,
    )
    assert ours(data, fcnt, nwk, app) == theirs

    read = phy.parse(theirs)
    assert isinstance(read, phy.Data)
    assert crypto.data_mic_ok(Key(nwk), read, fcnt)
    key = Key(nwk if data.fport == 0 else app)
    opened = crypto.payload(key, read.uplink, read.dev_addr, fcnt, read.payload)
    assert _with(read, payload=opened, mic=b"", signed=b"") == data


@pytest.mark.real("processes")
@settings(max_examples=300, deadline=None)
@given(datas(), KEYS, KEYS, st.integers(1, 0xFFFF))
def test_a_counter_of_another_turn_is_another_mic_for_both(
    lora_packet: LoraPacket, made: tuple[phy.Data, int], nwk: bytes, app: bytes, turns: int
) -> None:
    data, fcnt = made
    frame = ours(data, fcnt, nwk, app)
    other = (fcnt + (turns << 16)) & 0xFFFFFFFF
    read = phy.parse(frame)
    assert isinstance(read, phy.Data)
    assert lora_packet.read(frame, fcnt=fcnt, nwk=nwk, app=app)["mic"]
    expected = lora_packet.read(frame, fcnt=other, nwk=nwk, app=app)["mic"]
    assert crypto.data_mic_ok(Key(nwk), read, other) is expected


@pytest.mark.real("processes")
@settings(max_examples=300, deadline=None)
@given(EUIS, EUIS, st.integers(0, 0xFFFF), KEYS)
def test_a_join_request_is_the_one_that_lora_packet_makes(
    lora_packet: LoraPacket, join_eui: bytes, dev_eui: bytes, nonce: int, app_key: bytes
) -> None:
    theirs = bytes.fromhex(
        lora_packet("joinRequest", joinEui=join_eui.hex(), devEui=dev_eui.hex(), devNonce=nonce, appKey=app_key.hex())
    )
    read = phy.parse(theirs)
    assert isinstance(read, phy.JoinRequest)
    assert (read.join_eui, read.dev_eui, read.dev_nonce) == (join_eui, dev_eui, nonce)
    assert crypto.join_mic_ok(app_key, read.signed, read.mic)
    signed = phy.unsigned_join_request(phy.JoinRequest(join_eui, dev_eui, nonce))
    assert signed + crypto.join_mic(app_key, signed) == theirs


ACCEPTS = st.builds(
    phy.JoinAccept,
    join_nonce=st.integers(0, 0xFFFFFF),
    net_id=st.integers(0, 0xFFFFFF),
    dev_addr=ADDRESS,
    rx1_offset=st.integers(0, 7),
    rx2_dr=st.integers(0, 15),
    rx_delay=st.integers(1, 15),
    cflist=st.just(b"") | st.binary(min_size=16, max_size=16),
)


@pytest.mark.real("processes")
@settings(max_examples=300, deadline=None)
@given(ACCEPTS, st.integers(0, 0xFFFF), KEYS)
def test_a_join_accept_and_its_session_keys_are_those_of_lora_packet(
    lora_packet: LoraPacket, accept: phy.JoinAccept, nonce: int, app_key: bytes
) -> None:
    sealed = crypto.seal_join_accept(app_key, accept)
    theirs = lora_packet(
        "joinAccept",
        joinNonce=accept.join_nonce,
        netId=accept.net_id,
        address=accept.dev_addr,
        settings=accept.rx1_offset << 4 | accept.rx2_dr,
        delay=accept.rx_delay,
        cflist=accept.cflist.hex(),
        appKey=app_key.hex(),
    )
    assert sealed.hex() == theirs

    opened = lora_packet("openJoinAccept", frame=sealed.hex(), appKey=app_key.hex(), devNonce=nonce)
    assert opened["mic"]
    nwk, app = crypto.session_keys(app_key, accept.join_nonce, accept.net_id, nonce)
    assert (opened["nwk"], opened["app"]) == (nwk.hex(), app.hex())

    read = phy.parse(sealed)
    assert isinstance(read, phy.SealedJoinAccept)
    assert crypto.open_join_accept(app_key, read) == accept


def test_the_frame_in_the_readme_of_lora_packet_says_test() -> None:
    """github.com/anthonykirby/lora-packet, README: DevAddr 49be7df1, FCnt 2, FPort 1, "test", MIC 2b11ff0d."""
    frame = phy.parse(bytes.fromhex("40f17dbe4900020001954378762b11ff0d"))
    assert isinstance(frame, phy.Data)
    assert (frame.uplink, frame.confirmed, frame.dev_addr, frame.fcnt, frame.fport) == (True, False, 0x49BE7DF1, 2, 1)
    nwk, app = (Key(bytes.fromhex(k)) for k in ("44024241ed4ce9a68c6a8bc055233fd3", "ec925802ae430ca77fd3dd73cb2cc588"))
    assert crypto.data_mic_ok(nwk, frame, 2)
    assert crypto.payload(app, True, frame.dev_addr, 2, frame.payload) == b"test"


@pytest.mark.parametrize(
    ("message", "mac"),
    [
        ("", "bb1d6929"),
        ("6bc1bee22e409f96e93d7e117393172a", "070a16b4"),
        ("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411", "dfa66747"),
    ],
)
def test_the_mic_is_the_head_of_the_cmac_of_rfc_4493(message: str, mac: str) -> None:
    """RFC 4493 §4, examples 1 to 3."""
    assert Key(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")).mic(bytes.fromhex(message)).hex() == mac


@MANY
@given(st.binary(max_size=300))
def test_hostile_bytes_are_a_frame_or_a_decode_error(raw: bytes) -> None:
    try:
        frame = phy.parse(raw)
    except hub.DecodeError:
        return
    if isinstance(frame, phy.Data):
        assert phy.unsigned_data(frame) == bytes((raw[0] & 0xE0,)) + raw[1:-4]


@MANY
@given(st.integers(0, 7), st.binary(min_size=11, max_size=60))
def test_hostile_bytes_behind_a_right_header_are_a_frame_or_a_decode_error(kind: int, rest: bytes) -> None:
    reason = ""
    try:
        frame: phy.Frame | None = phy.parse(bytes((kind << 5,)) + rest)
    except hub.DecodeError as error:
        frame, reason = None, error.reason
    assert reason in {"", "bad-length", "truncated", "fopts-with-port-0", "unsupported-rejoin", "proprietary"}
    assert frame is None or (kind in {2, 3, 4, 5}) == isinstance(frame, phy.Data)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "truncated"),
        ("40f17dbe49000200019543", "truncated"),
        ("40f17dbe490f020001954378762b11ff0d", "truncated"),
        ("41f17dbe4900020001954378762b11ff0d", "unsupported-major"),
        ("40" + "00" * 255, "oversized"),
        ("00" + "00" * 20, "bad-length"),
        ("20" + "00" * 20, "bad-length"),
        ("c0" + "00" * 18, "unsupported-rejoin"),
        ("e0" + "00" * 18, "proprietary"),
        ("40f17dbe49010200030001020304", "fopts-with-port-0"),
    ],
)
def test_each_wrong_frame_has_its_reason(raw: str, reason: str) -> None:
    with pytest.raises(hub.DecodeError) as caught:
        phy.parse(bytes.fromhex(raw))
    assert caught.value.reason == reason


def test_a_damaged_join_accept_is_not_opened() -> None:
    sealed = crypto.seal_join_accept(bytes(16), phy.JoinAccept(1, 0, 0x01020304))
    for at in range(1, len(sealed)):
        broken = sealed[:at] + bytes((sealed[at] ^ 1,)) + sealed[at + 1 :]
        frame = phy.parse(broken)
        assert isinstance(frame, phy.SealedJoinAccept)
        with pytest.raises(hub.DecodeError, match="bad-mic"):
            crypto.open_join_accept(bytes(16), frame)


def test_what_does_not_fit_a_frame_is_not_built() -> None:
    for wrong, why in (
        (phy.Data(False, False, 0, 0, None, b"x"), "needs a port"),
        (phy.Data(False, False, 0, 0, 0, b"\x06", b"\x06"), "not both"),
        (phy.Data(False, False, 0, 0, 1, b"", bytes(16)), "FOpts holds 15"),
    ):
        with pytest.raises(ValueError, match=why):
            phy.unsigned_data(wrong)
    with pytest.raises(ValueError, match="16 bytes"):
        Key(bytes(15))


def test_a_key_is_not_printed() -> None:
    assert "2b7e" not in repr(Key(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")))
