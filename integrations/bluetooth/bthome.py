"""BTHome v2 (bthome.io/format, bthome.io/encryption): a service data payload → readings. Pure.

    service data UUID 0xFCD2
    clear       info | object | object | …
    encrypted   info | ciphertext of (object | object | …) | counter u32 LE | MIC 4 B
    info        bit 0 encrypted · bit 1 the sender's address follows, reversed (withdrawn from the format, still
                sent by some) · bit 2 sends on trigger only · bits 5-7 version, 2
    object      object id | value, little-endian, of the size its id implies (`integrations.bluetooth.objects`);
                text and raw: object id | length | bytes; command: object id | length (low 5 bits) | opcode | arguments

    AES-CCM: key 16 B, tag 4 B, no associated data,
    nonce = address as it is written (A4:C1:38:… → A4 C1 38 …) | D2 FC | info | counter u32 LE

Several values of one metric keep their order: the first is `temperature`, then `temperature_2` up to `temperature_8`.
An unknown object id ends the packet, because its length is not known; what came before is kept and the id is named in
`Decoded.skipped`. BTHome has no "not available" value. Replay is not checked here: the counter is part of the proof.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

import hub
from hub.sdk.phrases import phrase
from integrations.bluetooth.objects import BUTTON_EVENTS, COMMANDS, METRICS, OBJECTS, SAME, Kind
from integrations.bluetooth.text import printable

__all__ = ["METRICS", "decode"]

SERVICE = "service:fcd2"
ENCRYPTED = 0x01
ADDRESS_FOLLOWS = 0x02
TAG = 4
TRAILER = 8  # counter and MIC
KEY = 16

MODELS = {
    "SBBT-002C": "Shelly BLU Button1",
    "SBBT-102C": "Shelly BLU Button1 ZB",
    "SBBT-004CEU": "Shelly BLU Wall Switch 4",
    "SBBT-004CUS": "Shelly BLU RC Button 4",
    "SBDW-002C": "Shelly BLU Door/Window",
    "SBHT-003C": "Shelly BLU H&T",
    "SBHT-203C": "Shelly BLU H&T ZB",
    "SBHT-103C": "Shelly BLU H&T Display ZB",
    "SBMO-003Z": "Shelly BLU Motion",
    "SBTR-001AEU": "Shelly BLU TRV",
}
"""Local name → model. Only exact names given by makers: any other name is chosen by a person and may be private."""

_EVENTS = (Kind.BUTTON, Kind.DIMMER)


def decode(frame: hub.Frame, keys: Callable[[str], bytes | None]) -> hub.Decoded | hub.NeedKey | None:
    """Read one advertisement. None when it holds no BTHome service data; NeedKey when it is encrypted and `keys` has
    none for the device.

    Raises DecodeError: `unsupported-version`, `truncated`, `bad-address`, `bad-key` (not 16 bytes), `bad-mic`,
    `clear-but-keyed` (a device with a key sends unencrypted data: a forgery, or a reset device to pair again), and the
    first of `skipped` when there is no reading."""
    data = frame.data.get(SERVICE)
    if data is None:
        return None
    if not data:
        raise hub.DecodeError("truncated", phrase("bluetooth.no-information-byte", "no device information byte"))
    info = data[0]
    if info >> 5 != 2:
        raise hub.DecodeError(
            "unsupported-version",
            phrase("bluetooth.unknown-bthome-version", "BTHome version {version} is not read", version=info >> 5),
        )
    device = f"ble:{frame.address.upper()}"
    model = MODELS.get(frame.name, "BTHome")
    key = keys(device)
    payload = data[1:]
    if info & ADDRESS_FOLLOWS and payload[:6] == _address(frame.address)[::-1]:
        payload = payload[6:]
    counter = None
    if info & ENCRYPTED:
        if key is None:
            return hub.NeedKey(device, model)
        payload, counter = _open(payload, info, frame.address, key)
    elif key is not None:
        raise hub.DecodeError(
            "clear-but-keyed",
            phrase("bluetooth.clear-but-keyed", "the device has a key but this frame is not encrypted"),
        )
    values, packet_id, skipped = read_objects(payload)
    if skipped and not values:
        raise hub.DecodeError(
            skipped[0], phrase("bluetooth.nothing-readable", "nothing else in the packet can be read")
        )
    proof = hub.Proof("bthome", packet_id) if counter is None else hub.Proof("bthome-ccm", counter, True)
    return hub.Decoded(device=device, values=values, proof=proof, model=model, skipped=skipped)


def _address(text: str) -> bytes:
    try:
        address = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        address = b""
    if len(address) != 6:
        raise hub.DecodeError(
            "bad-address", phrase("bluetooth.sender-address-malformed", "the sender's address is not six bytes")
        )
    return address


def _open(sealed: bytes, info: int, address: str, key: bytes) -> tuple[bytes, int]:
    """Decrypt a payload; return its objects and the counter."""
    if len(key) != KEY:
        raise hub.DecodeError(
            "bad-key",
            phrase(
                "bluetooth.key-length",
                "the key has {count} bytes, a BTHome key has {expected}",
                count=len(key),
                expected=KEY,
            ),
        )
    if len(sealed) < TRAILER:
        raise hub.DecodeError("truncated", phrase("bluetooth.no-counter", "no counter and MIC"))
    counter = sealed[-TRAILER:-TAG]
    nonce = b"%b\xd2\xfc%c%b" % (_address(address), info, counter)
    try:
        clear = AESCCM(key, tag_length=TAG).decrypt(nonce, sealed[:-TRAILER] + sealed[-TAG:], None)
    except InvalidTag:
        raise hub.DecodeError(
            "bad-mic", phrase("bluetooth.wrong-key-or-forged", "wrong key, or a forged or damaged frame")
        ) from None
    return clear, int.from_bytes(counter, "little")


def read_objects(payload: bytes) -> tuple[dict[str, float | int | bool | str], int | None, tuple[str, ...]]:
    """Parse objects in clear → (values by metric, packet id, reasons for objects without a reading).

    Raises DecodeError `truncated` when the last object is cut, because then none of the lengths can be trusted."""
    values: dict[str, float | int | bool | str] = {}
    count: dict[str, int] = {}
    skipped: list[str] = []
    packet_id: int | None = None
    at, end = 0, len(payload)
    while at < end:
        item = OBJECTS.get(payload[at])
        if item is None:
            skipped.append(f"unknown-object-{payload[at]:02x}")
            break
        metric, kind, size, signed, multiplier, divisor = item
        at += 1
        if not size:
            if at == end:
                raise hub.DecodeError(
                    "truncated",
                    phrase("bluetooth.object-length-missing", "the length of {metric} is missing", metric=metric),
                )
            size = payload[at] if kind is not Kind.COMMAND else 1 + (payload[at] & 0x1F)
            at += 1
        stop = at + size
        if stop > end:
            raise hub.DecodeError(
                "truncated",
                phrase(
                    "bluetooth.object-cut",
                    "{metric} is cut short",
                    metric=metric or phrase("bluetooth.packet-id", "packet id"),
                ),
            )
        if kind is Kind.PACKET_ID:
            packet_id = payload[at]
            at = stop
            continue
        nth = count[metric] = count.get(metric, 0) + 1
        name = metric if nth == 1 else f"{metric}_{nth}"
        if nth > SAME:
            skipped.append(f"too-many-{metric}")
        elif kind is Kind.NUMBER:
            raw = int.from_bytes(payload[at:stop], "little", signed=signed) * multiplier
            values[name] = raw / divisor if divisor != 1 else raw
        else:
            value = _special(kind, payload[at:stop])
            if value is not None:
                values[name] = value
            elif not (kind in _EVENTS and payload[at] == 0):  # 0 is "no event"
                skipped.append(f"bad-{metric}")
        at = stop
    return values, packet_id, tuple(skipped)


def _special(kind: Kind, data: bytes) -> int | bool | str | None:
    """Return the value of an object that is not a number; None when it has none, or one that the format does not
    define."""
    if kind is Kind.FLAG:
        return data[0] == 1 if data[0] <= 1 else None
    if kind is Kind.BUTTON:
        return BUTTON_EVENTS.get(data[0])
    if kind is Kind.DIMMER:
        return {1: -data[1], 2: data[1]}.get(data[0])
    if kind is Kind.FIRMWARE:
        return ".".join(str(part) for part in reversed(data))
    if kind is Kind.RAW:
        return data.hex() or None
    if kind is Kind.COMMAND:
        opcode = COMMANDS.get(data[0])
        return f"{opcode} {data[1:].hex()}".rstrip() if opcode else None
    try:
        return printable(data.decode()) or None
    except UnicodeDecodeError:
        return None
