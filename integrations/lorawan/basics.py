"""LoRa Basics Station's LNS protocol: JSON messages ↔ structs ("The LNS Protocol", Basics Station 2.0.5 and later).
Pure.

    /router-info   station {"router": id} → hub {"router", "muxs", "uri"} or {"router", "error"}, and closed
    the uri        station "version" → hub "router_config"; then
                   station "jreq", "updf"       a frame, taken apart: put together again here, byte for byte
                   station "propdf"             a frame in its maker's format: counted
                   station "timesync"           → hub "timesync" with GPS time
                   hub "dnmsg" → station "dntxed" when it was sent; silence when it was not

A remote shell ("rmtsh"), remote commands and updates of the station are never asked for and never answered. Unknown
fields are ignored; known ones are checked against their bounds.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import msgspec

import hub
from hub.sdk.nesting import shallow_json
from hub.sdk.phrases import phrase
from integrations.lorawan import eui, region
from integrations.lorawan.parts import Reception

LIMIT = 16 * 1024
"""Maximum bytes of one message; a frame takes less than one kilobyte."""

_I64 = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_I32 = Annotated[int, msgspec.Meta(ge=-(1 << 31), le=(1 << 32) - 1)]  # signed in the document, else unsigned
_Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]
_Short = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]


class Discovery(NamedTuple):
    gateway: str


class Version(NamedTuple):
    station: str
    firmware: str
    model: str
    protocol: int


class Received(NamedTuple):
    """A received frame: its PHYPayload, Hz, data rate index, dBm, dB, the station's time and antenna."""

    raw: bytes
    frequency: int
    rate: int
    rssi: float
    snr: float
    xtime: int
    rctx: int


class Sent(NamedTuple):
    """Confirmation that a downlink was sent: the id that the hub gave it."""

    id: int


class TimeSync(NamedTuple):
    txtime: int


class Other(NamedTuple):
    """A message that is ignored: a slug to count, or "" for one that is not counted."""

    reason: str


Message = Version | Received | Sent | TimeSync | Other


class _Router(msgspec.Struct):
    router: str | int


class _Kind(msgspec.Struct):
    msgtype: str


class _Version(msgspec.Struct):
    station: Annotated[str, msgspec.Meta(max_length=256)] = ""
    firmware: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    model: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    protocol: int = 2


class _UpInfo(msgspec.Struct):
    xtime: _I64
    rssi: Annotated[float, msgspec.Meta(ge=-250, le=100)]
    snr: Annotated[float, msgspec.Meta(ge=-100, le=100)]
    rctx: _I64 = 0


class _Up(msgspec.Struct):
    MHdr: _Byte
    MIC: _I32
    DR: Annotated[int, msgspec.Meta(ge=0, le=15)]
    Freq: Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
    upinfo: _UpInfo


class _Join(_Up, kw_only=True):
    JoinEui: str | int
    DevEui: str | int
    DevNonce: _Short


class _Data(_Up, kw_only=True):
    DevAddr: _I32
    FCtrl: _Byte
    FCnt: _Short
    FOpts: Annotated[str, msgspec.Meta(max_length=30)] = ""
    FPort: Annotated[int, msgspec.Meta(ge=-1, le=255)] = -1
    FRMPayload: Annotated[str, msgspec.Meta(max_length=510)] = ""


class _Sent(msgspec.Struct):
    diid: _I64


class _TimeSync(msgspec.Struct):
    txtime: _I64


_PASSED_OVER = frozenset({"event", "alarm", "error", "cups", "getxtime"})


def _decode(data: bytes | str, type_: Any) -> Any:
    if len(data) > LIMIT:
        raise hub.DecodeError(
            "oversized", phrase("lorawan.station-message-too-long", "a message of more than {most} bytes", most=LIMIT)
        )
    try:
        return msgspec.json.decode(shallow_json(data), type=type_)
    except (msgspec.MsgspecError, UnicodeError):
        raise hub.DecodeError(
            "bad-json",
            phrase(
                "lorawan.station-message-malformed",
                "not the message it says it is: a field is missing or out of bounds",
            ),
        ) from None


def discovery(data: bytes | str) -> Discovery:
    """Parse the first message on /router-info. Raises DecodeError `bad-json`, `bad-eui`, `oversized`."""
    return Discovery(eui.read(_decode(data, _Router).router))


def parse(data: bytes | str) -> Message:
    """Parse one message of a station.

    Raises DecodeError: `oversized`, `bad-json`, `bad-eui`, `bad-hex`, `bad-fopts`, `unsupported-rate`,
    `out-of-band`."""
    kind = _decode(data, _Kind).msgtype
    match kind:
        case "updf":
            return _data(_decode(data, _Data))
        case "jreq":
            return _join(_decode(data, _Join))
        case "dntxed":
            return Sent(_decode(data, _Sent).diid)
        case "timesync":
            return TimeSync(_decode(data, _TimeSync).txtime)
        case "version":
            said = _decode(data, _Version)
            return Version(said.station, said.firmware or "", said.model or "", said.protocol)
        case "propdf":
            return Other("proprietary")
        case "rmtsh" | "runcmd":
            return Other("refused-remote-shell")
    return Other("" if kind in _PASSED_OVER else "unknown-message")


def _received(said: _Up, body: bytes) -> Received:
    if len(region.RATES) <= said.DR:
        raise hub.DecodeError(
            "unsupported-rate", phrase("lorawan.data-rate-not-understood", "DR{rate} is not understood", rate=said.DR)
        )
    if not region.LOWEST <= said.Freq < region.HIGHEST:
        raise hub.DecodeError(
            "out-of-band",
            phrase("lorawan.frequency-not-in-eu868", "{frequency} Hz is not in EU863-870", frequency=said.Freq),
        )
    raw = bytes((said.MHdr,)) + body + (said.MIC & 0xFFFFFFFF).to_bytes(4, "little")
    info = said.upinfo
    return Received(raw, said.Freq, said.DR, info.rssi, info.snr, info.xtime, info.rctx)


def _join(said: _Join) -> Received:
    join_eui, dev_eui = (bytes.fromhex(eui.read(text))[::-1] for text in (said.JoinEui, said.DevEui))
    return _received(said, join_eui + dev_eui + said.DevNonce.to_bytes(2, "little"))


def _data(said: _Data) -> Received:
    options, payload = _hex(said.FOpts), _hex(said.FRMPayload)
    if said.FCtrl & 0x0F != len(options):
        raise hub.DecodeError(
            "bad-fopts",
            phrase(
                "lorawan.fopts-length-differs",
                "FCtrl says {said} bytes of FOpts, there [is|are] {count}",
                said=said.FCtrl & 0x0F,
                count=len(options),
            ),
        )
    if said.FPort < 0 and payload:
        raise hub.DecodeError("bad-json", phrase("lorawan.payload-without-port", "a payload without a port"))
    head = (said.DevAddr & 0xFFFFFFFF).to_bytes(4, "little") + bytes((said.FCtrl,)) + said.FCnt.to_bytes(2, "little")
    port = bytes((said.FPort,)) if said.FPort >= 0 else b""
    return _received(said, head + options + port + payload)


def _hex(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raise hub.DecodeError("bad-hex", phrase("lorawan.not-hexadecimal", "not hexadecimal")) from None
    if len(raw) * 2 != len(text):  # fromhex ignores spaces
        raise hub.DecodeError("bad-hex", phrase("lorawan.not-hexadecimal", "not hexadecimal"))
    return raw


def reception(said: Received, gateway: str, at: float, time: float | None) -> Reception:
    """Convert a received frame to the network's `Reception`."""
    return Reception(
        gateway=gateway,
        at=at,
        raw=said.raw,
        frequency=said.frequency,
        rate=said.rate,
        rssi=said.rssi,
        snr=said.snr,
        time=time,
        clock=said.xtime,
        context=said.rctx,
    )
