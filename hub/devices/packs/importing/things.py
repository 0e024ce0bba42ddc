"""The Things Network's device repository: a vendor's folder of YAML files and codecs. Blocking.

    <device>-codec.yaml    uplinkDecoder: {fileName, examples}
    <device>.yaml          name, firmwareVersions: profiles by region, each with its `codec`
    <profile>.yaml         macVersion, supportsClassC
    ../index.yaml          names of the vendors

github.com/TheThingsNetwork/lorawan-devices
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hub.core.text import phrase
from hub.devices.packs.importing import plain
from hub.devices.packs.importing.found import Found, FoundCodec, take_examples
from hub.devices.packs.importing.texts import file_unreadable, object_of, objects, read_yaml, text_at

LAYOUT = "The Things Network"
REGION = "EU863-870"
_FILE = re.compile(r"""^[^#\n]*\bfileName:\s*["']?([\w-][\w.-]*\.js)\b""", re.MULTILINE)


def is_layout(folder: Path, names: list[str]) -> bool:
    return any("uplinkDecoder" in _text(folder / name) for name in names if name.endswith((".yaml", ".yml")))


def codecs_in(folder: Path, names: list[str]) -> Iterator[tuple[str, Found]]:
    documents: dict[str, dict[str, Any]] = {}
    for name in names:
        if not name.endswith((".yaml", ".yml")):
            continue
        stem = Path(name).stem
        try:
            documents[stem] = object_of(read_yaml(text_at(folder / name)))
        except ValueError as error:
            named = _FILE.search(_text(folder / name))
            if named is not None or stem.endswith("codec"):
                yield stem, _blind(folder, stem, named[1] if named else "", file_unreadable(name, error))
    vendor = _vendor(folder)
    for stem, document in documents.items():
        uplink = document.get("uplinkDecoder")
        if isinstance(uplink, dict):
            yield stem, _codec(folder, stem, document, uplink, documents, vendor)
    yield from _loose(folder, names)


def _loose(folder: Path, names: list[str]) -> Iterator[tuple[str, Found]]:
    """Yield code that no document of the folder names."""
    documents = "".join(_text(folder / name) for name in names if name.endswith((".yaml", ".yml")))
    named = {Path(file).stem for file in _FILE.findall(documents)}
    yield from ((name, found) for name, found in plain.codecs_in(folder, names) if name not in named)


def _blind(folder: Path, stem: str, file: str, why: str) -> Found:
    """Return the codec that a document names which cannot be read, without its examples."""
    code = folder / file
    if not file or not code.is_file():
        return why
    name = stem.removesuffix("-codec")
    return FoundCodec(name=name, code=code, vendor=_vendor(folder), model=name, layout=LAYOUT, remarks=[why])


def _codec(
    folder: Path,
    stem: str,
    document: dict[str, Any],
    uplink: dict[str, Any],
    documents: dict[str, dict[str, Any]],
    vendor: str,
) -> Found:
    file = str(uplink.get("fileName", ""))
    code = folder / file
    if code.parent != folder or not code.is_file():
        return phrase("import-codec-missing", "its codec {file!r} is missing", file=file[:80])
    device, profile = _device(documents, stem)
    found = FoundCodec(
        name=stem.removesuffix("-codec"),
        code=code,
        vendor=vendor,
        model=str(documents.get(device, {}).get("name", stem.removesuffix("-codec"))),
        layout=LAYOUT,
        mac=str(profile.get("macVersion", "")),
        listens="C" if profile.get("supportsClassC") is True else "A",
    )
    take_examples(found, objects(uplink.get("examples")))
    if document.get("downlinkEncoder"):
        found.remarks.append(phrase("import-without-downlinks", "its downlinks are not declared yet"))
    return found


def _device(documents: dict[str, dict[str, Any]], codec: str) -> tuple[str, dict[str, Any]]:
    """Return the first device that uses a codec, and its profile, for Europe where there is one."""
    for stem, document in documents.items():
        for version in objects(document.get("firmwareVersions")):
            uses = {region: object_of(use) for region, use in object_of(version.get("profiles")).items()}
            used = {region: use for region, use in uses.items() if use.get("codec") == codec}
            if use := used.get(REGION) or next(iter(used.values()), None):
                return stem, documents.get(str(use.get("id")), {})
    return "", {}


def _vendor(folder: Path) -> str:
    try:
        vendors = objects(object_of(read_yaml(text_at(folder.parent / "index.yaml"))).get("vendors"))
    except ValueError:
        vendors = []
    return next((str(one["name"]) for one in vendors if one.get("id") == folder.name and one.get("name")), folder.name)


def _text(path: Path) -> str:
    try:
        return text_at(path)
    except ValueError:
        return ""
