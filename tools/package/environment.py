"""The Python environment of a package: pinned wheels of one architecture, unpacked and compiled."""

from __future__ import annotations

import shutil
import subprocess
import sys
from hashlib import sha256
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import NamedTuple

from release import ROOT, said

PYTHON = (3, 13)
"""Debian 13's."""
GLIBC = 41
"""Debian 13's is 2.41: wheels for an older one run on it."""
EXTRAS = {"ilot": ("all",), "ilot-backend": ("mqtt",)}
SITE = f"lib/python{PYTHON[0]}.{PYTHON[1]}/site-packages"
KEPT = ROOT / ".cache/package"


class Environment(NamedTuple):
    """What one package holds below /usr/lib/PACKAGE, for a machine of Python's name `machine`."""

    package: str
    machine: str
    wheel: Path

    @property
    def home(self) -> Path:
        """Where it is installed."""
        return Path("/usr/lib") / self.package

    @property
    def native(self) -> bool:
        return self.machine == subprocess.check_output(["uname", "-m"], text=True).strip()

    @property
    def store(self) -> Path:
        return KEPT / self.machine

    def pins(self) -> str:
        return said([sys.executable, ROOT / "tools/pins.py", *EXTRAS[self.package]])

    def _for_machine(self) -> list[str]:
        """What tells pip for which machine to choose, whichever it runs on."""
        levels = [f"manylinux_2_{minor}_{self.machine}" for minor in range(GLIBC, 16, -1)]
        abis = (f"cp{PYTHON[0]}{PYTHON[1]}", "abi3", "none")
        words = ["--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON[0]}.{PYTHON[1]}"]
        words += [f"--platform={level}" for level in [*levels, f"manylinux2014_{self.machine}"]]
        return words + [f"--abi={abi}" for abi in abis]

    def _pip(self, command: str, *arguments: str | Path) -> None:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q", command, "--no-deps"]
        said([*pip, *self._for_machine(), *arguments])

    def fetch(self) -> None:
        """Fetch what of it is not here yet, hashes checked."""
        pins = self.pins()
        have = self.store / f".have-{sha256(pins.encode()).hexdigest()}"
        if have.exists():
            return
        self.store.mkdir(parents=True, exist_ok=True)
        listed = self.store / f"{self.package}.pins"
        listed.write_text(pins)
        self._pip("download", "--require-hashes", "-r", listed, "-d", self.store)
        have.touch()

    def unpack(self, tree: Path, at: int) -> None:
        """Make it at `tree`, every file with the time `at`, bytecode told where it will lie."""
        site = tree / SITE
        site.mkdir(parents=True)
        listed = tree.parent / f"{self.package}.pins"
        listed.write_text(self.pins())
        local = ("--no-index", "--no-compile", "--target", site)
        self._pip("install", *local, "--require-hashes", "--find-links", self.store, "-r", listed)
        self._pip("install", *local, "--find-links", self.wheel.parent, f"ilot=={self.wheel.name.split('-')[1]}")
        for one in sorted(site.glob("*.dist-info")):
            trim(site, one)
        shutil.rmtree(site / "bin", ignore_errors=True)
        # A plugin or a parser of somebody else's, which an update of the package leaves where it is.
        (site / "ilot-local.pth").write_text(f"/usr/local/lib/{self.package}\n")
        (tree / "bin").mkdir()
        (tree / "bin/python3").symlink_to("/usr/bin/python3")
        (tree / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
        said(["chmod", "-R", "u=rwX,go=rX", tree])
        said(["find", tree, "-type", "f", "-perm", "/111", "-exec", "chmod", "a-x", "{}", "+"])
        said(["find", tree, "-exec", "touch", "-h", "-d", f"@{at}", "{}", "+"])
        compiling = [sys.executable, "-I", "-m", "compileall", "-q", "--invalidation-mode", "timestamp"]
        said([*compiling, "-s", tree, "-p", self.home, site])

    def wheels(self) -> dict[str, str]:
        """Name and version, as in the wheel's name -> SHA-256 of the wheel."""
        files = [*self.store.glob("*.whl"), self.wheel]
        return {"-".join(file.name.split("-")[:2]): sha256(file.read_bytes()).hexdigest() for file in files}


UNUSED = ("tests", "sqlite_extra_binaries")
"""Folders of distributions that nobody runs here: their tests, and programs that one of them brings along."""


def trim(site: Path, info: Path) -> None:
    """Remove of one distribution what nobody runs here, its commands among it."""
    kept = []
    for line in (info / "RECORD").read_text().splitlines():
        parts = Path(line.strip('"')).parts
        if parts[0] in ("..", "bin") or (len(parts) > 2 and parts[1] in UNUSED):
            continue
        kept.append(line)
    (info / "RECORD").write_text("".join(f"{line}\n" for line in kept))
    for top in {Path(line).parts[0] for line in kept}:
        for folder in UNUSED:
            shutil.rmtree(site / top / folder, ignore_errors=True)


def distributions(site: Path) -> list[PathDistribution]:
    """What is installed at `site`, by name."""
    found = [PathDistribution(info) for info in site.glob("*.dist-info")]
    return sorted(found, key=lambda one: str(one.name).lower())
