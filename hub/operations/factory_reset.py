"""Factory reset: destroys the keys first, then everything else of a state directory. Blocking; no hub may run on it.

Without its keys the rest is useless: the stores are encrypted under the store's key, the buffer is sealed to the
owner's keys in any case. So each key file is overwritten with random bytes, synced, and unlinked before anything else:
a reset that a power cut interrupts has already destroyed the essential, and can be repeated. On flash an overwritten
block may survive in a cell that nobody can address; against somebody who opens the chip only a TPM or an encrypted disk
helps. Keys also lie in the files that a restoration set aside, and in remains of an interrupted enrolment.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import msgspec

from hub.core.disk.atomic_files import shred, sync_directory
from hub.core.errors import ConfigError, StorageError
from hub.core.state_dir import StateDir
from hub.core.text import phrase, system_error

_KEYS = ("keys", "former-*/keys", ".keys-*")


class ResetReport(msgspec.Struct, frozen=True):
    """Destroyed files, or those that would be: names below the state directory, and the bytes of the others."""

    directory: str
    keys: list[str]
    other_files: int
    other_bytes: int
    buffered_bytes: int


def preview(state: StateDir) -> ResetReport:
    """Return what a reset would destroy. Raises ConfigError when this is no hub's state directory, or its keys are
    reached through a link: root resets too, and the hub's user could make one point anywhere."""
    if not (state.keys.is_dir() or state.enrolment.exists() or state.store.exists()):
        raise ConfigError(
            phrase("not-a-state-directory", "{path} is no hub's state directory: nothing was touched", path=state.path)
        )
    keys = sorted(path for place in _KEYS for folder in state.path.glob(place) for path in _files(state, folder))
    others = [
        path
        for path in state.path.rglob("*")
        if stat.S_ISREG(path.lstat().st_mode) and path not in keys and path != state.path / "lock"
    ]
    buffered = [path for path in others if state.buffer in path.parents]
    return ResetReport(
        str(state.path),
        [str(path.relative_to(state.path)) for path in keys],
        len(others),
        _size(others),
        _size(buffered),
    )


def _files(state: StateDir, folder: Path) -> list[Path]:
    if folder.resolve() != state.path.resolve() / folder.relative_to(state.path):
        raise ConfigError(
            phrase(
                "reset-stops-at-link",
                "{folder} is a link to {target}, through which nothing is destroyed: destroy by hand what lies "
                "there, and remove the link",
                folder=folder,
                target=folder.resolve(),
            )
        )
    found = (Path(at) / name for at, _, names in os.walk(folder) for name in names)
    return [path for path in found if stat.S_ISREG(path.lstat().st_mode)]


def reset(state: StateDir) -> ResetReport:
    """Destroy all of it. Raises StorageError naming what could not be destroyed; ConfigError; also when a hub runs."""
    found = preview(state)
    with state.locked():
        try:
            for name in found.keys:
                shred(state.path / name)
            for folder in {(state.path / name).parent for name in found.keys}:
                sync_directory(folder)
            # the directory of the keys last: while it exists, an interrupted reset can be repeated
            for path in sorted(state.path.iterdir(), key=lambda path: path == state.keys):
                if path.name == "lock":
                    continue
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            sync_directory(state.path)
        except OSError as error:
            raise StorageError(
                phrase(
                    "reset-incomplete",
                    "not everything is destroyed, try again: {path}: {reason}",
                    path=error.filename,
                    reason=system_error(error),
                )
            ) from error
    return found


def _size(paths: list[Path]) -> int:
    return sum(path.lstat().st_size for path in paths)
