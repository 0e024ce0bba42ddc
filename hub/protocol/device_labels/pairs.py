"""Labels that name what they say: `DevEUI: 0018B2…`, `AppKey=…`, JSON, the lines of an NFC tag, the rows of a table.
Pure.

Each name is followed by a value of a known size, so that spaces, line ends, commas, quotes or nothing may stand between
them. Shapes that are published and read here:

- Elsys, "NFC settings specification": lines `DevEui:A81758FFFE000000`, `AppEui:…`, `AppKey:…`, `DevAddr:…`,
  `AppSKey:…`, `NwkSKey:…`, among others that are skipped.
- The Things Network's mobile application: JSON with `dev_eui`, `app_eui`, `app_key`.
- The printed text of most makers' labels: DEV EUI, APP EUI or JOIN EUI, APP KEY; a Bluetooth MAC with BindKey.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from hub.core.text import phrase
from hub.protocol.device_labels import label as parts
from hub.protocol.device_labels.label import Label, Unreadable

FORM = "text"


class Name(NamedTuple):
    """A name in labels: its field here, its spellings, its wording in a sentence, how many bytes follow it."""

    key: str
    pattern: str
    what: str
    sizes: tuple[int, ...]


NAMES = (
    Name("dev_eui", "dev(?:ice)?[ _-]?eui(?:64)?", "DevEUI", (8,)),
    Name("join_eui", "(?:join|app(?:lication)?)[ _-]?eui(?:64)?", "JoinEUI", (8,)),
    Name("app_key", "(?:app(?:lication)?[ _-]?key|nwk[ _-]?key)", "AppKey", (16,)),
    Name("dev_addr", "dev(?:ice)?[ _-]?addr(?:ess)?", "DevAddr", (4,)),
    Name("nwk_s_key", "(?:nwk|net|network)[ _-]?s(?:ession)?[ _-]?key", "NwkSKey", (16,)),
    Name("app_s_key", "app(?:lication)?[ _-]?s(?:ession)?[ _-]?key", "AppSKey", (16,)),
    Name("mac", "(?:ble[ _-]?|bt[ _-]?|bluetooth[ _-]?)?mac(?:[ _-]?addr(?:ess)?)?", parts.BLUETOOTH_ADDRESS, (6,)),
    Name("bind_key", "(?:(?:mi[ _-]?)?bind|ble|bthome|beacon|encryption)[ _-]?key", "BindKey", (12, 16)),
)
"""NwkKey stands for AppKey on devices that also speak LoRaWAN 1.1: towards a 1.0 network it is the root key
(TS001-1.1 §6.1.1.3)."""

_BY_KEY = {name.key: name for name in NAMES}
_ANY = re.compile(
    r"(?<![A-Za-z])(?:" + "|".join(f"(?P<{name.key}>{name.pattern})" for name in NAMES) + r")(?![A-Za-z])",
    re.IGNORECASE,
)
_JOINT = re.compile(r"""["']?[ \t]{0,8}(?:[:=]|->)?\s{0,8}["']?""")


def read(text: str) -> Label | None:
    """None when no name that is known here stands in it. Raises Unreadable when a name is there and its value is
    not, or when two values contradict each other."""
    found: dict[str, str] = {}
    for match in _ANY.finditer(text):
        name = _BY_KEY[str(match.lastgroup)]
        joint = _JOINT.match(text, match.end())
        value = _value(text[joint.end() if joint else match.end() :], name)
        if found.setdefault(name.key, value) != value:
            raise Unreadable(
                "two-values",
                phrase(
                    "label-names-two-values",
                    "this label names two different values of {what}: give the label of one device",
                    what=name.what,
                ),
            )
    return of(found) if found else None


def of(found: Mapping[str, str]) -> Label:
    """The device that these values name, by the keys of `NAMES`; empty ones count as absent. Raises Unreadable."""
    given = {key: value for key, value in found.items() if value}
    if "dev_eui" in given:
        return _lorawan(given)
    if "mac" in given:
        key = parts.key(given["bind_key"], (12, 16), "bind_key") if "bind_key" in given else None
        return Label(form=FORM, device=f"ble:{parts.mac(given['mac'], 'mac')}", key=key)
    raise Unreadable(
        "no-device",
        phrase(
            "label-names-no-device", "this names no device: a DevEUI (LoRaWAN) or a MAC address (Bluetooth) is missing"
        ),
    )


def _lorawan(given: Mapping[str, str]) -> Label:
    device = f"lorawan:{parts.eui(given['dev_eui'], column='dev_eui')}"
    settings = {}
    if "join_eui" in given:
        settings["join_eui"] = parts.eui(given["join_eui"], "JoinEUI", "join_eui")
    key = parts.key(given["app_key"], (16,), "app_key") if "app_key" in given else None
    if "dev_addr" in given and key is None:  # ABP: its two keys, in the order that the integration wants
        missing = next((name for name in ("nwk_s_key", "app_s_key") if name not in given), "")
        if missing:
            what = _BY_KEY[missing].what
            raise Unreadable(
                "abp-keys",
                phrase(
                    "label-abp-incomplete",
                    "a DevAddr makes it an ABP device, which needs {what} too; without DevAddr it joins by its AppKey",
                    what=what,
                ),
                column=missing,
            )
        settings["address"] = parts.digits(given["dev_addr"], 4, "DevAddr", "dev_addr")
        key = b"".join(parts.key(given[name], (16,), name) for name in ("nwk_s_key", "app_s_key"))
    return Label(form=FORM, device=device, key=key, settings=settings)


def _value(text: str, name: Name) -> str:
    """The bytes that `text` begins with, of the largest size that fits."""
    for size in sorted(name.sizes, reverse=True):
        match = re.match(rf"(?:0x)?(?:[0-9A-Fa-f]{{2}}[ :.-]?){{{size - 1}}}[0-9A-Fa-f]{{2}}(?![0-9A-Fa-f])", text)
        if match:
            return parts.plain(match[0]).lower()
    raise Unreadable(
        "bad-value",
        phrase(
            "label-value-wrong-digits",
            "after {what} this label should have {expected} hexadecimal digits: read it again",
            what=name.what,
            expected=parts.digit_counts(name.sizes),
        ),
        column=name.key,
    )
