"""A machine with a package and releases: what restarts, answers and sleeps is played, the disk is real."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.operations.releases import bundle, trees
from hub.operations.releases.machine import Machine
from hub.operations.releases.notes import Notes, Outcome
from hub.operations.releases.package import Package
from hub.operations.releases.switching import Switching
from hub.operations.releases.trial import Health
from hub.protocol.documents.release import Release, sign_release

NOW = 1_800_000_000.0
DAY = 86_400.0
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
GOOD = Health(reporting=3, expected=3, written=100, pages="127.0.0.1:8443")


class PlayedMachine(Machine):
    """Time passes only by sleeping. `health(counter)` is what a release says of itself, None when it is silent."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.state / "hub.sock")
        self._place = place
        self.passed, self.today = 0.0, NOW
        self.started: list[int] = []
        self.health: Callable[[int], Health | None] = lambda counter: msgspec.structs.replace(GOOD, counter=counter)
        self.ended_by_itself: Callable[[int], int] = lambda counter: 0
        self.pages: Callable[[int], bool] = lambda counter: True
        self.during: Callable[[float], None] = lambda passed: None
        self.is_stopped = False

    def monotonic(self) -> float:  # type: ignore[override]
        return self.passed

    def now(self) -> float:  # type: ignore[override]
        return self.today + self.passed

    def sleep(self, seconds: float) -> None:  # type: ignore[override]
        self.passed += seconds
        self.during(self.passed)

    def architecture(self) -> str:
        return "arm64"

    def pythons(self) -> frozenset[str]:
        return frozenset({"3.13"})

    def restart(self) -> None:
        self.started.append(self._place.runs())

    def restarts(self) -> int:
        return self.ended_by_itself(self.running)

    def stopped(self) -> bool:
        return self.is_stopped

    @property
    def running(self) -> int:
        return self.started[-1] if self.started else self._place.package_counter

    def ask(self, before: Health | None, *, over: bool) -> Health | None:
        return self.health(self.running)

    def pages_answer(self, address: str) -> bool:
        return self.pages(self.running)


class Place:
    """Directories of one machine, bundles for it, and its switch."""

    def __init__(self, path: Path) -> None:
        self.path, self.state, self.root, self.package = path, path / "state", path / "root", path / "package"
        for folder in (self.state, self.root, self.package):
            folder.mkdir(parents=True)
        self.package_counter = 100
        self.ship(100, KEY)
        self.machine = PlayedMachine(self)

    def ship(self, counter: int, *keys: Ed25519PrivateKey, threshold: int = 1) -> None:
        """Install a package of this counter with these keys, as apt does."""
        self.package_counter = counter
        (self.package / "counter").write_text(f"{counter}\n")
        lines = [f"ed25519 {key.public_key().public_bytes_raw().hex()} maker" for key in keys]
        (self.package / "release-keys").write_text("\n".join([f"threshold {threshold}", *lines]))

    def tree(self, counter: int, **files: str) -> Path:
        """A tree as the package's builder makes it, small."""
        tree = self.path / f"tree-{counter}-{len(list(self.path.iterdir()))}"
        (tree / "lib" / "hub").mkdir(parents=True)
        (tree / "bin").mkdir()
        (tree / "counter").write_text(f"{counter}\n")
        (tree / "pyvenv.cfg").write_text("home = /usr/bin\n")
        (tree / "lib" / "hub" / "code.py").write_text(f"counter = {counter}\n" * 50)
        for name, text in files.items():
            (tree / "lib" / name).write_text(text)
        return tree

    def release(self, counter: int, tree: Path | None = None, **facts: Any) -> tuple[Release, Path]:
        tree = tree or self.tree(counter)
        known: dict[str, Any] = {
            "counter": counter, "version": f"1.0.{counter}", "architecture": "arm64", "python": "3.13",
            "issued": NOW - DAY, "expires": NOW + 90 * DAY, "writes": 1, "reads": 1, "files": bundle.listed(tree),
        }  # fmt: skip
        return Release(**{**known, **facts}), tree

    def bundle(self, counter: int, *keys: Ed25519PrivateKey, tree: Path | None = None, **facts: Any) -> bytes:
        """A whole bundle, signed by these keys."""
        release, tree = self.release(counter, tree, **facts)
        target = io.BytesIO()
        bundle.write(sign_release(release, keys or (KEY,)), tree, release.files, target)
        return target.getvalue()

    def switching(self, **options: Any) -> Switching:
        return Switching(Package(self.package), self.state, Notes(self.root), self.machine, **options)

    def install(self, data: bytes, **options: Any) -> Outcome:
        return self.switching().install(io.BytesIO(data), "test", **options)

    def runs(self) -> int:
        """The counter of the tree that the launcher would start."""
        link = self.state / trees.RELEASES / trees.CURRENT
        named = int(os.readlink(link)) if link.is_symlink() and link.exists() else 0
        return max(named, self.package_counter)

    def here(self) -> set[str]:
        """Names in the directory of releases."""
        folder = self.state / trees.RELEASES
        return set(os.listdir(folder)) if folder.exists() else set()
