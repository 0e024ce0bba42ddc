"""ThingPark's device catalogue and IoT Flow drivers: a folder that is a package of JavaScript. Blocking.

    package.json                  main, driver: {application: {producerId, moduleId}}
    metadata.json, driver.yaml    name, protocolId, producerId
    index.js                      the codec
    examples.json, examples/, errors/    [{type: uplink, input: {bytes, fPort}, output: {data, errors}}]
    ../../vendor.yaml             name
    ../../models/*/model.yaml     name, protocolId, deviceProfileIds
    ../../profiles/*.yaml         loRaWANClass, mac: {loRaWANMacVersion}

github.com/actility/device-catalog, github.com/actility/thingpark-iot-flow-driver-catalogue
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hub.devices.packs.importing.found import Found, FoundCodec, listed, take_examples
from hub.devices.packs.importing.plain import defines_decoder
from hub.devices.packs.importing.texts import file_unreadable, object_of, read_json, read_yaml, text_at

LAYOUT = "ThingPark"
EUROPE = "eu868"
_EXAMPLES = ("examples", "errors")
_MODELS = 500


def is_layout(folder: Path, names: list[str]) -> bool:
    if not {"driver.yaml", "metadata.json", "package.json"}.intersection(names) or (main := _main(folder)) is None:
        return False
    try:
        if not defines_decoder(text_at(main)):
            return False
    except ValueError:
        pass  # a file that cannot be read is said where it is loaded
    described = "driver.yaml" in names or "metadata.json" in names
    return described or "driver" in _document(folder / "package.json") or bool(_example_files(folder))


def codecs_in(folder: Path, names: list[str]) -> Iterator[tuple[str, Found]]:
    package, driver = _document(folder / "package.json"), _document(folder / "driver.yaml")
    if not package:
        package = _document(folder / "metadata.json")
    application = object_of(object_of(package.get("driver")).get("application"))
    whole = folder.parents[1] if folder.parent.name == "drivers" else None
    vendor = _document(whole / "vendor.yaml").get("name") if whole is not None else None
    model, profile = _model(whole, str(driver.get("protocolId", ""))) if whole is not None else ({}, {})
    name = str(application.get("moduleId") or folder.name)
    found = FoundCodec(
        name=name,
        code=_main(folder),
        vendor=str(vendor or application.get("producerId") or driver.get("producerId") or folder.parent.name),
        model=str(model.get("name") or driver.get("name") or name),
        layout=LAYOUT,
        mac=str(object_of(profile.get("mac")).get("loRaWANMacVersion", "")).partition("/")[0],
        listens="C" if profile.get("loRaWANClass") == "C" else "A",
        licence=str(package.get("license") or ""),
    )
    for file in _example_files(folder):
        try:
            take_examples(found, listed(read_json(text_at(file))))
        except ValueError as error:
            found.remarks.append(file_unreadable(file.relative_to(folder).as_posix(), error))
    yield name, found


def _main(folder: Path) -> Path | None:
    named = _document(folder / "package.json").get("main") or _document(folder / "metadata.json").get("main")
    for name in (named, "index.js", "main.js"):
        if isinstance(name, str) and ".." not in Path(name).parts and (path := folder / name).is_file():
            return path
    return None


def _example_files(folder: Path) -> list[Path]:
    files = [path for path in (folder / "examples.json",) if path.is_file()]
    for name in _EXAMPLES:
        if (folder / name).is_dir():
            files += sorted(path for path in (folder / name).glob("*.json") if path.is_file())[:50]
    return files


def _model(whole: Path, protocol: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the first model that uses a driver, and its profile for Europe."""
    for path in sorted((whole / "models").glob("*/model.yaml"))[:_MODELS]:
        model = _document(path)
        used = model.get("protocolId")
        if protocol and protocol in (used if isinstance(used, list) else [used]):
            return model, _profile(whole / "profiles", model)
    return {}, {}


def _profile(folder: Path, model: dict[str, Any]) -> dict[str, Any]:
    listed_ids = model.get("deviceProfileIds")
    first: dict[str, Any] = {}
    for one in listed_ids if isinstance(listed_ids, list) else []:
        name = str(object_of(one).get("id", one))
        if "/" in name or "\0" in name:
            continue
        profile = _document(folder / f"{name}.yaml")
        if EUROPE in str(profile.get("ISMbands", "")):
            return profile
        first = first or profile
    return first


def _document(path: Path) -> dict[str, Any]:
    """Return the object of a file in YAML or JSON, {} where there is none that can be read."""
    try:
        text = text_at(path)
        return object_of(read_json(text) if path.suffix == ".json" else read_yaml(text))
    except ValueError:
        return {}
