"""Descriptions of the counted events of Sigfox: reason -> English. Pure data."""

from __future__ import annotations

from hub.sdk.phrases import phrase
from hub.sdk.sampling import Sampling

PREFIX = "sigfox.reason-"
REASONS: dict[str, str] = {
    "bad-body": "A callback that cannot be read: correct the operator's template",
    "bad-data": "Data of a callback that cannot be read: correct the operator's template",
    "bad-device": "An impossible device in a callback: correct the operator's template",
    "bad-field": "A field of a callback that cannot be read: correct the operator's template",
    "bad-method": "A callback by an unexpected method: set it to POST",
    "downlink-1": "No answer was given in time",
    "downlink-2": "The answer was no 8 bytes",
    "downlink-3": "The device has used up its downlinks of the day",
    "downlink-*": "The network did not carry the downlink ({part})",
    "failed": "A fault on this side: the log says which",
    "no-such-path": "A callback to an unknown address: correct the URL at the operator",
    "not-a-callback": "This is no Sigfox callback",
    "not-authorised": "A callback without the right secret, refused: correct its header at the operator",
    "operator-silent": "The operator hears nothing from the device: its battery, its place?",
    "operator-warns": "The operator says that a station is away",
    "short-payload": "A payload shorter than the format: values are missing",
    "too-late": "Came too late, or was replayed: change the secret if it stays so",
    "too-many": "Too many callbacks at once, put off",
    "too-slow": "A callback that took too long: the operator comes again",
    "wrong-kind": "A value that is not of its metric's kind: check the format",
}
SAMPLING = Sampling(
    reason="sigfox",
    why=phrase(
        "sigfox.limited-messages", "Sigfox grants it 140 messages a day and 4 answers: its period cannot be raised"
    ),
)
