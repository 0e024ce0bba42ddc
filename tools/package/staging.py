"""One package as a folder, file by file, and as the archive that dpkg makes of it."""

from __future__ import annotations

import gzip
import os
import platform
import re
import shutil
from pathlib import Path

import papers
from environment import PYTHON, SITE, Environment, distributions
from release import Release, said

PACKAGES = ("ilot", "ilot-backend")
PLACES = {
    "units": ("usr/lib/systemd/system",),
    "systemd": ("usr/lib/systemd/system.conf.d",),
    "udev": ("usr/lib/udev/rules.d",),
    "polkit": ("usr/share/polkit-1/rules.d",),
    "sysctl": ("usr/lib/sysctl.d",),
    "tmpfiles": ("usr/lib/tmpfiles.d",),
    "sysusers": ("usr/lib/sysusers.d",),
    "nftables": ("usr/lib/ilot/network",),
    "dispatcher": ("usr/lib/NetworkManager/dispatcher.d", "usr/lib/NetworkManager/dispatcher.d/pre-up.d"),
    "dnsmasq": ("etc/NetworkManager/dnsmasq-shared.d",),
    "apt": ("usr/share/doc/ilot/examples",),
}
"""Folder of deploy/ -> where its files go, by their own names. Those of the backend's package begin with its name."""

DESCRIPTIONS = {
    "ilot": """edge hub for buildings: reads sensors, seals and delivers readings
 Îlot reads LoRaWAN, Sigfox, Bluetooth, EnOcean and MQTT sensors, M-Bus, Linky,
 Modbus, BACnet, KNX and OPC UA plant. It seals each reading to its owner's keys
 before it is written, and delivers it to the owner's own backend once in
 effect, after any outage.
 .
 Everything that it needs beside Debian's Python is in this package. Once it is
 installed, its pages answer on port 8443 and the hub can be claimed.""",
    "ilot-backend": """backend of Îlot hubs: receives, verifies and keeps readings
 The reference backend of an owner of Îlot hubs: it receives what they seal,
 opens it, keeps it, and serves it over an open interface.
 .
 Everything that it needs beside Debian's Python is in this package. Its keys
 are made once, with "ilot-backend init".""",
}
# Of what Debian 13 and Raspberry Pi OS install by themselves. What else is of use is only suggested: apt would want to
# fetch what is recommended, and a building may have no network.
DEPENDS = "python3 (>= {0}.{1}~), python3 (<< {0}.{2}~), libc6 (>= 2.41), libgcc-s1, libstdc++6, systemd, tzdata"
SUGGESTS = {"ilot": "bluez, dnsmasq-base, modemmanager, network-manager, nftables, tpm2-tools", "ilot-backend": ""}


def make(source: Path, release: Release, environment: Environment, architecture: str, scratch: Path, out: Path) -> Path:
    """Make one package in `out`, and the list of what is inside beside it."""
    package = environment.package
    root, papers_at = scratch / "root", f"usr/share/doc/{package}"
    tree = root / str(environment.home).lstrip("/")
    environment.unpack(tree, release.at)
    (tree / "counter").write_text(f"{release.counter}\n")
    if package == "ilot":
        _write(tree / "release-keys", (source / "deploy/release-keys").read_text())
    inside = distributions(tree / SITE)
    bill = papers.bill(package, architecture, release, inside, environment.wheels())
    name = f"{package}_{release.debian}_{architecture}"
    (out / f"{name}.cdx.json").write_text(bill)
    _write(root / papers_at / "sbom.cdx.json", bill)
    _write(root / papers_at / "copyright", papers.copyright_file(inside, tree / SITE))
    _packed(root / papers_at / "changelog.Debian.gz", papers.changelog(package, release))
    _packed(root / papers_at / "changelog.gz", (source / "CHANGELOG.md").read_text())
    _write(root / "usr/share/lintian/overrides" / package, (source / f"deploy/debian/{package}.overrides").read_text())
    launcher = root / "usr/bin" / package
    _write(launcher, (source / "deploy/launcher" / package).read_text())
    launcher.chmod(0o755)
    units = _system_files(source / "deploy", root, package)
    _help(source, release, environment, tree, root)
    _scripts(source / "deploy/debian", root / "DEBIAN", package, units)
    _control(root, release, package, architecture)
    said(["find", root, "-newermt", f"@{release.at}", "-exec", "touch", "-h", "-d", f"@{release.at}", "{}", "+"])
    archive = out / f"{name}.deb"
    said(["dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--threads-max=1", "--build", root, archive])
    shutil.rmtree(scratch)
    return archive


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _packed(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def owner(name: str) -> str:
    """The package that a file of deploy/ belongs to."""
    return "ilot-backend" if re.match(r"(\d+-)?ilot-backend\b", name) else "ilot"


def _system_files(deploy: Path, root: Path, package: str) -> list[Path]:
    """Put units, rules and the like where the system looks for them; return the units."""
    for folder, places in PLACES.items():
        for file in sorted((deploy / folder).glob("*")):
            for place in places if owner(file.name) == package else ():
                _write(root / place / file.name, file.read_text())
                (root / place / file.name).chmod(file.stat().st_mode & 0o755)
    return sorted((root / PLACES["units"][0]).glob("*"))


def _help(source: Path, release: Release, environment: Environment, tree: Path, root: Path) -> None:
    """Write manual pages and bash completion, by what the commands say of themselves."""
    package = environment.package
    runnable = tree
    if not environment.native:  # the same distributions, for this machine
        runnable = root.parent / "native"
        Environment(package, platform.machine(), environment.wheel).unpack(runnable, release.at)
    python = [runnable / "bin/python3", "-I", "-B"]
    clean = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    date = said(["date", "-u", "-d", f"@{release.at}", "+%Y-%m-%d"]).strip()
    command = ["backend"] if package == "ilot-backend" else []
    pages = root / "usr/share/man/man1"
    pages.mkdir(parents=True)
    manual = source / "tools/package/manual.py"
    said([*python, manual, pages, package, date, release.version, *command], env=clean)
    for page in sorted(pages.iterdir()):
        _packed(page.with_name(f"{page.name}.gz"), page.read_text())
        page.unlink()
    if package == "ilot":
        complete = said([*python, "-m", "hub"], env=clean | {"_ILOT_COMPLETE": "bash_source"})
        _write(root / "usr/share/bash-completion/completions/ilot", complete)


def _scripts(debian: Path, control: Path, package: str, units: list[Path]) -> None:
    """Write the maintainer's scripts. A unit that has a section [Install] is enabled and started; others are called."""
    enabled = [unit.name for unit in units if "[Install]" in unit.read_text() and "@" not in unit.name]
    root = control.parent

    def named(kind: str) -> str:
        return " ".join(sorted(file.name for file in (root / PLACES[kind][0]).glob("*")))

    names = {
        "@START@": (debian / "start.sh").read_text().rstrip(),
        "@STOPPED@": (debian / "stopped.sh").read_text().rstrip(),
        "@ENABLED@": " ".join(enabled),
        "@UNITS@": " ".join(unit.name for unit in units if "@" not in unit.name),
        "@TMPFILES@": named("tmpfiles"),
        "@SYSUSERS@": named("sysusers"),
    }
    for script, file in (("postinst", f"{package}.postinst"), ("prerm", "prerm"), ("postrm", f"{package}.postrm")):
        text = (debian / file).read_text()
        for name, value in names.items():
            text = text.replace(name, value)
        _write(control / script, text)
        (control / script).chmod(0o755)


def _control(root: Path, release: Release, package: str, architecture: str) -> None:
    files = [file for file in root.rglob("*") if file.is_file() and "DEBIAN" not in file.relative_to(root).parts]
    suggests = f"Suggests: {SUGGESTS[package]}\n" if SUGGESTS[package] else ""
    size = sum(-(-file.lstat().st_size // 1024) for file in files)
    _write(
        root / "DEBIAN/control",
        f"Package: {package}\nVersion: {release.debian}\nArchitecture: {architecture}\n"
        f"Maintainer: {papers.MAINTAINER}\nInstalled-Size: {size}\n"
        f"Depends: {DEPENDS.format(*PYTHON, PYTHON[1] + 1)}\n{suggests}"
        f"Section: net\nPriority: optional\nDescription: {DESCRIPTIONS[package]}\n",
    )
    conffiles = sorted(f"/{file.relative_to(root)}\n" for file in files if file.relative_to(root).parts[0] == "etc")
    if conffiles:
        _write(root / "DEBIAN/conffiles", "".join(conffiles))
    sums = said(["sh", "-c", "find usr -type f | LC_ALL=C sort | xargs -d '\\n' md5sum"], cwd=root)
    _write(root / "DEBIAN/md5sums", sums)
