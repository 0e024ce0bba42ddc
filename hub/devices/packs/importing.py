"""Imports vendors' folders in other layouts as packs: codec and examples unchanged, the examples as vectors.

    The Things Network   <vendor>/<name>-codec.yaml (uplinkDecoder: fileName, examples), <device>.yaml, <profile>.yaml
                         github.com/TheThingsNetwork/lorawan-devices
    ChirpStack           <vendor>/vendor.toml, codecs/<name>.js with codecs/test_decode_<name>.json, profiles/*.toml
                         github.com/chirpstack/chirpstack-device-profiles

Blocking: never on the event loop. These examples give the codec's own object, not readings: hence the vectors made here
hold `data`, and fields are proposed from names until a person has written them.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.config.source import parse
from hub.core.errors import ConfigError, HubError
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of
from hub.devices.codecs.bundle import load_bundle
from hub.devices.packs.loader import content_of

_MAC = re.compile(r"1\.0(\.[0-4])?")
# Unterminated strings and comments extend to the end of the text: rescanning from each quotation mark would take hours.
_JSON5 = re.compile(
    r'"(?:[^"\\]|\\.)*+(?:"|\Z)|//[^\n]*|/\*.*?(?:\*/|\Z)|\b0[xX][0-9a-fA-F]+\b|,(?=\s*[\]}])', re.DOTALL
)


@dataclass(frozen=True, slots=True)
class ImportedPack:
    """An imported pack: text by file name, and remarks for a person."""

    name: str
    files: dict[str, str]
    remarks: list[str]


@dataclass(slots=True)
class FoundCodec:
    """A codec found in a folder. `examples`: (port, bytes, expected answer)."""

    name: str
    code: Path
    vendor: str
    model: str
    mac: str = ""
    listens: str = "A"
    examples: list[tuple[int, bytes, dict[str, Any]]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def packs_in(directory: Path, only: str | None = None) -> tuple[list[ImportedPack], dict[str, str]]:
    """Import a vendor's directory: the packs, and why others cannot be made, by the name of their codec.

    `only`: import only the codec of that name. Raises HubError when the directory has neither layout.
    """
    directory = directory.resolve()
    if (directory / "vendor.toml").is_file():
        layout = _chirpstack(directory)
    elif any(directory.glob("*.yaml")):
        layout = _things(directory)
    else:
        raise HubError(
            phrase(
                "import-no-codec-folder",
                "{directory} has neither vendor.toml (ChirpStack) nor codec files in YAML (The Things Network)",
                directory=directory,
            )
        )
    made, left_out = [], {}
    for name, found in layout:
        if only is not None and name.removesuffix("-codec") != only.removesuffix("-codec"):
            continue
        try:
            made.append(_made(found) if isinstance(found, FoundCodec) else _refuse(found))
        except ValueError as error:
            left_out[name] = reason_of(error)
    if only is not None and not made and not left_out:
        raise HubError(
            phrase("import-no-such-codec", "there is no codec {name!r} in {directory}", name=only, directory=directory)
        )
    return made, left_out


def _refuse(why: str) -> ImportedPack:
    raise ValueError(why)


# -- layouts ------------------------------------------------------------------------------------------------------


def _things(directory: Path) -> Iterator[tuple[str, FoundCodec | str]]:
    documents = {path.stem: _yaml(path) for path in sorted(directory.glob("*.yaml"))}
    for stem, document in documents.items():
        uplink = document.get("uplinkDecoder")
        if not isinstance(uplink, dict):
            continue
        code = directory / str(uplink.get("fileName", ""))
        if code.parent != directory or not code.is_file():
            yield (
                stem,
                phrase("import-codec-missing", "its codec {file!r} is missing", file=str(uplink.get("fileName"))),
            )
            continue
        device, profile = _device(documents, stem)
        found = FoundCodec(
            name=stem,
            code=code,
            vendor=directory.name,
            model=str(documents.get(device, {}).get("name", stem.removesuffix("-codec"))),
            mac=str(profile.get("macVersion", "")),
            listens="C" if profile.get("supportsClassC") is True else "A",
        )
        for example in _list(uplink.get("examples")):
            given, answer = _dict(example.get("input")), _dict(example.get("output"))
            _take(found, given.get("fPort"), given.get("bytes"), answer)
        if document.get("downlinkEncoder"):
            found.remarks.append(phrase("import-without-downlinks", "its downlinks are not declared yet"))
        yield stem, found


def _device(documents: dict[str, dict[str, Any]], codec: str) -> tuple[str, dict[str, Any]]:
    """Return the first device that uses a codec, and its profile for Europe."""
    for stem, document in documents.items():
        for version in _list(document.get("firmwareVersions")):
            for region, use in _dict(version.get("profiles")).items():
                if region == "EU863-870" and _dict(use).get("codec") == codec:
                    return stem, documents.get(str(_dict(use).get("id")), {})
    return "", {}


def _chirpstack(directory: Path) -> Iterator[tuple[str, FoundCodec | str]]:
    vendor = str(_dict(_toml(directory / "vendor.toml").get("vendor")).get("name", directory.name))
    profiles = [_dict(_toml(path).get("profile")) for path in sorted((directory / "profiles").glob("EU868*.toml"))]
    devices = [_dict(_toml(path).get("device")) for path in sorted((directory / "devices").glob("*.toml"))]
    for code in sorted((directory / "codecs").glob("*.js")):
        tests = code.with_name(f"test_decode_{code.stem}.json")
        model = next((str(d["name"]) for d in devices if "name" in d and _uses(d, code.name)), code.stem)
        found = FoundCodec(name=code.stem, code=code, vendor=vendor, model=model)
        if profiles:
            found.mac = str(profiles[0].get("mac_version", ""))
            found.listens = "C" if profiles[0].get("supports_class_c") is True else "A"
        try:
            for test in _list(_json(tests)) if tests.is_file() else []:
                given = _dict(test.get("input"))
                _take(found, given.get("fPort"), given.get("bytes"), _dict(test.get("expected")))
        except ValueError as error:
            yield (
                code.stem,
                phrase("import-tests-unreadable", "its tests cannot be read: {reason}", reason=reason_of(error)),
            )
            continue
        yield code.stem, found


def _uses(device: dict[str, Any], codec: str) -> bool:
    return any(_dict(firmware).get("codec") == codec for firmware in _list(device.get("firmware")))


def _take(found: FoundCodec, port: Any, content: Any, answer: dict[str, Any]) -> None:
    whole = isinstance(port, int) and 1 <= port <= 223 and isinstance(content, list)
    try:
        if not whole or not (answer.get("data") or answer.get("errors")):
            raise ValueError
        found.examples.append((port, bytes(content), answer))
    except (TypeError, ValueError):
        found.remarks.append(
            phrase("import-example-incomplete", "an example without port, bytes or a result is left out")
        )


# -- a pack -------------------------------------------------------------------------------------------------------


def _made(found: FoundCodec) -> ImportedPack:
    """Make a pack. Raises ValueError with the reason why none can be made."""
    shown = [(port, payload, answer["data"]) for port, payload, answer in found.examples if not answer.get("errors")]
    if not shown:
        raise ValueError(phrase("import-without-examples", "it has no examples, and a pack needs test vectors"))
    codec = load_bundle(found.code, content_of)
    files = {"codec.js": codec.source, **codec.files}
    remarks = [
        *dict.fromkeys(found.remarks),
        phrase("import-fields-proposed", "its fields are proposed from names: check them"),
    ]
    mac = found.mac if _MAC.fullmatch(found.mac) else ""
    if not mac:
        remarks.append(
            phrase("import-version-unknown", "its LoRaWAN version is not given: 1.0.3 is written there, check it")
        )
    name = f"{_slug(found.vendor)}-{_slug(found.name.removesuffix('-codec'))}"
    files["pack.yaml"] = _pack_text(found, mac or "1.0.3", sorted({port for port, _, _ in shown}))
    files["vectors/examples.yaml"] = "".join(_vector_text(*example) for example in found.examples)
    return ImportedPack(name, files, remarks)


def _pack_text(found: FoundCodec, mac: str, ports: list[int]) -> str:
    mac = "1.0.0" if mac == "1.0" else mac
    model = found.model[:100] or "?"
    lines = [
        "# Made from somebody else's folder. Its licence is for you to respect.",
        "format: 1", "version: 1",
        f"vendor: {_text(found.vendor)}", f"models: [{_text(model)}]", f"fr: {_text(model)}", f"en: {_text(model)}",
        "licence: unknown", "protocol: lorawan", f"lorawan: {{mac: {_text(mac)}, class: {found.listens}}}",
        "messages:", *(f"  port_{port}: {{ports: [{port}]}}" for port in ports),
        "fields: automatic  # or a list of path and metric, which does not change with the names",
        "sources:", "  examples:", "    kind: codec", f"    title: {_text(f'examples of {found.name}'[:200])}",
        "    version: as imported", f"    by: {_text(found.vendor)}", "    licence: unknown",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _vector_text(port: int, payload: bytes, answer: dict[str, Any]) -> str:
    head = f"- source: examples\n  port: {port}\n  bytes: {_text(payload.hex())}\n"
    if answer.get("errors"):
        return f"{head}  refused: true\n"
    return f"{head}  message: port_{port}\n  data: {_text(answer['data'])}\n"


def _text(value: Any) -> str:
    """Quote a value as JSON, which is valid YAML."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "unknown"


# -- files of others ----------------------------------------------------------------------------------------------


def _yaml(path: Path) -> dict[str, Any]:
    """Parse a YAML file; {} for one that cannot be parsed, since the folder holds many others."""
    try:
        return _dict(parse(content_of(path).decode("utf-8-sig"), path.name))
    except (ConfigError, ValueError):
        return {}


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(content_of(path).decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise HubError(
            phrase("file-not-readable", "{path} cannot be read: {reason}", path=path, reason=reason_of(error))
        ) from error


def _json(path: Path) -> Any:
    """Parse JSON with the comments, hexadecimal numbers and trailing commas these files contain. Raises ValueError."""

    def plain(match: re.Match[str]) -> str:
        token = match[0]
        if token.startswith('"'):
            return token
        return str(int(token, 16)) if token[:2].lower() == "0x" else ""

    return json.loads(shallow_json(_JSON5.sub(plain, content_of(path).decode("utf-8-sig"))))


def _list(value: Any) -> list[Any]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
