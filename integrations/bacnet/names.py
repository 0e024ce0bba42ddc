"""Numbers of BACnet and their names. Pure tables.

ANSI/ASHRAE 135-2020, Clause 21: the enumerations of object types, properties, errors and reliability.
"""

from __future__ import annotations

from typing import NamedTuple

import hub
from hub.sdk.phrases import phrase, reason_of
from hub.sdk.session import MetricKind


class ObjectId(NamedTuple):
    """An object of a device: type and instance."""

    type: int
    instance: int

    def __str__(self) -> str:
        return f"{OBJECT_NAMES.get(self.type, self.type)}:{self.instance}"


OBJECT_TYPES = {
    "analog-input": 0, "analog-output": 1, "analog-value": 2, "binary-input": 3, "binary-output": 4, "binary-value": 5,
    "device": 8, "multi-state-input": 13, "multi-state-output": 14, "multi-state-value": 19, "accumulator": 23,
    "pulse-converter": 24, "characterstring-value": 40, "integer-value": 45, "large-analog-value": 46,
    "positive-integer-value": 48,
}  # fmt: skip
OBJECT_NAMES = {number: name for name, number in OBJECT_TYPES.items()}
LAST_INSTANCE = 4_194_302
"""The highest instance. 4194303 is a wildcard: in a request it means the device itself, whatever its instance."""

DEVICE = 8
ANALOG = frozenset((0, 1, 2, 24, 46))
BINARY = frozenset((3, 4, 5))
MULTISTATE = frozenset((13, 14, 19))
COUNTS = frozenset((23, 45, 48))
TEXTS = frozenset((40,))
READABLE = ANALOG | BINARY | MULTISTATE | COUNTS | TEXTS
"""Types of objects whose present value is a reading."""
KINDS: dict[int, MetricKind] = {
    **dict.fromkeys(ANALOG | COUNTS, "number"), **dict.fromkeys(BINARY, "flag"), **dict.fromkeys(MULTISTATE, "text"),
    **dict.fromkeys(TEXTS, "text"),
}  # fmt: skip
"""Kind of metric for the present value of each type, unless configured otherwise."""

PRESENT_VALUE, STATUS_FLAGS, RELIABILITY = 85, 111, 103
UNITS, STATE_TEXT, ACTIVE_TEXT, INACTIVE_TEXT, SCALE = 117, 110, 4, 46, 187
OBJECT_NAME, DESCRIPTION, OBJECT_LIST, OBJECT_IDENTIFIER, PRIORITY_ARRAY = 77, 28, 76, 75, 87
MAX_APDU, SEGMENTATION, VENDOR_NAME, MODEL_NAME, FIRMWARE = 62, 107, 121, 70, 44
PROPERTY_NAMES = {
    85: "present-value", 111: "status-flags", 103: "reliability", 117: "units", 110: "state-text", 4: "active-text",
    46: "inactive-text", 187: "scale", 77: "object-name", 28: "description", 76: "object-list", 75: "object-identifier",
    87: "priority-array", 62: "max-apdu-length-accepted", 107: "segmentation-supported", 121: "vendor-name",
    70: "model-name", 44: "firmware-revision",
}  # fmt: skip

READ_PROPERTY, READ_MULTIPLE, WRITE_PROPERTY, SUBSCRIBE_COV, COV_CONFIRMED = 12, 14, 15, 5, 1
I_AM, COV_UNCONFIRMED, WHO_IS = 0, 2, 8

ERRORS = {
    2: "configuration-in-progress", 3: "device-busy", 9: "invalid-data-type", 18: "no-space-for-object",
    19: "no-space-to-add-list-element", 20: "no-space-to-write-property", 25: "operational-problem",
    27: "read-access-denied", 29: "service-request-denied", 31: "unknown-object", 32: "unknown-property",
    36: "unsupported-object-type", 37: "value-out-of-range", 40: "write-access-denied", 42: "invalid-array-index",
    43: "cov-subscription-failed", 44: "not-cov-property", 45: "optional-functionality-not-supported",
    47: "datatype-not-supported", 50: "property-is-not-an-array", 72: "value-not-initialized",
    79: "unknown-subscription", 82: "busy", 83: "communication-disabled",
}  # fmt: skip
REJECTS = {
    0: "other", 1: "buffer-overflow", 2: "inconsistent-parameters", 3: "invalid-parameter-data-type", 4: "invalid-tag",
    5: "missing-required-parameter", 6: "parameter-out-of-range", 7: "too-many-arguments", 8: "undefined-enumeration",
    9: "unrecognized-service",
}  # fmt: skip
ABORTS = {
    0: "other", 1: "buffer-overflow", 2: "invalid-apdu-in-this-state", 3: "preempted", 4: "segmentation-not-supported",
    5: "security-error", 6: "insufficient-security", 7: "window-size-out-of-range", 8: "exceeded-reply-time",
    9: "out-of-resources", 10: "tsm-timeout", 11: "apdu-too-long",
}  # fmt: skip
RELIABILITIES = {
    0: "no-fault-detected", 1: "no-sensor", 2: "over-range", 3: "under-range", 4: "open-loop", 5: "shorted-loop",
    6: "no-output", 7: "unreliable-other", 8: "process-error", 9: "multi-state-fault", 10: "configuration-error",
    12: "communication-failure", 13: "member-fault", 14: "monitored-object-fault", 15: "tripped", 16: "lamp-failure",
    17: "activation-failure", 23: "faults-listed", 24: "referenced-object-fault", 25: "multi-state-out-of-range",
}  # fmt: skip


WHY = {
    "unknown-object": phrase("bacnet.unknown-object", "the device has no such object"),
    "unknown-property": phrase("bacnet.unknown-property", "the object has no such property"),
    "read-access-denied": phrase("bacnet.read-denied", "the device lets nobody read it"),
    "write-access-denied": phrase("bacnet.write-denied", "the device lets nobody write it"),
    "value-out-of-range": phrase("bacnet.value-not-taken", "the device does not take this value"),
    "invalid-data-type": phrase(
        "bacnet.kind-not-taken", "the object takes no value of this kind; to let go it needs priorities"
    ),
    "no-space-to-add-list-element": phrase(
        "bacnet.no-room-for-subscriptions", "the device has no room for more subscriptions: what is left is polled"
    ),
    "cov-subscription-failed": phrase(
        "bacnet.subscription-refused", "the device tells no changes of this object: it is polled"
    ),
    "unrecognized-service": phrase("bacnet.unknown-service", "the device does not know this service"),
    "device-busy": phrase("bacnet.device-busy", "the device is busy: raise `interval` if this stays"),
}
"""Remedies, by the name of the error."""
NO_ROOM = ("no-space-to-add-list-element", "no-space-for-object", "abort-out-of-resources")
"""Reasons for which a device accepts no further subscription."""


def object_id(text: str) -> ObjectId:
    """Convert `analog-input:3` to its number. Raises ValueError with a sentence."""
    name, _, number = text.partition(":")
    if name not in OBJECT_TYPES:
        raise ValueError(
            phrase(
                "bacnet.bad-object-name",
                "an object is type:instance, like analog-input:3; there are {types}",
                types=list(OBJECT_TYPES),
            )
        )
    if not (number.isascii() and number.isdigit()) or int(number) > LAST_INSTANCE:
        raise ValueError(
            phrase(
                "bacnet.bad-object-instance",
                "the instance of an object is a number from 0 to {highest}, like {type}:3",
                highest=LAST_INSTANCE,
                type=name,
            )
        )
    return ObjectId(OBJECT_TYPES[name], int(number))


class Refused(hub.DecodeError):
    """An error, a reject or an abort that a device answered. `kind` is which, `code` its number."""

    def __init__(self, kind: str, code: int, about: str = "") -> None:
        table = {"error": ERRORS, "reject": REJECTS, "abort": ABORTS}[kind]
        name = table.get(code, str(code))
        super().__init__(f"{kind}-{name}" if kind != "error" or name.isdigit() else name, about or WHY.get(name, ""))
        self.kind = kind
        self.code = code

    @property
    def told(self) -> str:
        """Return what it means, in a sentence."""
        return self.detail or phrase("bacnet.request-refused", "the device refuses it: {error}", error=self.reason)

    @property
    def unsupported(self) -> bool:
        """Return whether the device does not support this service."""
        return self.kind == "reject" and self.code == 9

    @property
    def too_large(self) -> bool:
        """Return whether smaller requests may succeed."""
        return (self.kind == "abort" and self.code in (1, 4, 9, 11)) or (self.kind == "reject" and self.code in (1, 7))


def told(error: Exception) -> str:
    """Return what an error says to a person, without the slug by which it is counted."""
    if isinstance(error, Refused):
        return error.told
    return (isinstance(error, hub.DecodeError) and error.detail) or reason_of(error)
