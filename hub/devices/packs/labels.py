"""Recognises a device's label or QR code: the pack, and the parts of the text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from hub.devices.packs.naming import MAX_LABEL

if TYPE_CHECKING:
    from hub.devices.packs.loader import Pack


class LabelPattern(NamedTuple):
    """The label patterns of one pack. `vendor` and `profiles` are the halves of TR005's ProfileID in upper case, "" and
    empty where unknown."""

    pack: str
    patterns: tuple[re.Pattern[str], ...]
    vendor: str = ""
    profiles: frozenset[str] = frozenset()


class Recognised(NamedTuple):
    """The result. `packs`: packs whose label this is, ideally one; `parts`: groups found by their pattern (`dev_eui`,
    `join_eui`, `app_key`); `perhaps`: packs of the same vendor, where the label says no more."""

    packs: tuple[str, ...] = ()
    parts: Mapping[str, str] = MappingProxyType({})
    perhaps: tuple[str, ...] = ()


def label_pattern_of(pack: Pack) -> LabelPattern:
    keys = pack.keys
    tr005 = (keys.tr005.vendor.upper(), frozenset(map(str.upper, keys.tr005.profiles))) if keys.tr005 else ("", ())
    return LabelPattern(pack.name, tuple(map(re.compile, keys.labels)), tr005[0], frozenset(tr005[1]))


def recognise(signs: Iterable[LabelPattern], text: str, profile: str = "") -> Recognised:
    """Match a label against the packs' patterns. A pattern must match the whole `text`, and takes precedence over a
    profile.

    `profile` is TR005's ProfileID, 8 hexadecimal digits in upper case, or "".
    """
    text = text.strip() if len(text) <= MAX_LABEL else ""
    by_pattern: dict[str, dict[str, str]] = {}
    by_profile, by_vendor = list[str](), list[str]()
    for sign in signs:
        matches = (pattern.fullmatch(text) for pattern in sign.patterns if text)
        if match := next((one for one in matches if one), None):
            by_pattern[sign.pack] = {name: part for name, part in match.groupdict().items() if part}
        if profile and sign.vendor == profile[:4]:
            (by_profile if profile[4:] in sign.profiles else by_vendor).append(sign.pack)
    if by_pattern:
        return Recognised(tuple(by_pattern), next(iter(by_pattern.values())))
    return Recognised(tuple(by_profile), perhaps=() if by_profile else tuple(by_vendor))
