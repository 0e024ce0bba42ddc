"""A device's label or QR code → which pack it is of, and what the text says. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hub.packs.format import MAX_LABEL
from hub.packs.reading import Pack


def recognise(packs: Iterable[Pack], text: str) -> list[tuple[Pack, dict[str, str]]]:
    """The packs one of whose patterns is the whole text, with the named parts it found (`dev_eui`, …)."""
    if len(text) > MAX_LABEL:
        return []
    found = []
    for pack in packs:
        for pattern in pack.keys.labels:
            match = re.fullmatch(pattern, text.strip())
            if match:
                found.append((pack, {name: part for name, part in match.groupdict().items() if part}))
                break
    return found
