"""Factory reset: the keys first, then everything else of a state directory. Blocking; no hub may run on it.

Without its keys the rest is noise: the stores are encrypted under the store's key, the buffer is sealed to the owner's
keys in any case. So each key file is overwritten with random bytes, synced, and unlinked before anything else goes: a
reset that is cut short by a power cut has already destroyed what matters, and is done again. On flash an overwritten
block may still lie in a cell that nobody can address; against somebody who opens the chip only a TPM or an encrypted
disk helps. Keys also lie in what a restoration set aside, and in what a power cut left of an enrolment.
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

_KEYS = ("keys", "former-*/keys", ".keys-*")


class Reset(msgspec.Struct, frozen=True):
    """What is, or would be, destroyed: names below the state directory, and the bytes of all else."""

    directory: str
    keys: list[str]
    other_files: int
    other_bytes: int
    buffered_bytes: int


def look(state: StateDir) -> Reset:
    """What a reset would destroy. Raises ConfigError when this is no hub's state directory, or its keys are reached
    through a link: root resets too, and the hub's user could have one lead anywhere."""
    if not (state.keys.is_dir() or state.enrolment.exists() or state.store.exists()):
        raise ConfigError(f"{state.path} is no hub's state directory: nothing was touched")
    keys = sorted(path for place in _KEYS for folder in state.path.glob(place) for path in _files(state, folder))
    others = [
        path
        for path in state.path.rglob("*")
        if stat.S_ISREG(path.lstat().st_mode) and path not in keys and path != state.path / "lock"
    ]
    buffered = [path for path in others if state.buffer in path.parents]
    return Reset(
        str(state.path),
        [str(path.relative_to(state.path)) for path in keys],
        len(others),
        _size(others),
        _size(buffered),
    )


def _files(state: StateDir, folder: Path) -> list[Path]:
    if folder.resolve() != state.path.resolve() / folder.relative_to(state.path):
        raise ConfigError(
            f"{folder} is a link to {folder.resolve()}, through which nothing is destroyed: destroy by hand what lies "
            "there, and remove the link"
        )
    found = (Path(at) / name for at, _, names in os.walk(folder) for name in names)
    return [path for path in found if stat.S_ISREG(path.lstat().st_mode)]


def reset(state: StateDir) -> Reset:
    """Destroy it all. Raises StorageError, naming what could not be destroyed; ConfigError; and when a hub runs."""
    found = look(state)
    with state.locked():
        try:
            for name in found.keys:
                shred(state.path / name)
            for folder in {(state.path / name).parent for name in found.keys}:
                sync_directory(folder)
            # last, the directory of the keys: as long as it is there, a reset that was cut short can be done again
            for path in sorted(state.path.iterdir(), key=lambda path: path == state.keys):
                if path.name == "lock":
                    continue
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            sync_directory(state.path)
        except OSError as error:
            raise StorageError(f"not everything is destroyed: {error.filename}: {error.strerror}. Try again") from error
    return found


def _size(paths: list[Path]) -> int:
    return sum(path.lstat().st_size for path in paths)
