"""M-Bus, wired and wireless (OMS, Wize): what a telegram says. EN 13757-2, -3, -4 and -7.

The decoders are pure; `ilot decode mbus` and `ilot decode wmbus` show everything that a telegram says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hub
from integrations.mbus import decode as telegrams
from integrations.mbus.decode import Message

WIRED, WIRELESS = "mbus", "wmbus"


def decode_wired(frame: hub.Frame, keys: object) -> hub.Decoded:
    """One telegram of the wire. A meter that does not tell its address is known by the one of its bus."""
    message = telegrams.wired(frame.data["telegram"])
    device = message.identity.device if message.identity else f"mbus:{frame.address}"
    return _decoded(message, device, hub.Proof(scheme="mbus"))


def decode_wireless(frame: hub.Frame, keys: Any) -> hub.Decoded | hub.NeedKey:
    """One telegram of the air; `NeedKey` when it is sealed and the hub holds no key of that meter."""
    raw = frame.data["telegram"]
    device = telegrams.sender(raw)
    try:
        message = telegrams.wireless(raw, keys(device))
    except hub.DecodeError as error:
        if error.reason == "needs-key":
            return hub.NeedKey(device=device)
        raise
    schemes = {"none": "none", "AES-CTR": "wmbus-ctr", "mode 5": "oms-5", "mode 7": "oms-7"}
    proof = hub.Proof(scheme=schemes[message.protected], counter=message.counter, authenticated=message.authenticated)
    return _decoded(message, device, proof)


def _decoded(message: Message, device: str, proof: hub.Proof) -> hub.Decoded:
    who = message.identity
    model = f"{who.manufacturer} {telegrams.medium(who)}" if who else ""
    skipped = (message.parsed.problem,) if message.parsed.problem else ()
    return hub.Decoded(
        device=device, values=dict(telegrams.readings(message)), proof=proof, model=model, skipped=skipped
    )


def explain_wired(frame: hub.Frame, keys: object) -> Iterator[dict[str, Any]]:
    """The header of a telegram, then one object a record."""
    return telegrams.explain(telegrams.wired(frame.data["telegram"]))


def explain_wireless(frame: hub.Frame, keys: Any) -> Iterator[dict[str, Any]]:
    raw = frame.data["telegram"]
    return telegrams.explain(telegrams.wireless(raw, keys(telegrams.sender(raw))))


def _line(kind: str, fields: dict[str, Any]) -> hub.Frame:
    text = fields.get("raw", fields.get("telegram", ""))
    try:
        raw = bytes.fromhex(text)
    except (TypeError, ValueError):
        raise hub.DecodeError("not-hex", 'a telegram is hexadecimal, or {"telegram": hexadecimal}') from None
    return hub.Frame(kind=kind, address=str(fields.get("address", "")), data={"telegram": raw})


def line_wired(fields: dict[str, Any]) -> hub.Frame:
    """One line of `ilot decode mbus`. Raises DecodeError."""
    return _line(WIRED, fields)


def line_wireless(fields: dict[str, Any]) -> hub.Frame:
    """One line of `ilot decode wmbus`. Raises DecodeError."""
    return _line(WIRELESS, fields)


@hub.hookimpl
def register_decoders(register: hub.RegisterDecoder) -> None:
    register("mbus", WIRED, decode_wired, line=line_wired, explain=explain_wired)
    register("wmbus", WIRELESS, decode_wireless, line=line_wireless, explain=explain_wireless)
