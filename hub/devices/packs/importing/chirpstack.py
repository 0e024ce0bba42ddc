"""ChirpStack's device profiles: a vendor's folder, and profiles that were exported in JSON. Blocking.

    vendor.toml                     vendor: name, devices
    devices/<device>.toml           device: name, firmware: profiles and codec
    profiles/<REGION>-….toml        profile: mac_version, supports_class_c
    codecs/<name>.js                codecs/test_decode_<name>.json: [{input: {fPort, bytes}, expected: {data}}]

    exported                        {deviceProfile: {name, macVersion, payloadCodecScript}}, also of version 3 and as a
                                    template or a list of them

github.com/chirpstack/chirpstack-device-profiles
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hub.core.text import phrase, reason_of
from hub.devices.packs.importing.found import Found, FoundCodec, listed, take_examples
from hub.devices.packs.importing.texts import file_unreadable, object_of, objects, read_json, read_toml, text_at

LAYOUT = "ChirpStack"
REGION = "EU868"
_EXPORTED = re.compile(r"payloadCodecScript|payload_codec_script|payloadDecoderScript|payload_decoder_script")
_MAC = re.compile(r"LORAWAN_(\d)_(\d)_(\d)")


def is_layout(folder: Path, names: list[str]) -> bool:
    return "vendor.toml" in names


def codecs_in(folder: Path, names: list[str]) -> Iterator[tuple[str, Found]]:
    remarks: list[str] = []
    vendor = object_of(_toml(folder / "vendor.toml", remarks).get("vendor"))
    maker = str(vendor.get("name") or folder.name)
    profiles = {
        path.name: object_of(_toml(path, remarks).get("profile")) for path in _files(folder / "profiles", ".toml")
    }
    devices = [object_of(_toml(path, remarks).get("device")) for path in _files(folder / "devices", ".toml")]
    licence = str(object_of(vendor.get("metadata")).get("license", ""))
    codes = [path for path in _files(folder / "codecs", ".js") if not path.name.startswith("test_")]
    used = {str(firmware.get("codec")) for device in devices for firmware in objects(device.get("firmware"))}
    helpers = _required(codes) - used
    for code in codes:
        if code.name in helpers:
            continue
        device, firmware = _device(devices, code.name)
        named = firmware.get("profiles")
        profile = _profile(profiles, [str(name) for name in named] if isinstance(named, list) else [])
        found = FoundCodec(
            name=code.stem,
            code=code,
            vendor=maker,
            model=str(device.get("name") or code.stem),
            layout=LAYOUT,
            mac=str(profile.get("mac_version", "")),
            listens="C" if profile.get("supports_class_c") is True else "A",
            licence=licence,
            remarks=list(remarks),
        )
        tests = code.with_name(f"test_decode_{code.stem}.json")
        if tests.is_file():
            try:
                take_examples(found, listed(read_json(text_at(tests))))
            except ValueError as error:
                found.remarks.append(
                    phrase("import-tests-unreadable", "its tests cannot be read: {reason}", reason=reason_of(error))
                )
        yield code.stem, found


def is_exported(path: Path) -> bool:
    try:
        return _EXPORTED.search(text_at(path)) is not None
    except ValueError:
        return False


def exported(path: Path) -> Iterator[tuple[str, Found]]:
    """Yield the codecs of an exported profile, or of a list of them."""
    try:
        document = read_json(text_at(path))
    except ValueError as error:
        why = file_unreadable(path.name, error)
        yield path.stem, why
        return
    for number, profile in enumerate(_profiles(document)):
        name = str(profile.get("name") or f"{path.stem}-{number + 1}")
        yield name, _of_profile(name, profile)


def _profiles(document: Any) -> list[dict[str, Any]]:
    if isinstance(document, list):
        return [profile for one in objects(document) for profile in _profiles(one)]
    top = object_of(document)
    for key in ("deviceProfile", "device_profile", "deviceProfileTemplate", "device_profile_template"):
        if isinstance(top.get(key), dict):
            return [object_of(top[key])]
    for key in ("result", "deviceProfiles", "device_profiles", "templates"):
        if isinstance(top.get(key), list):
            return _profiles(top[key])
    return [top]


def _of_profile(name: str, profile: dict[str, Any]) -> Found:
    def value(*names: str) -> Any:
        return next((profile[one] for one in names if profile.get(one) not in (None, "")), "")

    source = value("payloadCodecScript", "payload_codec_script", "payloadDecoderScript", "payload_decoder_script")
    if not isinstance(source, str) or not source.strip():
        if "CAYENNE" in str(value("payloadCodecRuntime", "payload_codec_runtime", "payloadCodec", "payload_codec")):
            return phrase("import-cayenne", "it has no codec of its own: name the pack cayenne-lpp at its devices")
        return phrase("import-profile-without-codec", "this profile has no codec")
    mac = str(value("macVersion", "mac_version"))
    if match := _MAC.fullmatch(mac):
        mac = ".".join(match.groups())
    return FoundCodec(
        name=name,
        source=source,
        vendor=str(value("vendor")) or "",
        model=name,
        layout=LAYOUT,
        mac=mac,
        listens="C" if value("supportsClassC", "supports_class_c") is True else "A",
    )


def _device(devices: list[dict[str, Any]], codec: str) -> tuple[dict[str, Any], dict[str, Any]]:
    for device in devices:
        for firmware in objects(device.get("firmware")):
            if firmware.get("codec") == codec:
                return device, firmware
    return {}, {}


def _profile(profiles: dict[str, dict[str, Any]], used: list[str]) -> dict[str, Any]:
    """Return the profile for Europe among those that a device uses, or among all."""
    candidates = [name for name in used if name in profiles] or sorted(profiles)
    return next((profiles[name] for name in candidates if name.startswith(REGION)), {})


def _files(folder: Path, ending: str) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ending and path.is_file())[:1000]
    except OSError:
        return []


def _required(codes: list[Path]) -> set[str]:
    """Return the names of files that other files of the folder require."""
    named: set[str] = set()
    for path in codes:
        try:
            text = text_at(path)
        except ValueError:
            continue
        named |= {
            f"{name.removesuffix('.js')}.js" for name in re.findall(r"""require\(\s*["']\./([\w.-]+)["']""", text)
        }
    return named


def _toml(path: Path, remarks: list[str]) -> dict[str, Any]:
    try:
        return read_toml(text_at(path))
    except ValueError as error:
        remarks.append(file_unreadable(path.name, error))
        return {}
