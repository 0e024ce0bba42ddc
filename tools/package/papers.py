"""What a package says of itself: what is inside (CycloneDX), under which licences, and since when."""

from __future__ import annotations

import json
import re
import time
import uuid
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any

from release import ROOT, Release

MAINTAINER = "Îlot maintainers <maintainers@ilot.invalid>"
COMMON = {
    "Apache-2.0": re.compile(r"Apache License\s+Version 2\.0, January 2004"),
    "GPL-3": re.compile(r"GNU GENERAL PUBLIC LICENSE\s+Version 3"),
    "LGPL-3": re.compile(r"GNU LESSER GENERAL PUBLIC LICENSE\s+Version 3"),
    "LGPL-2.1": re.compile(r"GNU LESSER GENERAL PUBLIC LICENSE\s+Version 2\.1"),
}
"""Licences that lie on every Debian, by their headings."""
_HEAD = """\
Îlot is Copyright its contributors, under the Apache License, Version 2.0:
/usr/share/common-licenses/Apache-2.0.

The package brings distributions of PyPI, as their authors published them, and one script of npm for the
pages (qr, MIT or Apache-2.0). Each has its own licence."""
_SPACE = uuid.UUID("5c4bd3f2-2a0a-4a53-9d5b-6f6a9a6a2c11")


def licence(one: PathDistribution) -> str:
    """A distribution's licence, as it says itself: an SPDX expression where it has one."""
    fields = one.metadata.json
    expression = fields.get("license_expression")
    if expression:
        return str(expression)
    named = [str(c).rpartition(" :: ")[2] for c in fields.get("classifier", ()) if str(c).startswith("License :: ")]
    text = str(fields.get("license", "")).strip()
    return text if text and "\n" not in text and text != "OSI Approved" else ", ".join(named) or "see its text"


def normal(name: str) -> str:
    """A name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _component(one: PathDistribution, wheels: dict[str, str]) -> dict[str, Any]:
    name = normal(one.name)
    fields = one.metadata.json
    said = (
        {"expression": str(fields["license_expression"])}
        if fields.get("license_expression")
        else {"license": {"name": licence(one)}}
    )
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{one.version}",
        "name": name,
        "version": one.version,
        "licenses": [said],
        "purl": f"pkg:pypi/{name}@{one.version}",
    }
    of_wheel = [of for wheel, of in wheels.items() if normal(wheel) == normal(f"{name}-{one.version}")]
    if of_wheel:
        component["hashes"] = [{"alg": "SHA-256", "content": of_wheel[0]}]
    return component


def _scripts() -> list[dict[str, Any]]:
    """What the pages bring along that is not of PyPI."""
    lock = json.loads((ROOT / "tools/assets/package-lock.json").read_text())["packages"]
    found = []
    for place, facts in lock.items():
        if place:
            name, of = place.removeprefix("node_modules/"), facts["version"]
            purl = f"pkg:npm/{name}@{of}"
            found.append({"type": "library", "bom-ref": purl, "name": name, "version": of, "purl": purl})
            found[-1]["licenses"] = [{"expression": facts["license"]}]
    return found


def bill(
    package: str, architecture: str, release: Release, inside: list[PathDistribution], wheels: dict[str, str]
) -> str:
    """What is inside, as CycloneDX 1.6."""
    purl = f"pkg:deb/debian/{package}@{release.debian}?arch={architecture}"
    components = sorted(
        [*(_component(one, wheels) for one in inside), *_scripts()], key=lambda one: str(one["bom-ref"])
    )
    return json.dumps(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, f'{purl} {release.commit}')}",
            "version": 1,
            "metadata": {
                "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(release.at)),
                "component": {
                    "type": "application",
                    "bom-ref": purl,
                    "name": package,
                    "version": release.debian,
                    "licenses": [{"expression": "Apache-2.0"}],
                    "purl": purl,
                },
            },
            "components": components,
            "dependencies": [{"ref": purl, "dependsOn": [one["bom-ref"] for one in components]}],
        },
        indent=1,
        ensure_ascii=False,
    )


def _texts(one: PathDistribution, place: Path) -> list[str]:
    """The licence texts that a distribution brings; what every Debian has is named instead."""
    files = [place / name for name in one.metadata.json.get("license_file", ())]
    folder = Path(str(one.locate_file(""))) / f"{one._path.name}"  # type: ignore[attr-defined]
    found = sorted(
        file
        for file in folder.rglob("*")
        if file.is_file() and re.match(r"(?i)(licen[cs]e|copying|notice|authors|edl|epl)", file.name)
    )
    texts = []
    for file in found or [file for file in files if file.is_file()]:
        text = file.read_text(errors="replace").strip()
        common = [name for name, heading in COMMON.items() if heading.search(text)]
        if common:
            holders = sorted({line.strip() for line in re.findall(r"(?m)^\s*Copyright .*\d{4}.*$", text)})
            text = "\n".join([*holders, *(f"The text is in /usr/share/common-licenses/{name}" for name in common)])
        texts.append(f"{file.name}:\n\n{text}")
    return texts


def copyright_file(inside: list[PathDistribution], site: Path) -> str:
    """Who holds what under which licence: Îlot, then each distribution that lies beside it, with its texts."""
    parts = [_HEAD]
    for one in inside:
        if one.name != "ilot":
            author = str(
                one.metadata.json.get("author", "") or one.metadata.json.get("author_email", "") or "its authors"
            )
            head = f"{one.name} {one.version}\nCopyright: {author}\nLicence: {licence(one)}"
            parts.append("\n\n".join([head, *_texts(one, site)]))
    return f"\n\n{'-' * 78}\n\n".join(parts) + "\n"


def changelog(package: str, release: Release) -> str:
    """Debian's changelog: this build. CHANGELOG.md, which lies beside it, tells what changed for people."""
    at = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(release.at))
    return (
        f"{package} ({release.debian}) trixie; urgency=medium\n\n"
        f"  * Built from commit {release.commit}.\n\n"
        f" -- {MAINTAINER}  {at}\n"
    )
