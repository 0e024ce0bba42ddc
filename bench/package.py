"""From a clone to a hub that can be claimed: how long `make dist` and `apt install` take, and what the package takes.

    python bench/package.py [--package dist/ilot_…_amd64.deb]

`make dist` runs in a clone of the last commit, with a virtual environment of its own; wheels and scripts that were
fetched before are not fetched again. With `--package` nothing is built. Installed in a Debian 13 with a real systemd (a
container, as root; systemd-container and debootstrap must be there), without network; the page cache is warm. Measured
from the start of `apt-get install` until the hub's page of the claim has answered.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
from measure import figure

from tests.package.machine import NATIVE, booted, copy_of

ROOT = Path(__file__).parents[1]
CLAIM = """
import ssl, urllib.request
urllib.request.urlopen("https://127.0.0.1:8443/claim", context=ssl._create_unverified_context()).read()
"""


def built(clone: Path) -> Path:
    """Build the last commit's packages in a clone of it, and return the hub's for this machine."""
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
    (clone / ".cache").symlink_to(ROOT / ".cache")
    began = time.perf_counter()
    environment = {**os.environ, "ILOT_VENV": ".venv", "ILOT_PYTHON": "/usr/bin/python3"}
    subprocess.run(["make", "-C", clone, "dist"], check=True, stdout=subprocess.DEVNULL, env=environment)
    figure("make dist", time.perf_counter() - began, "s", "two packages for each of two architectures, from a clone")
    for package in sorted((clone / "dist").glob("*.deb")):
        figure(f"{package.name.replace(version_in(package), 'VERSION')}", package.stat().st_size / 1e6, "MB")
    return next((clone / "dist").glob(f"ilot_*_{NATIVE}.deb"))


def version_in(package: Path) -> str:
    return package.name.split("_")[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ilot-bench-") as scratch:
        package = options.package or built(Path(scratch) / "clone")
        figure("package", package.stat().st_size / 1e6, "MB")
        with booted(copy_of(NATIVE, Path(scratch) / "tree")) as machine:
            began = time.perf_counter()
            machine.install(package)
            machine.python(CLAIM)
            figure("apt install to claimable", time.perf_counter() - began, "s")
            used = int(machine.said("du", "-sm", "/usr/lib/ilot").split()[0])
            figure("installed", used * 1.048576, "MB", "/usr/lib/ilot, bytecode included")


if __name__ == "__main__":
    main()
