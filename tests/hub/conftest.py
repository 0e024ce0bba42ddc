"""What more than one folder of the hub's tests looks at."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def shared_path() -> Iterator[Path]:
    """A folder that other users can enter. Pytest closes its own to them each time that one starts on the machine."""
    with tempfile.TemporaryDirectory(prefix="ilot-shared-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def disk_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The syncs of files and directories and the renames from here on, in their order."""
    calls: list[str] = []
    fsync, replace, rename = os.fsync, Path.replace, os.rename

    def synced(descriptor: int) -> None:
        calls.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def replaced(self: Path, target: Path) -> Path:
        calls.append("rename")
        return replace(self, target)

    def renamed(old: str, new: str, **more: int) -> None:
        calls.append("rename")
        rename(old, new, **more)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    monkeypatch.setattr(Path, "replace", replaced)
    return calls
