"""Descriptions of the counted events of HTTP devices: reason -> English. Pure data."""

from __future__ import annotations

PREFIX = "http_json.reason-"
REASONS: dict[str, str] = {
    "hook-method": "A message by another method than POST or PUT: set the device",
    "hook-not-authorised": "A message without the right secret, refused: set the device",
    "hook-not-kept": "A message put off: the buffer took nothing",
    "hook-pushed-out": "A connection closed to let others in",
    "hook-too-many": "Too many messages at once, put off: see `max_rate`",
    "hook-too-slow": "A message that took too long, put off",
    "hook-unknown": "A message to an address that no device has: set the device",
    "http-body": "The answer is a web page, neither JSON nor a short text: check `path`",
    "http-busy": "The device is busy: raise `interval` if it stays so",
    "http-error": "The device answers with an error: look at it",
    "http-id": "The sender's id is not in the message, or is none: check `message_id`",
    "http-missing": "A value is not in the answer: check its `path`",
    "http-nothing": "None of the expected values is there: check each `path`",
    "http-redirect": "The device points to another host, not followed: correct `url`",
    "http-refused": "The device refuses the request: check credentials and `path`",
    "http-time": "The date is not in the answer, or is none: check its `path`",
    "http-value": "A value is not of the kind expected: check its `path`",
    "state-full": "Too many devices to remember all: a message that comes again after a restart may be kept twice",
}
