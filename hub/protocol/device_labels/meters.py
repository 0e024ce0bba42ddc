"""Meters: wireless and wired M-Bus. Pure.

    ELS-12345678-33-03 [key]      as the hub names it: maker, number, version and medium (EN 13757-3 §5.5, 5.6)
    1 ELS 00 1234 5678            DIN 43863-5:2012, the identification number on the housing: utility, FLAG letters of
                                  the maker, production block, number; version and medium are not part of it

What a meter's label leaves out its telegrams say: `mbus:ELS-12345678` stands for the meter of that number once it was
heard.
"""

from __future__ import annotations

import re

from hub.core.text import phrase
from hub.protocol.device_labels import label as parts
from hub.protocol.device_labels.label import Label, Unreadable

_WHOLE = re.compile(r"(?:mbus:)?([A-Za-z]{3})-([0-9]{8})-([0-9A-Fa-f]{2})-([0-9A-Fa-f]{2})")
_SHORT = re.compile(r"(?:mbus:)?([A-Za-z]{3})[ -]?([0-9]{8})")
_DIN = re.compile(r"[0-9A-Fa-f] ?([A-Za-z]{3}) ?[0-9A-Fa-f]{2} ?([0-9]{4}) ?([0-9]{4})")
_KEY = re.compile(r"[;,|=\s]([0-9A-Fa-f]{32})$")


def read(text: str) -> Label | None:
    """None when it is no meter's."""
    text = text.strip()
    with_key = _KEY.search(text)
    key = bytes.fromhex(with_key[1]) if with_key else None
    name = text[: with_key.start()].rstrip(" ;,|=\t") if with_key else text
    if match := _WHOLE.fullmatch(name):
        return Label(form="meter", device=named(*match.groups()), key=key)
    if match := _SHORT.fullmatch(name):
        return Label(form="meter", device=f"mbus:{match[1].upper()}-{match[2]}", key=key)
    if match := _DIN.fullmatch(name):
        return Label(form="DIN 43863-5", device=f"mbus:{match[1].upper()}-{match[2]}{match[3]}", key=key)
    return None


def named(maker: str, number: str, version: str = "", medium: str = "") -> str:
    """The device id of a meter; without version and medium it stands for one that has yet to be heard. Raises
    Unreadable."""
    maker, number = maker.strip().upper(), number.strip().zfill(8)
    if not re.fullmatch(r"[A-Z]{3}", maker):
        raise Unreadable(
            "manufacturer",
            phrase("meter-maker-form", "a meter's maker has three letters (its FLAG code), like ELS or KAM"),
            column="manufacturer",
        )
    if not re.fullmatch(r"[0-9]{8}", number):
        raise Unreadable(
            "meter-id",
            phrase("meter-number-form", "a meter's number has at most 8 digits"),
            column="meter_id",
        )
    if not version and not medium:
        return f"mbus:{maker}-{number}"
    return "-".join(
        (
            f"mbus:{maker}",
            number,
            parts.digits(version, 1, phrase("meter-version", "meter's version"), "version"),
            parts.digits(medium, 1, phrase("meter-medium", "meter's medium"), "medium"),
        )
    )


def whole(device: str) -> bool:
    """True when the id of a meter says all of it."""
    return _WHOLE.fullmatch(device) is not None
