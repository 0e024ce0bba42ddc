"""LoRaWAN frames as bytes: PHYPayload ↔ structs (LoRaWAN L2 1.0.4, TS001-1.0.4, chapters 4 to 6). Pure.

    PHYPayload   MHDR | MACPayload | MIC 4 B                                    every integer little-endian
    MHDR         bits 7-5 FType · bits 4-2 RFU · bits 1-0 Major, 0 = LoRaWAN R1
    data         DevAddr 4 | FCtrl 1 | FCnt 2 | FOpts 0..15 | [FPort 1 | FRMPayload 0..N]
    FCtrl        up    ADR 80 · ADRACKReq 40 · ACK 20 · ClassB 10 · FOptsLen 0f
                 down  ADR 80 · RFU 40       · ACK 20 · FPending 10 · FOptsLen 0f
    join request JoinEUI 8 | DevEUI 8 | DevNonce 2
    join accept  JoinNonce 3 | NetID 3 | DevAddr 4 | DLSettings 1 | RXDelay 1 | [CFList 16], then sealed with the MIC
                 (`crypto.seal_join_accept`)
    DLSettings   OptNeg 80 (1.1 only) · RX1DROffset 70 · RX2DataRate 0f

An EUI is 8 bytes in the order in which it is printed; DevAddr, NetID and nonces are integers. FRMPayload stays
encrypted, and no MIC is checked here: both need keys.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

import hub
from hub.sdk.phrases import phrase

MIC = 4
LONGEST = 255
"""The length field of a LoRa packet has 8 bits."""
MOST_FOPTS = 15


class FType(IntEnum):
    """Frame types (TS001-1.0.4 §4.2.1); called MType before 1.0.4."""

    JOIN_REQUEST = 0
    JOIN_ACCEPT = 1
    UNCONFIRMED_UP = 2
    UNCONFIRMED_DOWN = 3
    CONFIRMED_UP = 4
    CONFIRMED_DOWN = 5
    REJOIN_REQUEST = 6
    PROPRIETARY = 7


class JoinRequest(msgspec.Struct, frozen=True):
    join_eui: bytes
    dev_eui: bytes
    dev_nonce: int
    mic: bytes = b""
    signed: bytes = b""  # the bytes that the MIC covers: everything before it


class Data(msgspec.Struct, frozen=True):
    """An uplink or a downlink. `fport` None: neither FPort nor FRMPayload. `fcnt` has the 16 bits of the air.
    `flag` is ClassB in an uplink, FPending in a downlink."""

    uplink: bool
    confirmed: bool
    dev_addr: int
    fcnt: int
    fport: int | None = None
    payload: bytes = b""
    fopts: bytes = b""
    adr: bool = False
    adr_ack_req: bool = False
    ack: bool = False
    flag: bool = False
    mic: bytes = b""
    signed: bytes = b""


class SealedJoinAccept(msgspec.Struct, frozen=True):
    """An encrypted join accept: 16 or 32 bytes that only the device's root key decrypts."""

    sealed: bytes


class JoinAccept(msgspec.Struct, frozen=True):
    """The clear text of a join accept. `cflist` is empty or 16 bytes."""

    join_nonce: int
    net_id: int
    dev_addr: int
    rx1_offset: int = 0
    rx2_dr: int = 0
    rx_delay: int = 1
    cflist: bytes = b""


Frame = JoinRequest | SealedJoinAccept | Data


def parse(raw: bytes) -> Frame:
    """Parse one PHYPayload.

    Raises DecodeError: `truncated`, `oversized`, `unsupported-major`, `unsupported-rejoin` (1.1 only), `proprietary`,
    `bad-length` (a join of another size), `fopts-with-port-0` (MAC commands twice)."""
    if len(raw) < 1 + MIC + 7:
        raise hub.DecodeError(
            "truncated",
            phrase("lorawan.frame-too-short", "{count} [byte is|bytes are] no LoRaWAN frame", count=len(raw)),
        )
    if len(raw) > LONGEST:
        raise hub.DecodeError(
            "oversized",
            phrase(
                "lorawan.frame-too-long",
                "{count} bytes, a LoRa packet has at most {most}",
                count=len(raw),
                most=LONGEST,
            ),
        )
    head = raw[0]
    if head & 0x03:
        raise hub.DecodeError(
            "unsupported-major",
            phrase(
                "lorawan.frame-of-unknown-version", "major version {version} of the frame format", version=head & 0x03
            ),
        )
    kind = head >> 5
    if kind in _DATA:
        return _data(raw, kind)
    if kind == FType.JOIN_REQUEST:
        if len(raw) != 23:
            raise hub.DecodeError(
                "bad-length",
                phrase(
                    "lorawan.join-request-of-wrong-size", "a join request has 23 bytes, not {count}", count=len(raw)
                ),
            )
        nonce = int.from_bytes(raw[17:19], "little")
        return JoinRequest(raw[8:0:-1], raw[16:8:-1], nonce, raw[19:], raw[:19])
    if kind == FType.JOIN_ACCEPT:
        if len(raw) not in {17, 33}:
            raise hub.DecodeError(
                "bad-length",
                phrase(
                    "lorawan.join-accept-of-wrong-size", "a join accept has 17 or 33 bytes, not {count}", count=len(raw)
                ),
            )
        return SealedJoinAccept(raw[1:])
    if kind == FType.REJOIN_REQUEST:
        raise hub.DecodeError(
            "unsupported-rejoin", phrase("lorawan.rejoin-request-of-1-1", "rejoin requests belong to LoRaWAN 1.1")
        )
    raise hub.DecodeError("proprietary", phrase("lorawan.frame-proprietary", "a frame in its maker's own format"))


_DATA = frozenset({FType.UNCONFIRMED_UP, FType.UNCONFIRMED_DOWN, FType.CONFIRMED_UP, FType.CONFIRMED_DOWN})
_UP = frozenset({FType.UNCONFIRMED_UP, FType.CONFIRMED_UP})
_CONFIRMED = frozenset({FType.CONFIRMED_UP, FType.CONFIRMED_DOWN})


def _data(raw: bytes, kind: int) -> Data:
    control = raw[5]
    at = 8 + (control & 0x0F)
    end = len(raw) - MIC
    if at > end:
        raise hub.DecodeError("truncated", phrase("lorawan.fopts-longer-than-frame", "FOpts is longer than the frame"))
    port = raw[at] if at < end else None
    if port == 0 and at > 8:
        raise hub.DecodeError(
            "fopts-with-port-0", phrase("lorawan.mac-commands-twice", "MAC commands in FOpts and in FRMPayload")
        )
    return Data(
        kind in _UP,
        kind in _CONFIRMED,
        int.from_bytes(raw[1:5], "little"),
        int.from_bytes(raw[6:8], "little"),
        port,
        raw[at + 1 : end],
        raw[8:at],
        control & 0x80 != 0,
        control & 0x40 != 0,
        control & 0x20 != 0,
        control & 0x10 != 0,
        raw[end:],
        raw[:end],
    )


def unsigned_data(frame: Data) -> bytes:
    """Encode the part of a data frame that its MIC covers. Raises ValueError when a field does not fit."""
    if len(frame.fopts) > MOST_FOPTS:
        raise ValueError(
            phrase(
                "lorawan.mac-commands-too-long",
                "{count} [byte|bytes] of MAC commands, FOpts holds {most}",
                count=len(frame.fopts),
                most=MOST_FOPTS,
            )
        )
    if frame.fport is None and frame.payload:
        raise ValueError(phrase("lorawan.payload-needs-port", "a payload needs a port"))
    if frame.fport == 0 and frame.fopts:
        raise ValueError(
            phrase("lorawan.mac-commands-in-one-place", "MAC commands go into FOpts or to port 0, not both")
        )
    kind = (FType.UNCONFIRMED_UP if frame.uplink else FType.UNCONFIRMED_DOWN) + 2 * frame.confirmed
    control = frame.adr << 7 | frame.adr_ack_req << 6 | frame.ack << 5 | frame.flag << 4 | len(frame.fopts)
    port = b"" if frame.fport is None else frame.fport.to_bytes(1, "little")
    head = bytes((kind << 5,)) + frame.dev_addr.to_bytes(4, "little") + bytes((control,))
    return head + frame.fcnt.to_bytes(2, "little") + frame.fopts + port + frame.payload


def unsigned_join_request(request: JoinRequest) -> bytes:
    """Encode the part of a join request that its MIC covers."""
    return bytes(1) + request.join_eui[::-1] + request.dev_eui[::-1] + request.dev_nonce.to_bytes(2, "little")


def unsigned_join_accept(accept: JoinAccept) -> bytes:
    """Encode MHDR and fields of a join accept in clear, without its MIC."""
    settings = accept.rx1_offset << 4 | accept.rx2_dr
    return b"".join(
        (
            bytes((FType.JOIN_ACCEPT << 5,)),
            accept.join_nonce.to_bytes(3, "little"),
            accept.net_id.to_bytes(3, "little"),
            accept.dev_addr.to_bytes(4, "little"),
            bytes((settings, accept.rx_delay)),
            accept.cflist,
        )
    )


def read_join_accept(clear: bytes) -> JoinAccept:
    """Parse the fields of a decrypted join accept: 12 or 28 bytes, no MHDR, no MIC."""
    if len(clear) not in {12, 28}:
        raise hub.DecodeError(
            "bad-length",
            phrase(
                "lorawan.join-accept-fields-of-wrong-size",
                "the fields of a join accept have 12 or 28 bytes, not {count}",
                count=len(clear),
            ),
        )
    return JoinAccept(
        join_nonce=int.from_bytes(clear[:3], "little"),
        net_id=int.from_bytes(clear[3:6], "little"),
        dev_addr=int.from_bytes(clear[6:10], "little"),
        rx1_offset=clear[10] >> 4 & 0x07,
        rx2_dr=clear[10] & 0x0F,
        rx_delay=clear[11] & 0x0F or 1,
        cflist=clear[12:],
    )
