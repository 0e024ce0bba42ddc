"""Reads a .knxproj file into a project."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import hub
from hub.sdk.phrases import phrase
from integrations.knx.project import aes, hardened
from integrations.knx.project.archive import Archive
from integrations.knx.project.installation import Installation
from integrations.knx.project.programs import Hardware, Program, local
from integrations.knx.project.tables import Link, Project

NAMESPACE = re.compile(r"http://knx\.org/xml/project/([0-9]{1,3})")
ETS6 = 21
"""The first schema of ETS 6, whose protected projects are encrypted with AES."""
OLDEST, NEWEST = 10, 30
MOST_PROGRAMS = 2000

_LEVELS = {"ThreeLevel": 3, "TwoLevel": 2, "Free": 1}


def read(file: Path, password: str = "", *, databases: bool = True) -> Project:
    """Read a project. Blocking.

    Raises DecodeError (the reason as a slug, the text with the remedy) or NotReady when the file cannot be read.
    Without `databases` only the installation's own data are read, which is much quicker."""
    with closing(Archive(file)) as outer:
        project = Project()
        project.schema = _schema(outer)
        name = _project_id(outer)
        inner, prefix = _inner(outer, name, password, project.schema)
        with closing(inner):
            _information(inner, prefix, project)
            installation = Installation(project)
            hardened.parse(inner.chunks(f"{prefix}0.xml"), installation.start, installation.end)
            installation.finish()
            if f"{prefix}1.xml" in inner.names():
                project.notes.append(
                    phrase(
                        "knx.several-installations", "the project has several installations; only the first was read"
                    )
                )
            if databases:
                _databases(outer, project)
    return project


def _schema(outer: Archive) -> int:
    found: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if not found:
            found.append(attributes.get("xmlns", ""))

    first = next(outer.chunks("knx_master.xml"), b"")
    try:
        hardened.parse([first], start, lambda name: None)
    except hub.DecodeError as error:
        if not found or error.reason != "xml-broken":  # broken XML is expected: only its first chunk is read
            raise
    match = NAMESPACE.fullmatch(found[0])
    if match is None or not OLDEST <= int(match[1]) <= NEWEST:
        raise hub.DecodeError(
            "unknown-schema",
            phrase("knx.unknown-ets-version", "the file is of no version of ETS that is known here (4 to 6)"),
        )
    return int(match[1])


def _project_id(outer: Archive) -> str:
    """Return the id of the project; of several, the first."""
    names = sorted({m[1] for n in outer.names() if (m := re.fullmatch(r"(P-[0-9A-F]{4})(?:/.*|\.zip|\.signature)", n))})
    if not names:
        raise hub.DecodeError(
            "not-a-project",
            phrase("knx.archive-without-project", "there is no project inside: is it a product database (.knxprod)?"),
        )
    return names[0]


def _inner(outer: Archive, name: str, password: str, schema: int) -> tuple[Archive, str]:
    """Return the archive and prefix of the project's own files: a protected project has an archive within the
    archive."""
    if f"{name}.zip" not in outer.names():
        return outer, f"{name}/"
    if not password:
        raise hub.DecodeError(
            "wrong-password",
            phrase(
                "knx.project-password-missing",
                "the project has a password: give it with --password-file, or export it without one",
            ),
        )
    secret = aes.archive_password(password) if schema >= ETS6 else password.encode()
    return Archive(outer.read(f"{name}.zip"), secret), ""


def _information(inner: Archive, prefix: str, project: Project) -> None:
    def start(name: str, attributes: dict[str, str]) -> None:
        if name == "ProjectInformation":
            project.name = attributes.get("Name", "")
            project.levels = _LEVELS.get(attributes.get("GroupAddressStyle", ""), 3)

    for file in ("project.xml", "Project.xml"):  # ETS 4 writes it with a capital
        if f"{prefix}{file}" in inner.names():
            hardened.parse(inner.chunks(f"{prefix}{file}"), start, lambda name: None)
            return


def _databases(outer: Archive, project: Project) -> None:
    makers = _makers(outer)
    hardware = {
        maker: _hardware(outer, maker) for maker in sorted({_maker(d.product) for d in project.devices.values()})
    }
    for device in project.devices.values():
        text = hardware[_maker(device.product)].products.get(device.product, "")
        device.model = f"{makers.get(_maker(device.product), '')} {text}".strip()
    wanted: dict[str, list[Link]] = {}
    for link in project.links:
        device = project.devices[link.device]
        program = hardware[_maker(device.product)].programs.get(device.program, "")
        wanted.setdefault(program, []).append(link)
    for program, links in sorted(wanted.items())[:MOST_PROGRAMS]:
        _complete(outer, program, links)


def _makers(outer: Archive) -> dict[str, str]:
    found: dict[str, str] = {}

    def start(name: str, attributes: dict[str, str]) -> None:
        if name == "Manufacturer":
            found[attributes.get("Id", "")] = attributes.get("Name", "")

    hardened.parse(outer.chunks("knx_master.xml"), start, lambda name: None)
    return found


def _maker(product: str) -> str:
    return product.partition("_")[0]


def _hardware(outer: Archive, maker: str) -> Hardware:
    hardware = Hardware()
    if (file := f"{maker}/Hardware.xml") in outer.names():
        hardened.parse(outer.chunks(file), hardware.start, hardware.end)
    return hardware


def _complete(outer: Archive, name: str, links: list[Link]) -> None:
    """Add the values that the installation leaves to the product database."""
    if (file := f"{_maker(name)}/{name}.xml") not in outer.names():
        return
    program = Program({local(link.ref) for link in links})
    hardened.parse(outer.chunks(file), program.start, program.end)
    for link in links:
        known = program.get(local(link.ref))
        link.dpt = link.dpt or known.dpt
        link.sends = known.sends if link.sends is None else link.sends
        link.reads = known.reads if link.reads is None else link.reads
