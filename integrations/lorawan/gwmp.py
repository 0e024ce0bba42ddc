"""Semtech's packet forwarder protocol, version 2: datagrams ↔ structs (GWMP; PROTOCOL.TXT of the reference
forwarder, sections 3 to 6). Pure.

    version 2 | token 2, big-endian in our numbers | kind | …
    PUSH_DATA 0  gateway EUI 8 | JSON {"rxpk": […], "stat": {…}}     answered by PUSH_ACK 1 with its token
    PULL_DATA 2  gateway EUI 8                                       answered by PULL_ACK 4: downlinks go to its sender
    PULL_RESP 3  JSON {"txpk": {…}}, token ours                      answered by TX_ACK 5 with our token
    TX_ACK 5     gateway EUI 8 | nothing, or JSON {"txpk_ack": {"error": …}}

The protocol authenticates nobody: any sender of a datagram can claim to be a gateway. Only LoRaWAN's own MIC keeps a
forged datagram from becoming a reading. An invalid rxpk does not invalidate the others of its datagram.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, NamedTuple

import msgspec

import hub
from hub.sdk.nesting import shallow_json
from hub.sdk.phrases import phrase
from integrations.lorawan import region
from integrations.lorawan.parts import Reception, Transmit
from integrations.lorawan.phy import LONGEST

VERSION = 2
PUSH_DATA, PUSH_ACK, PULL_DATA, PULL_RESP, PULL_ACK, TX_ACK = range(6)
MOST_RXPK = 256
FSK_DEVIATION = 25_000

REFUSALS = frozenset(
    {"too-late", "too-early", "collision-packet", "collision-beacon", "tx-freq", "tx-power", "gps-unlocked"}
)


class Rx(NamedTuple):
    """A received frame. `tmst`: 32-bit microsecond counter of the gateway at the end of the frame."""

    raw: bytes
    tmst: int
    frequency: int
    rate: int
    rssi: float
    snr: float


class Status(msgspec.Struct, frozen=True):
    """Status of a gateway. Counters since its last status; `ackr`: share of its datagrams that were acknowledged, in
    %."""

    rxnb: int = 0
    rxok: int = 0
    rxfw: int = 0
    ackr: float = 0.0
    dwnb: int = 0
    txnb: int = 0
    lati: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    long: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None
    alti: float | None = None
    temp: float | None = None


class Push(NamedTuple):
    """Frames of one PUSH_DATA. `skipped`: slugs of rxpk entries or status objects that could not be read."""

    gateway: str
    token: int
    received: tuple[Rx, ...]
    status: Status | None
    skipped: tuple[str, ...]


class Pull(NamedTuple):
    gateway: str
    token: int


class TxAck(NamedTuple):
    """Answer to a PULL_RESP. `refusal`: a slug of `REFUSALS`, "other", or "" when the frame is sent or scheduled."""

    gateway: str
    token: int
    refusal: str


Datagram = Push | Pull | TxAck


class _Signal(msgspec.Struct):
    rssic: Annotated[float, msgspec.Meta(ge=-250, le=100)]
    lsnr: Annotated[float, msgspec.Meta(ge=-100, le=100)] = 0.0


class _Rxpk(msgspec.Struct):
    tmst: Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
    freq: Annotated[float, msgspec.Meta(ge=1, le=6000)]
    modu: str
    datr: str | int
    data: Annotated[str, msgspec.Meta(max_length=512)]
    size: int | None = None
    stat: int = 1
    rssi: Annotated[float, msgspec.Meta(ge=-250, le=100)] | None = None
    lsnr: Annotated[float, msgspec.Meta(ge=-100, le=100)] = 0.0
    rsig: Annotated[list[_Signal], msgspec.Meta(max_length=16)] = []


class _PushBody(msgspec.Struct):
    rxpk: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MOST_RXPK)] = []
    stat: msgspec.Raw = msgspec.Raw(b"null")


class _Ack(msgspec.Struct):
    error: str | None = None
    warn: str | None = None


class _AckBody(msgspec.Struct):
    txpk_ack: _Ack


_PUSH_BODY = msgspec.json.Decoder(_PushBody)
_RXPK = msgspec.json.Decoder(_Rxpk)
_STATUS = msgspec.json.Decoder(Status)
_ACK_BODY = msgspec.json.Decoder(_AckBody)


def sender(data: bytes) -> str | None:
    """Return the gateway EUI that a datagram claims; None when it cannot be read."""
    return data[4:12].hex() if len(data) >= 12 and data[0] == VERSION else None


def parse(data: bytes) -> Datagram:
    """Parse one datagram of a gateway. Raises DecodeError: `truncated`, `unsupported-version`, `unknown-kind`,
    `bad-json`."""
    if len(data) < 12:
        raise hub.DecodeError(
            "truncated", phrase("lorawan.datagram-too-short", "a datagram of {count} [byte|bytes]", count=len(data))
        )
    if data[0] != VERSION:
        raise hub.DecodeError(
            "unsupported-version",
            phrase(
                "lorawan.forwarder-version-unknown",
                "version {version} of the packet forwarder protocol, 2 is spoken",
                version=data[0],
            ),
        )
    token, kind, gateway, body = int.from_bytes(data[1:3], "big"), data[3], data[4:12].hex(), data[12:]
    if kind == PUSH_DATA:
        return _push(gateway, token, body)
    if kind == PULL_DATA:
        return Pull(gateway, token)
    if kind == TX_ACK:
        return TxAck(gateway, token, _refusal(body))
    raise hub.DecodeError(
        "unknown-kind", phrase("lorawan.datagram-kind-unknown", "kind {kind} is none that a gateway sends", kind=kind)
    )


def _push(gateway: str, token: int, body: bytes) -> Push:
    try:
        said = _PUSH_BODY.decode(shallow_json(body))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise hub.DecodeError(
            "bad-json", phrase("lorawan.push-data-without-content", "PUSH_DATA holds no object with rxpk or stat")
        ) from None
    received: list[Rx] = []
    skipped: list[str] = []
    for packet in said.rxpk:
        try:
            received.append(_rx(packet))
        except hub.DecodeError as error:
            skipped.append(error.reason)
    status = None
    if bytes(said.stat) != b"null":
        try:
            status = _STATUS.decode(said.stat)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            skipped.append("bad-stat")
    return Push(gateway, token, tuple(received), status, tuple(skipped))


def _rx(packet: msgspec.Raw) -> Rx:
    try:
        said = _RXPK.decode(packet)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise hub.DecodeError(
            "bad-rxpk", phrase("lorawan.rxpk-field-wrong", "a field is missing or out of bounds")
        ) from None
    if said.stat != 1:
        raise hub.DecodeError(
            "bad-crc" if said.stat < 0 else "no-crc",
            phrase("lorawan.radio-checksum-wrong", "the radio's own checksum does not hold"),
        )
    frequency = round(said.freq * 1e6)
    if not region.LOWEST <= frequency < region.HIGHEST:
        raise hub.DecodeError(
            "out-of-band",
            phrase("lorawan.frequency-not-in-eu868", "{frequency} Hz is not in EU863-870", frequency=frequency),
        )
    rate = None
    if said.modu == "LORA" and isinstance(said.datr, str):
        rate = region.rate_named(said.datr)
    elif said.modu == "FSK" and isinstance(said.datr, int):
        rate = region.rate_of(0, said.datr)
    if rate is None:
        raise hub.DecodeError(
            "unsupported-rate", phrase("lorawan.data-rate-unknown", "no data rate of EU863-870 that is understood")
        )
    raw = _base64(said.data)
    if said.size is not None and said.size != len(raw):
        raise hub.DecodeError(
            "bad-size",
            phrase(
                "lorawan.rxpk-size-differs", "{count} [byte|bytes], size says {size}", count=len(raw), size=said.size
            ),
        )
    best = max(said.rsig, key=lambda signal: signal.lsnr, default=None)
    rssi = said.rssi if said.rssi is not None else best.rssic if best is not None else None
    if rssi is None:
        raise hub.DecodeError("bad-rxpk", phrase("lorawan.rxpk-without-signal", "no signal strength"))
    return Rx(raw, said.tmst, frequency, rate, rssi, best.lsnr if best is not None else said.lsnr)


def _base64(text: str) -> bytes:
    """Decode base64. Padding may be missing; both alphabets are in use."""
    text = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise hub.DecodeError("bad-base64", phrase("lorawan.data-not-base64", "data is not base64")) from None
    if not 0 < len(raw) <= LONGEST:
        raise hub.DecodeError(
            "bad-size",
            phrase(
                "lorawan.packet-of-wrong-size",
                "a LoRa packet has 1 to {most} bytes, not {count}",
                most=LONGEST,
                count=len(raw),
            ),
        )
    return raw


def _refusal(body: bytes) -> str:
    if not body.strip(b"\0 \r\n\t"):
        return ""
    try:
        said = _ACK_BODY.decode(shallow_json(body.rstrip(b"\0"))).txpk_ack
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise hub.DecodeError(
            "bad-json", phrase("lorawan.tx-ack-without-content", "TX_ACK holds no txpk_ack")
        ) from None
    slug = (said.error or "NONE").lower().replace("_", "-")
    return "" if slug == "none" else slug if slug in REFUSALS else "other"


def acknowledge(datagram: Push | Pull) -> bytes:
    """Encode PUSH_ACK or PULL_ACK."""
    kind = PUSH_ACK if isinstance(datagram, Push) else PULL_ACK
    return bytes((VERSION,)) + datagram.token.to_bytes(2, "big") + bytes((kind,))


class Unwrap:
    """Extends a gateway's 32-bit microsecond counter, which wraps every 71 minutes, to one that does not."""

    def __init__(self) -> None:
        self._last: int | None = None

    def feed(self, tmst: int) -> int:
        """Return `tmst` extended. Frames may come out of order, by less than half a turn."""
        if self._last is None:
            self._last = tmst + (1 << 32)  # an older one may follow the first
            return self._last
        ahead = (tmst - self._last) & 0xFFFFFFFF
        if ahead >= 1 << 31:
            return max(0, self._last + ahead - (1 << 32))
        self._last += ahead
        return self._last


def reception(rx: Rx, gateway: str, clock: int, at: float, time: float | None) -> Reception:
    """Convert a received frame to the network's `Reception`. `clock` is `tmst` unwrapped."""
    return Reception(
        gateway=gateway,
        at=at,
        raw=rx.raw,
        frequency=rx.frequency,
        rate=rx.rate,
        rssi=rx.rssi,
        snr=rx.snr,
        time=time,
        clock=clock,
    )


def pull_resp(order: Transmit, token: int, *, gain: float = 0.0, most: int = 27) -> bytes:
    """Encode the datagram that makes a gateway send a frame. `gain`: antenna gain minus cable loss in dB, `most`:
    maximum dBm of the transmitter; `powe` is the EIRP minus the gain."""
    rate = region.RATES[order.rate]
    packet: dict[str, object] = {
        "freq": order.frequency / 1e6,
        "rfch": 0,
        "powe": max(0, min(most, int(order.eirp - gain))),
        "size": len(order.raw),
        "data": base64.b64encode(order.raw).decode(),
    }
    if order.after is None or order.after.clock is None:
        packet["imme"] = True
    else:
        packet["tmst"] = (order.after.clock + order.delay * 1_000_000) & 0xFFFFFFFF
    if rate.sf:
        packet |= {"modu": "LORA", "datr": rate.name, "codr": "4/5", "ipol": True, "ncrc": True, "prea": 8}
    else:
        packet |= {"modu": "FSK", "datr": rate.bandwidth, "fdev": FSK_DEVIATION, "prea": 5}
    head = bytes((VERSION,)) + token.to_bytes(2, "big") + bytes((PULL_RESP,))
    return head + msgspec.json.encode({"txpk": packet})
