"""Reads a manifest out of its file, with every mistake at its line. Runs no code of the plugin.

id: acme_thermo
version: "1.2"
api: {from: 1, to: 1}
owner: Acme SAS, Lyon
security_contact: security@acme.example
vendor_country: FR
languages: [en, fr]
end_of_support: 2031-12-31
remote_endpoints: [api.acme.example]
permissions:
  hosts: [configured, "api.acme.example:443"]
  device_schemes: [acme]
  data_classes: [technical, environment]
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hub.config.document import Document
from hub.config.field_types import Section, matching
from hub.config.positions import Finding, Positions
from hub.config.positions import Path as Keys
from hub.config.validate import validate
from hub.core.errors import ConfigError, Problem
from hub.core.metric_rules import PRIVACY
from hub.core.text import phrase, reason_of
from hub.devices.packs.value_types import Shown
from hub.plugin_host.manifest import API, CONFIGURED, FILE, OLDEST_API, TITLES, Manifest, Permissions

LIMIT = 64 << 10
"""Bytes of the file."""
_MOST = 64


_PORT = r"(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_NAME = r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?"
Line = Annotated[str, Field(min_length=1, max_length=200), Shown]
PluginId = Annotated[str, matching(r"[a-z][a-z0-9_]{1,47}", phrase(
    "manifest-id-wrong", "an id is letters from a to z, digits and '_', a letter first, 2 to 48 of them"))]  # fmt: skip
Version = Annotated[str, matching(r"[0-9][0-9A-Za-z.+!]{0,39}", phrase(
    "manifest-version-wrong", "the version as the wheel has it, in quotes, like \"1.2\""))]  # fmt: skip
Host = Annotated[str, matching(rf"{CONFIGURED}|(?:\*\.)?{_NAME}(?:\.{_NAME})+:{_PORT}", phrase(
    "manifest-host-wrong", "a host is name:port, *.name:port, or configured: those in the plugin's own options",
))]  # fmt: skip
Endpoint = Annotated[str, matching(rf"(?:\*\.)?{_NAME}(?:\.{_NAME})+(?::{_PORT})?", phrase(
    "manifest-endpoint-wrong", "a remote endpoint is a host's name, like api.acme.example"))]  # fmt: skip
Bus = Annotated[str, matching(r"[a-z][a-z0-9_-]{0,31}", phrase(
    "manifest-bus-wrong", "a bus has the name that the configuration gives it, or is configured"))]  # fmt: skip
DeviceFile = Annotated[str, matching(rf"{CONFIGURED}|/dev/(?!.*\.\.)[A-Za-z0-9_*:.@/-]{{1,100}}", phrase(
    "manifest-device-file-wrong", "a device file is below /dev, like /dev/ttyUSB*, or configured"))]  # fmt: skip
Listen = Annotated[str, matching(rf"{CONFIGURED}|(?:tcp|udp):{_PORT}", phrase(
    "manifest-listen-wrong", "a port is tcp:NUMBER or udp:NUMBER, or configured"))]  # fmt: skip
Scheme = Annotated[str, matching(r"[a-z][a-z0-9_-]{0,31}", phrase(
    "manifest-scheme-wrong", "a scheme is what stands before the colon of a device id, like acme"))]  # fmt: skip
Contact = Annotated[str, Field(max_length=200), matching(r"[^@\s]+@[^@\s]+\.[^@\s]+|https://[!-~]+", phrase(
    "manifest-contact-wrong", "a security contact is an e-mail address or an https:// address"))]  # fmt: skip
Country = Annotated[str, matching(r"[A-Z]{2}", phrase(
    "manifest-country-wrong", "a country is its two letters of ISO 3166, like FR"))]  # fmt: skip
Language = Annotated[str, matching(r"[a-z]{2}", phrase(
    "manifest-language-wrong", "a language is its two letters of ISO 639, like fr"))]  # fmt: skip
Day = Annotated[str, matching(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", phrase(
    "manifest-day-wrong", "a day is written 2031-12-31"))]  # fmt: skip


def _listed(most: int = _MOST, least: int = 0) -> Any:
    return Field(default=() if not least else ..., min_length=least, max_length=most)


class ApiKeys(Section):
    """The plugin API that the plugin knows: the first and the last."""

    from_: int = Field(alias="from", ge=1, le=1000)
    to: int = Field(ge=1, le=1000)

    @model_validator(mode="after")
    def _rises(self) -> ApiKeys:
        if self.to < self.from_:
            raise ValueError(phrase("manifest-api-reversed", "`to` is below `from`, so that no API is between them"))
        return self


class PermissionKeys(Section):
    """What the plugin may do. What is not written is not allowed."""

    hosts: tuple[Host, ...] = _listed()
    buses: tuple[Bus, ...] = _listed()
    device_files: tuple[DeviceFile, ...] = _listed()
    listens: tuple[Listen, ...] = _listed()
    device_schemes: tuple[Scheme, ...] = _listed()
    data_classes: tuple[Literal["technical", "environment", "personal"], ...] = _listed()
    asserts_authenticity: bool = False
    lowers_privacy: bool = False


class ManifestKeys(Section):
    """The whole file."""

    id: PluginId
    version: Version
    api: ApiKeys
    owner: Line
    security_contact: Contact
    vendor_country: Country
    languages: tuple[Language, ...] = _listed(20, least=1)
    end_of_support: Day
    remote_endpoints: tuple[Endpoint, ...] = _listed()
    permissions: PermissionKeys


def read_manifest(content: bytes, file: str = FILE) -> Manifest:
    """Raises ConfigError with every mistake by line."""
    if len(content) > LIMIT:
        said = phrase("manifest-too-large", "a manifest has at most {most} KB", most=LIMIT >> 10)
        raise ConfigError([Problem(said, file=file)])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        said = phrase("manifest-not-utf8", "this is not UTF-8 text: save the file as UTF-8")
        raise ConfigError([Problem(said, file=file, line=line)]) from None
    positions, found = Positions(), list[Finding]()
    broken: set[Keys] = set()
    data = Document(positions, found, broken).read(text, file)
    if not isinstance(data, dict):
        said = phrase("manifest-empty", "this file is empty, or no manifest: it begins with `id:`")
        raise ConfigError([Problem(said, file=file, line=1)])
    keys = validate(ManifestKeys, data, (), phrase("a-manifest", "a manifest"), found)
    if keys is not None:
        found += _contradictions(keys)
    if found or keys is None:
        raise ConfigError(positions.problems(one for one in found if one.path in broken or not _below(one, broken)))
    return _manifest(keys)


def _below(finding: Finding, broken: set[Keys]) -> bool:
    return any(finding.path[: len(part)] == part for part in broken)


def _contradictions(keys: ManifestKeys) -> Iterator[Finding]:
    try:
        datetime.date.fromisoformat(keys.end_of_support)
    except ValueError:
        said = phrase("manifest-no-such-day", "there is no such day; a day is written 2031-12-31")
        yield Finding(("end_of_support",), said)
    if keys.permissions.device_schemes and not keys.permissions.data_classes:
        said = phrase("manifest-no-data-class", "it speaks for devices, so `data_classes` says what their data may be: "
                      "technical, environment, personal")  # fmt: skip
        yield Finding(("permissions", "data_classes"), said)
    if keys.permissions.lowers_privacy and set(keys.permissions.data_classes) == {PRIVACY[-1]}:
        said = phrase("manifest-nothing-to-lower", "`data_classes` has one class alone: there is none to lower to")
        yield Finding(("permissions", "lowers_privacy"), said)


def _manifest(keys: ManifestKeys) -> Manifest:
    may = {name: getattr(keys.permissions, name) for name in PermissionKeys.model_fields}
    may |= {name: tuple(dict.fromkeys(value)) for name, value in may.items() if isinstance(value, tuple)}
    return Manifest(
        id=keys.id,
        version=keys.version,
        api=(keys.api.from_, keys.api.to),
        languages=keys.languages,
        owner=keys.owner,
        security_contact=keys.security_contact,
        vendor_country=keys.vendor_country,
        end_of_support=keys.end_of_support,
        remote_endpoints=keys.remote_endpoints,
        permissions=Permissions(**may),
    )


def manifest_of_module(module: str) -> Manifest | None:
    """Return the manifest of a distribution on this import path whose entry point names this module; None without one.
    It lies in the top package, which is not imported. Raises ConfigError."""
    top = module.partition(":")[0].partition(".")[0].strip()
    try:
        found = find_spec(top)
        if found is None or not found.origin or not found.submodule_search_locations:
            return None
        file = Path(found.origin).with_name(FILE)
        with file.open("rb") as source:
            return read_manifest(source.read(LIMIT + 1), str(file))
    except FileNotFoundError:
        return None
    except (OSError, ImportError, ValueError) as error:
        raise ConfigError([Problem(reason_of(error), file=f"{top}/{FILE}")]) from error


def lines(manifest: Manifest) -> list[str]:
    """Return what a person reads before an installation, a sentence for each thing."""
    said: list[str] = [
        phrase("manifest-title", "{id} {version}, of {owner} ({country})", id=manifest.id, version=manifest.version,
               owner=manifest.owner, country=manifest.vendor_country),
        phrase("manifest-support", "supported until {day}; security contact: {contact}", day=manifest.end_of_support,
               contact=manifest.security_contact),
        phrase("manifest-languages", "languages: {languages}", languages=list(manifest.languages)),
    ]  # fmt: skip
    if manifest.remote_endpoints:
        said.append(
            phrase("manifest-endpoints", "reaches outside the building: {hosts}", hosts=list(manifest.remote_endpoints))
        )
    if not manifest.serves:
        said.append(
            phrase(
                "manifest-api-other",
                "it knows the plugin API {first} to {last}, and this hub has {oldest} to {newest}: it cannot run here",
                first=manifest.api[0], last=manifest.api[1], oldest=OLDEST_API, newest=API,
            )
        )  # fmt: skip
    return [*said, *permission_lines(manifest.permissions)]


def permission_lines(may: Permissions) -> list[str]:
    said: list[str] = [
        phrase("permission-is", "it {permission}: {list}", permission=TITLES[name], list=list(getattr(may, name)))
        for name in ("hosts", "buses", "device_files", "listens", "device_schemes", "data_classes")
        if getattr(may, name)
    ]
    claims = [TITLES[name] for name in ("asserts_authenticity", "lowers_privacy") if getattr(may, name)]
    return [*said, *claims]
