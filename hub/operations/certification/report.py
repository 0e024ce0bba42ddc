"""The result of an examination, as data; signed with the key of whoever examined, and verified. Pure.

document  = a signed payload (hub.protocol.documents.signed_payload) under LABEL
payload   = JSON of Report
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.core.errors import AuthFailed
from hub.core.nesting import shallow_json
from hub.core.text import phrase
from hub.protocol.documents import signed_payload
from hub.protocol.documents.signed_payload import SigningKeys

LABEL = b"ilot/certificate/1\0"
MOST_BYTES = 1 << 20

Outcome = Literal["passed", "failed", "exempt"]


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one rule: `problems` in sentences; of one that says nothing of this project, the reason `why`."""

    rule: str
    asks: str
    outcome: Outcome
    problems: tuple[str, ...] = ()
    why: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report. `digest`: SHA-256 of the files that were examined; `rules`: version of the rules; `by`: version of Îlot
    that examined; `at`: Unix seconds."""

    name: str
    version: str
    kind: str
    digest: str
    rules: int
    by: str
    at: float
    seconds: float
    judged: tuple[Judged, ...]

    @property
    def certified(self) -> bool:
        """Whether no rule failed, and any was examined."""
        return bool(self.judged) and all(one.outcome != "failed" for one in self.judged)


def sign(report: Report, keys: Iterable[Ed25519PrivateKey]) -> bytes:
    """Return the signed document."""
    return signed_payload.sign(LABEL, msgspec.json.encode(report, enc_hook=str), keys)


def verify(document: bytes, keys: SigningKeys) -> Report:
    """Return the report in a signed document. Raises AuthFailed when it was altered, or somebody else signed it."""
    try:
        payload, signatures = signed_payload.split(LABEL, document, MOST_BYTES)
        if len(signed_payload.verified(LABEL, payload, signatures, keys.keys)) >= keys.threshold:
            return msgspec.json.decode(shallow_json(payload), type=Report)
    except ValueError:  # msgspec's errors are ValueErrors
        pass
    raise AuthFailed(
        phrase("certificate-not-signed", "this report was altered, or none of the given keys has signed it")
    )
