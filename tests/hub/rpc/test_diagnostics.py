"""What is gathered for whoever helps from far away: enough to help, nobody and nothing else."""

from __future__ import annotations

import json
import logging
from typing import Any

from hub.core.logs import Ring
from hub.rpc.diagnostics import DiagnosticsCalls, people
from hub.rpc.redaction import Redactor

POSITION = {"latitude": 48.85671, "longitude": 2.35243}
CONFIGURATION = {
    "places": {"cour": {"zone": "exterieur", "position": POSITION}},
    "notifiers": {
        "sms": {
            "to": ["+33612345678", "06 98 76 54 32"],
            "gateway": {"url": "https://me:s3cret@sms.test/send?pass=s3cret"},
        }
    },
}
SAID = "this hub is isolated since web:badge:1a2b3c4d Camille Dupont said so (flood); before that web:sacha did"


async def archive() -> dict[str, str]:
    async def ask(name: str, arguments: dict[str, Any]) -> Any:
        if name == "audit.list":
            acted = ["web:badge:1a2b3c4d Camille Dupont", "web:sacha", "web:?192.0.2.1", "cli", "cli:root", "hub"]
            return {"entries": [{"who": who} for who in acted]}
        return {"degraded": [SAID], "devices": [{"id": "ble:x", "last": 21.5, "position": POSITION}]}

    ring = Ring()
    record = logging.LogRecord("hub.x", logging.WARNING, "", 0, "asked by sacha: root cause unknown", (), None)
    ring.emit(record)
    told = DiagnosticsCalls(ring, ask, lambda: {"person": {"morgane"}, "device": {"ble:x"}}, lambda: CONFIGURATION)
    return await told.files()


async def test_whoever_acted_is_named_nowhere() -> None:
    whole = json.dumps(await archive())
    for name in ("Camille", "Dupont", "1a2b3c4d", "sacha"):
        assert name not in whole, name
    assert "root cause" in whole, "who is nobody in particular is no name"


async def test_no_place_on_earth_no_telephone_and_no_credential_of_an_address_is_in_the_configuration() -> None:
    files = await archive()
    for secret in ("48.85", "2.352", "612345678", "76 54", "s3cret", "me:"):
        assert secret not in files["configuration.json"], secret
    assert "exterieur" in files["configuration.json"]
    assert "48.85" not in files["devices.json"]


def test_who_acted_is_read_from_the_audit_log() -> None:
    assert people(["web:camille", "web:badge:00ff00ff Jo", "web:?::1", "cli", "cli:root"]) == {
        "camille",
        "badge:00ff00ff Jo",
        "Jo",
    }


def test_a_number_that_only_looks_like_a_telephone_stays() -> None:
    for said in ("0.123456789 s", "1764272000", "2026-11-27 19:42:16+0100", "08002B30"):
        assert Redactor({}).text(said) == said
    assert Redactor({}).text("call 0612345678.") == "call telephone-1."
