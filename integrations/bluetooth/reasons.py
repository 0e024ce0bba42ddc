"""Descriptions of the counted events of Bluetooth: reason -> English. Pure data."""

from __future__ import annotations

from hub.sdk.sampling import BROADCASTS, Sampling

PREFIX = "bluetooth.reason-"
REASONS: dict[str, str] = {
    "adapter-reset": "The Bluetooth adapter was reset",
    "adapter-stopped": "The Bluetooth adapter had stopped scanning: started again",
    "ambiguous": "Several parsers recognise this message: nothing is taken",
    "bad-fields": "The fields described in `gatt` do not go together: correct them",
    "bad-*": "An impossible value ({part:l}), left out",
    "no-characteristic": "The device lacks the characteristic expected: is it the right model?",
    "no-parser": "No parser knows this device",
    "private-address": "A changing private address, a phone: not listed",
    "sealed-format": "A sealed format that is too weak, not read: choose BTHome in the sensor",
    "too-many-*": "Too many values ({part:l}) in one message, the rest is left out",
    "unknown-object-*": "BTHome object 0x{part} is not known: the rest of the message is not read",
    "unknown-*": "The sensor says that it does not know this value ({part:l})",
    "unmapped-*": "The parser {part} gives a value that has no place here",
    "unsupported-layout": "A layout of fields that is not read",
    "others-busy": "Too many sensors of other makers at once, a message was left",
    "others-lost": "The worker for other makers' sensors died, it is started again",
    "others-muted": "Messages of a stranger left for a while: no parser knows them",
    "others-out-of-memory": "A parser of another maker took too much memory: the log says which",
    "others-superseded": "Replaced by a newer message of the same device",
    "others-too-much": "A parser of another maker answers at too great length: the log says which",
    "others-too-slow": "A parser of another maker is too slow: the log says which",
}
SAMPLING = Sampling(reason="broadcasts", why=BROADCASTS)
