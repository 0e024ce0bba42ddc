"""Commissioning report, signed by the hub. Pure.

body       = JSON of the report (UTF-8)
signature  = Ed25519 of the hub's identity over lp("ilot/commissioning/1\0", body); `identity` is its public key, and
             a hub's name is the hash of it (`hub.identity.keys.hub_id`)
"""

from __future__ import annotations

from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

from hub.core.errors import AuthFailed
from hub.core.nesting import shallow_json
from hub.core.text import phrase
from hub.protocol.hub_id import hub_id
from hub.protocol.length_prefix import lp

LABEL = b"ilot/commissioning/1\0"
FORMAT = "ilot-commissioning/1"


def build(shown: dict[str, Any], facts: dict[str, Any], at: float, by: str) -> dict[str, Any]:
    """Build a report. `shown` is the answer of `roster.show`, `facts` the hub's own; `signals` in them: device →
    reception."""
    signals = facts.get("signals", {})
    devices = [
        {**{name: row[name] for name in ROW}, "remedy": row["remedy"], "signal": signals.get(row["device"])}
        for row in shown["rows"]
    ]
    about = {name: value for name, value in facts.items() if name != "signals"}
    return {
        "format": FORMAT, "at": at, "by": by, "began": shown["began"], "ended": shown["ended"], **about,
        "expected": shown["expected"], "green": shown["green"], "devices": devices, "pins": shown["pins"],
        "positions": shown["positions"],
    }  # fmt: skip


ROW = ("n", "device", "label", "name", "place", "zone", "colour", "state", "why", "fr", "en", "first_heard", "how")


def sign(report: dict[str, Any], identity: ed25519.Ed25519PrivateKey) -> dict[str, Any]:
    """Return {report, body, identity, signature}: `body` is the text that is signed, the others hexadecimal."""
    body = msgspec.json.encode(report)
    return {
        "report": report, "body": body.decode(), "identity": identity.public_key().public_bytes_raw().hex(),
        "signature": identity.sign(lp(LABEL, body)).hex(),
    }  # fmt: skip


def verify(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the signed report. Raises AuthFailed when it was altered, or names a hub that did not sign it."""
    try:
        body, identity = str(answer["body"]).encode(), bytes.fromhex(answer["identity"])
        ed25519.Ed25519PublicKey.from_public_bytes(identity).verify(bytes.fromhex(answer["signature"]), lp(LABEL, body))
        report = msgspec.json.decode(shallow_json(body), type=dict[str, Any])
    except (InvalidSignature, KeyError, TypeError, ValueError) as error:
        raise AuthFailed(
            phrase("report-signature-wrong", "this report was altered, or is none: its hub's signature does not hold")
        ) from error
    if report.get("hub") != hub_id(identity):
        raise AuthFailed(phrase("report-forged", "this report names a hub that did not sign it: it is a forgery"))
    return report
