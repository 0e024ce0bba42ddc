"""`ilot decode enocean`: shows the contents of a gateway's packet or a radio telegram. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import hub
from hub.sdk.phrases import phrase
from integrations.enocean import secure
from integrations.enocean.decode import Value, decode, switch, teach_in
from integrations.enocean.eep import KNOWN, ROCKERS, RORG, SWITCH
from integrations.enocean.esp3 import RADIO, Packet, Splitter, Telegram, radio

KIND = "enocean"
_NAMES = {0xF6: "RPS", 0xD5: "1BS", 0xA5: "4BS", 0xD2: "VLD", 0xD4: "UTE", 0xD1: "MSC", 0xA6: "ADT",
    0x30: "SEC", 0x31: "SEC_ENCAPS", 0x32: "SECD", 0x33: "SEC_CDM", 0x35: "SEC_TI", 0x40: "CDM"}  # fmt: skip


def frame_of(fields: dict[str, Any]) -> hub.Frame:
    """Parse one line: a packet (55…) or a telegram (RORG … sender, status) in hexadecimal, or {"packet": hexadecimal,
    "eep": "A5-04-01", "channel": 0, "slf": "F3", "rlc": "C0FFEE"}. Raises DecodeError."""
    data: dict[str, bytes] = {}
    try:
        raw = bytes.fromhex(str(fields.get("raw", fields.get("packet", ""))))
        data["slf"] = bytes.fromhex(str(fields.get("slf", "")))[:1]
        data["rlc"] = bytes.fromhex(str(fields.get("rlc", "")))
    except ValueError:
        raise hub.DecodeError(
            "not-hex",
            phrase("enocean.packet-not-hexadecimal", 'a packet is hexadecimal, or {{"packet": hexadecimal, "eep": …}}'),
        ) from None
    packets = list(Splitter().feed(raw)) if raw[:1] == b"\x55" else [Packet(RADIO, raw, b"")]
    if len(packets) != 1:
        raise hub.DecodeError("esp3-crc", phrase("enocean.no-valid-packet", "no packet with right checksums"))
    telegram = radio(packets[0])
    if telegram is None:
        raise hub.DecodeError(
            "esp3-radio",
            phrase(
                "enocean.packet-of-no-radio",
                "a packet of type {type}, which is no radio telegram",
                type=packets[0].type,
            ),
        )
    eep, channel = str(fields.get("eep", "")).upper(), fields.get("channel", 0)
    if eep and eep not in KNOWN:
        raise hub.DecodeError(
            "enocean-profile", phrase("enocean.profile-unread", "the profile {eep} is not read", eep=eep)
        )
    if not isinstance(channel, int) or not 0 <= channel < 32:
        raise hub.DecodeError("enocean-profile", phrase("enocean.bad-channel", "a channel is a number from 0 to 31"))
    data |= {"rorg": bytes([telegram.rorg]), "payload": telegram.payload, "status": bytes([telegram.status])}
    data |= {"eep": eep.encode(), "channel": bytes([channel])}
    return hub.Frame(
        kind=KIND, address=telegram.sender, data=data, signal=hub.Signal(rssi=telegram.dbm) if telegram.dbm else None
    )


def decode_line(frame: hub.Frame, keys: Any) -> hub.Decoded | hub.NeedKey:
    device = f"enocean:{frame.address}"
    telegram, proof = _telegram(frame, keys(device))
    if telegram is None:
        return hub.NeedKey(device=device)
    return hub.Decoded(device=device, values=_values(frame, telegram), proof=proof)


def explain(frame: hub.Frame, keys: Any) -> Iterator[dict[str, Any]]:
    """Yield a summary of the telegram, then its readings. Raises DecodeError."""
    device = f"enocean:{frame.address}"
    rorg = frame.data["rorg"][0]
    yield {
        "device": device,
        "rorg": f"{rorg:02X} {_NAMES.get(rorg, 'unknown')}",
        "payload": frame.data["payload"].hex(),
        "repeated": frame.data["status"][0] & 0x0F,
        **({"dbm": frame.signal.rssi} if frame.signal else {}),
    }
    if rorg == secure.SEC_TEACH_IN:
        if frame.data["payload"][:1] and frame.data["payload"][0] >> 6 == 0 and len(frame.data["payload"]) > 1:
            yield {"secure_teach_in": secure.level(frame.data["payload"][1])._asdict()}
        return
    telegram, proof = _telegram(frame, keys(device))
    if telegram is None:
        yield {
            "error": "needs-key",
            "detail": "secured; give --key-file, and slf and rlc in the line",
            "device": device,
        }
        return
    if proof.authenticated:
        yield {
            "authenticated": True,
            "counter": proof.counter,
            "rorg": f"{telegram.rorg:02X}",
            "payload": telegram.payload.hex(),
        }
    taught = teach_in(telegram)
    if taught is not None:
        yield {"teach_in": taught._asdict()}
    elif frame.data["eep"]:
        yield {"readings": _values(frame, telegram)}


def _telegram(frame: hub.Frame, key: bytes | None) -> tuple[Telegram | None, hub.Proof]:
    """Return the decrypted telegram and its proof; None when it is encrypted and there is no key."""
    data, proof = frame.data, hub.Proof(scheme="enocean")
    telegram = Telegram(data["rorg"][0], data["payload"], frame.address, data["status"][0])
    if telegram.rorg not in (secure.SEC, secure.SEC_ENCAPS):
        return telegram, proof
    if key is None:
        return None, proof
    if not data["slf"]:
        raise hub.DecodeError(
            "enocean-slf",
            phrase(
                "enocean.line-without-security-level",
                'the line must say the security level: {{"packet": …, "slf": "F3"}}',
            ),
        )
    how = secure.level(data["slf"][0])
    last = int.from_bytes(data["rlc"], "big") - 1 if data["rlc"] else None
    opened = secure.open_(telegram.rorg, telegram.payload, key, how, last)
    if opened is None:
        raise hub.DecodeError(
            "bad-mic", phrase("enocean.telegram-before-rolling-code", "the telegram before this rolling code")
        )
    eep = data["eep"].decode()
    rorg = opened.rorg or (RORG[eep[:2]] if re.match("[0-9A-F]{2}-", eep) else 0xF6)
    proof = hub.Proof(scheme="enocean-sec", counter=opened.counter, authenticated=True, sealed=how.sealed)
    return telegram._replace(rorg=rorg, payload=opened.payload), proof


def _values(frame: hub.Frame, telegram: Telegram) -> dict[str, Value]:
    eep = frame.data["eep"].decode()
    if frame.data["rorg"][0] == secure.SEC and (not eep or eep in (SWITCH, *ROCKERS)):
        return switch(telegram.payload[:1])
    return decode(telegram, eep, frame.data["channel"][0]) if eep else {}
