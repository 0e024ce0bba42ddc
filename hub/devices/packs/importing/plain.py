"""Files of JavaScript that lie in no layout: each that defines a decoder and that no other file requires. Blocking."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hub.core.text import reason_of
from hub.devices.packs.importing.found import Found, FoundCodec, listed, take_examples
from hub.devices.packs.importing.sources import CODE
from hub.devices.packs.importing.texts import file_unreadable, read_json, text_at

LAYOUT = "JavaScript"
_ENTRY = re.compile(r"\b(?:decodeUplink|Decoder|Decode|decode|uplinkDecoder)\b")
_REQUIRED = re.compile(r"""(?:require\s*\(\s*|from\s+)["'](?:\./)?([\w./-]+)["']""")


def defines_decoder(text: str) -> bool:
    return _ENTRY.search(text) is not None


def codecs_in(folder: Path, names: list[str]) -> Iterator[tuple[str, Found]]:
    texts: dict[str, str] = {}
    for name in names:
        if not name.endswith(CODE):
            continue
        try:
            texts[name] = text_at(folder / name)
        except ValueError as error:
            yield Path(name).stem, reason_of(error)
    helpers = {Path(asked).stem for text in texts.values() for asked in _REQUIRED.findall(text)}
    for name, text in texts.items():
        if Path(name).stem not in helpers and defines_decoder(text):
            found = codec_at(folder / name)
            if not found.vendor and folder.parent.name in ("vendor", "vendors"):
                found.vendor = folder.name
            yield Path(name).stem, found


def codec_at(path: Path) -> FoundCodec:
    """Return the codec of one file, with the examples beside it: <name>.examples.json, examples.json and the like."""
    vendor, _, model = path.stem.partition("-")
    found = FoundCodec(
        name=model or path.stem, code=path, vendor=vendor if model else "", model=path.stem, layout=LAYOUT
    )
    for name in (f"{path.stem}.examples.json", f"test_decode_{path.stem}.json", f"{path.stem}.json", "examples.json"):
        file = path.with_name(name)
        if not file.is_file():
            continue
        try:
            take_examples(found, listed(read_json(text_at(file))))
        except ValueError as error:
            found.remarks.append(file_unreadable(name, error))
    return found
