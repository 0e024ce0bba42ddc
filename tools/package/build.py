"""Wheels, source archive and Debian packages of the last commit, the same bytes for the same commit.

    python tools/package/build.py [--arch amd64] [--arch arm64] [--out dist]

The wheel `ilot` holds all, and `ilot-sdk` what vendors need (`sdk`). Of the packages, `ilot` is the hub, `ilot-backend`
the backend, each for two architectures, each with all it needs of PyPI: a machine that installs them asks nobody. A
CycloneDX list of what is inside lies beside each. Needs CPython 3.13, whose wheels and bytecode are packed, pip, and
dpkg-deb; what was fetched once is kept in .cache/package. docs/adr/0111 says why so.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sdk
import staging
from environment import PYTHON, Environment
from release import ROOT, Release, said

ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
"""Debian's name -> Python's. No others: Debian's armhf has no wheels of half of what is packed."""


def export(release: Release, to: Path) -> None:
    """Write the committed files to `to`, with the release's version, catalogues compiled and the pages' script."""
    with subprocess.Popen(["git", "-C", ROOT, "archive", release.commit], stdout=subprocess.PIPE) as archive:
        subprocess.run(["tar", "-x", "-C", to], stdin=archive.stdout, check=True)
    if archive.returncode:
        raise SystemExit("package: git could not write the committed files")
    project = to / "pyproject.toml"
    text, changed = re.subn(
        r'^version = ".*"$', f'version = "{release.version}"', project.read_text(), count=1, flags=re.MULTILINE
    )
    if not changed:
        raise SystemExit("package: no version in pyproject.toml")
    project.write_text(text)
    for folder, file in (("hub/page_kit/static/qr", "decode.js"), ("backend/city/pages/static/leaflet", "leaflet.js")):
        if not (ROOT / folder / file).exists():
            raise SystemExit("package: a script of the pages is not here: tools/setup.sh dist")
        shutil.copytree(ROOT / folder, to / folder)
    subprocess.run([sys.executable, to / "tools/catalogues.py", "compile"], check=True, stdout=subprocess.DEVNULL)
    said(["find", to, "-exec", "touch", "-h", "-d", f"@{release.at}", "{}", "+"])


def steady(archive: Path, at: int) -> None:
    """Write a source archive anew: what setuptools made while it ran bears the time `at`, as all else does."""
    packed = io.BytesIO()
    with tarfile.open(archive) as old, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda one: one.name):
            data = old.extractfile(member) if member.isfile() else None
            member.mtime, member.uid, member.gid, member.uname, member.gname = at, 0, 0, "", ""
            member.pax_headers = {}
            new.addfile(member, data)
    archive.write_bytes(gzip.compress(packed.getvalue(), 9, mtime=0))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", action="append", choices=sorted(ARCHITECTURES))
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    options = parser.parse_args(arguments)
    if sys.version_info[:2] != PYTHON or sys.implementation.name != "cpython":
        raise SystemExit("package: needs CPython 3.13, Debian 13's, which is what it packs for: ILOT_PYTHON=python3.13")
    os.umask(0o022)
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    release = Release.of_head()
    os.environ |= {
        "SOURCE_DATE_EPOCH": str(release.at),
        "LC_ALL": "C.UTF-8",
        "PIP_CONSTRAINT": "/dev/null",
        "TZ": "UTC",
    }
    with tempfile.TemporaryDirectory(prefix="ilot-package-") as scratch:
        source = Path(scratch) / "source"
        source.mkdir()
        export(release, source)
        said([sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source])
        steady(out / f"ilot-{release.version}.tar.gz", release.at)
        wheel = out / f"ilot-{release.version}-py3-none-any.whl"
        print(sdk.make(source, out, release.version, at=release.at))
        wanted = [
            (package, architecture) for architecture in options.arch or ARCHITECTURES for package in staging.PACKAGES
        ]

        def make(one: tuple[str, str]) -> Path:
            package, architecture = one
            environment = Environment(package, ARCHITECTURES[architecture], wheel)
            return staging.make(source, release, environment, architecture, Path(scratch) / "-".join(one), out)

        for architecture in {architecture for _, architecture in wanted}:  # of all, before anything is unpacked
            for package in staging.PACKAGES:
                Environment(package, ARCHITECTURES[architecture], wheel).fetch()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for made in pool.map(make, wanted):
                print(f"{made}  {made.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
