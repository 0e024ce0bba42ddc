"""Status of a device, as a slug and as sentences for people: waiting, green, or in trouble. Pure.

waiting   admitted, not validly heard yet; it may have joined
green     its first valid report is in, and it still reports
trouble   somebody should look: refused, silent, not decoded, its integration down
"""

from __future__ import annotations

from typing import NamedTuple

from hub.core.text import phrase

WAITING, GREEN, TROUBLE = "waiting", "green", "trouble"

JOIN_S = 900.0
"""Seconds without a report after a join that mean that the device does not hear us, or hears another hub."""


class DeviceStatus(NamedTuple):
    """Status of a device. `why` is a slug; `said` the sentence."""

    state: str
    why: str
    said: str


REFUSED = {
    "bad-mic": phrase(
        "device-key-does-not-fit",
        "wrong key: what it sends does not fit the key given here. Check it, `ilot device key` gives another",
    ),
    "bad-key": phrase(
        "device-key-does-not-open",
        "wrong key: it does not open what it sends. Check it, `ilot device key` gives another",
    ),
    "needs-key": phrase(
        "device-key-is-missing", "its key is missing: what it sends is sealed. `ilot device key` gives it one"
    ),
    "clear-but-keyed": phrase(
        "device-in-clear-though-keyed",
        "speaks in clear though it has a key: it was reset and has to be paired again, or somebody forges it",
    ),
    "suspect": phrase(
        "device-looks-cloned",
        "looks cloned: what it says is kept out until somebody has looked, on the page Quarantine",
    ),
    "too-often": phrase("device-speaks-too-often", "speaks far more often than it should: the excess is kept out"),
    "replay": phrase(
        "device-counter-went-back", "its counter went back: a new battery, then it needs a new key; or replayed frames"
    ),
    "used-devnonce": phrase(
        "device-join-number-used", "asks to join with a number that it used before: a new battery? Let it join again"
    ),
    "devnonce-not-rising": phrase(
        "device-join-number-used", "asks to join with a number that it used before: a new battery? Let it join again"
    ),
    "join-of-abp-device": phrase(
        "device-joins-but-is-abp",
        "asks to join, but was added with the address and session keys of ABP: add it with its AppKey",
    ),
    "unreachable": phrase("device-does-not-answer", "does not answer: its power, its address, its line?"),
}
"""Sentences for refused frames of a device, by the slug under which they are counted."""

UNREAD = ("no-codec", "no-pack", "bad-pack")
"""Counters of payloads that nothing decodes."""

POLLED = {
    "silent": ("unreachable", REFUSED["unreachable"]),
    "unread": (
        "not-read",
        phrase("device-answers-without-reading", "answers, but gives no reading: the log of its integration says why"),
    ),
}
"""Slug and sentence for a device whose last poll gave nothing, by the outcome that its integration said."""

_REPORTS = phrase("device-reports", "reports")
_AWAITED = phrase("device-awaits-first-report", "waiting for its first report")
_SILENT = phrase("device-is-silent", "nothing is heard of it: out of range, or switched off?")


class Evidence(NamedTuple):
    """Facts about one device. `plugin`: why its integration does not run, "" when it does; `refused`: a slug of
    `REFUSED`, or ""; `spoke`: it ever sent a valid report; `silent_s`: seconds since then, or since it is expected;
    `joined_s`: seconds since a join without a report, or None; `patience_s`: seconds of silence that are normal;
    `resting`: outside its duty hours; `polled`: a key of `POLLED`, or "" where its last poll was answered."""

    plugin: str
    refused: str
    unread: bool
    spoke: bool
    silent_s: float
    joined_s: float | None
    patience_s: float
    resting: bool = False
    polled: str = ""


def device_status(evidence: Evidence) -> DeviceStatus:
    """Return the worst status that applies."""
    if evidence.plugin:
        said = phrase("device-cannot-be-heard", "cannot be heard: {reason}", reason=evidence.plugin)
        return DeviceStatus(TROUBLE, "integration", said)
    if evidence.refused:
        return DeviceStatus(TROUBLE, evidence.refused, REFUSED[evidence.refused])
    if evidence.joined_s is not None and not evidence.spoke:
        return _joined(evidence.joined_s)
    if evidence.resting:
        said = phrase("device-rests", "rests: its duty hours are over for now")
        return DeviceStatus(WAITING, "resting", said)
    if evidence.polled:
        why, said = POLLED[evidence.polled]
        return DeviceStatus(TROUBLE, why, said)
    if evidence.silent_s > evidence.patience_s:
        return DeviceStatus(TROUBLE, "silent", _SILENT)
    if not evidence.spoke:
        return DeviceStatus(WAITING, "not-heard", _AWAITED)
    if evidence.unread:
        said = phrase("device-is-not-decoded", "is heard, but nothing reads what it says: give it a pack")
        return DeviceStatus(TROUBLE, "unread", said)
    return DeviceStatus(GREEN, "", _REPORTS)


def _joined(seconds: float) -> DeviceStatus:
    if seconds <= JOIN_S:
        return DeviceStatus(
            WAITING,
            "joined",
            phrase("device-has-joined", "has joined; its first report is awaited"),
        )
    said = phrase(
        "device-joined-elsewhere",
        "was let in and does not speak here: another network or hub answers it first, or it does not hear the gateway",
    )
    return DeviceStatus(TROUBLE, "elsewhere", said)
