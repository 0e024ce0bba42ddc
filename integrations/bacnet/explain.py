"""Describes all contents of a datagram, for `ilot decode bacnet`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import hub
from hub.sdk.phrases import phrase
from integrations.bacnet import decode, names
from integrations.bacnet.decode import Answer, Found, NetworkMessage, Refusal, Request, Result, Station
from integrations.bacnet.names import ObjectId
from integrations.bacnet.tags import Value

_SERVICES = {12: "read-property", 14: "read-property-multiple", 15: "write-property", 5: "subscribe-cov", 1: "cov"}
_UNCONFIRMED = {0: "i-am", 1: "i-have", 2: "cov", 7: "who-has", 8: "who-is"}
PORT = 47808


def frame_of(line: Mapping[str, Any]) -> hub.Frame:
    """Convert {"raw" or "datagram": hexadecimal, "address": "192.0.2.1:47808", "time": Unix seconds} to a frame."""
    try:
        data = bytes.fromhex(str(line.get("datagram", line.get("raw", ""))))
    except ValueError:
        raise hub.DecodeError(
            "not-hex", phrase("bacnet.datagram-not-hexadecimal", "the datagram is written in hexadecimal")
        ) from None
    time = line.get("time")
    return hub.Frame(
        kind="bacnet",
        address=str(line.get("address", "")),
        data={"datagram": data},
        time=float(time) if isinstance(time, (int, float)) else None,
    )


def read(frame: hub.Frame) -> decode.Message:
    """Decode the message of a frame. Raises DecodeError."""
    host, _, port = frame.address.partition(":")
    return decode.datagram(frame.data["datagram"], host, int(port) if port.isascii() and port.isdigit() else PORT)


def presents(frame: hub.Frame, _keys: object) -> hub.Decoded | None:
    """Return the device that announces itself, for `ilot discover`; None for other messages."""
    message = read(frame)
    if not isinstance(message, Request) or message.invoke is not None or message.service != names.I_AM:
        return None
    i_am = decode.i_am(message.data)
    proof = hub.Proof(scheme="bacnet")
    return hub.Decoded(device=f"bacnet:{i_am.instance}", values={}, model=f"vendor {i_am.vendor}", proof=proof)


def explain(frame: hub.Frame, _keys: object) -> Iterator[dict[str, Any]]:
    """Yield a JSON object for the message, and one for each property in it. Raises DecodeError."""
    message = read(frame)
    if isinstance(message, Result):
        yield {"bvlc": "result", "code": message.code}
        return
    said: dict[str, Any] = {"from": _station(message.station)}
    if isinstance(message, NetworkMessage):
        yield {**said, "network-message": message.type}
    elif isinstance(message, Refusal):
        yield {**said, "invoke": message.invoke, message.error.kind: message.error.reason}
    elif isinstance(message, Answer):
        yield {**said, "invoke": message.invoke, "answer": _SERVICES.get(message.service, message.service)} | (
            {} if message.sequence is None else {"segment": message.sequence, "more": message.more}
        )
        if message.sequence is None:
            yield from map(_found, _read(message))
    elif isinstance(message, Request):
        yield from _request(message, said)
    else:
        yield {**said, "segment-ack": message.invoke}


def _read(message: Answer) -> list[Found]:
    if message.service == names.READ_PROPERTY:
        return [decode.read_property(message.data)]
    return decode.read_multiple(message.data) if message.service == names.READ_MULTIPLE else []


def _request(message: Request, said: dict[str, Any]) -> Iterator[dict[str, Any]]:
    table = _UNCONFIRMED if message.invoke is None else _SERVICES
    said |= {"request": table.get(message.service, message.service)}
    if message.invoke is not None:
        said["invoke"] = message.invoke
    if message.invoke is None and message.service == names.I_AM:
        i_am = decode.i_am(message.data)
        yield {**said, **i_am._asdict()}
    elif message.service == (names.COV_UNCONFIRMED if message.invoke is None else names.COV_CONFIRMED):
        news = decode.notification(message.data)
        yield {**said, "process": news.process, "device": news.device, "remaining_s": news.remaining_s}
        yield from (_found(Found(news.object, which, None, values)) for which, values in news.values.items())
    else:
        yield said


def _found(one: Found) -> dict[str, Any]:
    told: dict[str, Any] = {
        "object": str(one.object), "property": names.PROPERTY_NAMES.get(one.property, one.property),
    }  # fmt: skip
    if one.element is not None:
        told["element"] = one.element
    if one.error is not None:
        return {**told, "refused": one.error.reason}
    values = [_plain(value) for value in one.values]
    return {**told, "value": values[0] if len(values) == 1 else values}


def _plain(value: Value) -> Any:
    if isinstance(value, ObjectId):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    return list(value) if isinstance(value, tuple) else value


def _station(station: Station) -> str:
    return str(station) if station.host else ""
