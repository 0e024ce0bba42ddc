"""Factory reset: destroys the keys first, then everything else of a state directory. Blocking; no hub may run on it.

Without its keys the rest is useless: the stores are encrypted under the store's key, the buffer is sealed to the
owner's keys in any case. So each key file is overwritten with random bytes, synced, and unlinked before anything else.
Keys also lie in the files that a restoration set aside, and in remains of an interrupted enrolment. What a TPM holds
for the hub is one of these files too: nothing lies in the TPM itself (`hub.identity.keys.sealed`).

A mark is written before all else and removed after all else. A reset that a power cut interrupts has already destroyed
the essential, and goes on at the next start of the hub (`hub.app.factory`). A running hub is reset so too: the mark is
set, the hub ends, and begins anew.

With `config` the configuration goes as well, with secrets.yaml and what it includes: a first one takes its place, so
that the hub can be claimed and enrolled again. Releases stay: they are the program.

On flash an overwritten block may survive in a cell that nobody can address; against somebody who opens the chip only a
TPM or an encrypted disk helps.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec

from hub.config.first_file import FIRST_NAME, configuration
from hub.config.source import SECRETS, read_all
from hub.core.disk.atomic_files import overwrite, owner_of, shred, sync_directory, write_atomically
from hub.core.errors import ConfigError, StorageError
from hub.core.state_dir import StateDir
from hub.core.text import phrase, reason_of, system_error

_KEYS = ("keys", "former-*/keys", ".keys-*")
_KEPT = ("lock", "releases", "lost+found")
MARK = "reset-requested"
_MOST = 4096


class ResetRequest(msgspec.Struct, frozen=True):
    """A reset that somebody wants: who, when (Unix seconds), whether the configuration goes too, and the claim code
    that makes the first administrateur afterwards ("": none was shown to anybody)."""

    by: str = "?"
    at: float = 0.0
    config: bool = False
    code: str = ""


class ResetReport(msgspec.Struct, frozen=True):
    """Destroyed files, or those that would be: names below the state directory, and the bytes of the others.
    `configuration`: its files, where they go too; `left`: what of it could not be destroyed, and why."""

    directory: str
    keys: list[str]
    other_files: int
    other_bytes: int
    buffered_bytes: int
    configuration: list[str] = []
    left: list[str] = []


def request(state: StateDir, wanted: ResetRequest) -> None:
    """Set the mark: from now on the next start destroys everything. Raises StorageError."""
    path = state.path / MARK
    try:
        write_atomically(path, msgspec.json.encode(wanted), owner=owner_of(state.path))
    except OSError as error:
        raise StorageError(
            phrase("file-cannot-be-written", "cannot write {path}: {reason}", path=path, reason=system_error(error))
        ) from error


def requested(state: StateDir) -> ResetRequest | None:
    """Return what the mark says; None without one. A mark that cannot be read is one: keys may be gone already."""
    try:
        with (state.path / MARK).open("rb") as file:
            return msgspec.json.decode(file.read(_MOST), type=ResetRequest)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return ResetRequest()


def preview(state: StateDir, config: Path | None = None) -> ResetReport:
    """Return what a reset would destroy, with the configuration at `config`, where given. Raises ConfigError when this
    is no hub's state directory, or its keys are reached through a link: root resets too, and the hub's user could make
    one point anywhere."""
    marked = (state.path / MARK).exists()
    if not (state.keys.is_dir() or state.enrolment.exists() or state.store.exists() or marked):
        raise ConfigError(
            phrase("not-a-state-directory", "{path} is no hub's state directory: nothing was touched", path=state.path)
        )
    keys = sorted(path for place in _KEYS for folder in state.path.glob(place) for path in _files(state, folder))
    kept = [state.path / name for name in (*_KEPT, MARK)]
    others = [
        path
        for path in state.path.rglob("*")
        if stat.S_ISREG(path.lstat().st_mode)
        and path not in keys
        and not any(path == one or one in path.parents for one in kept)
    ]
    buffered = [path for path in others if state.buffer in path.parents]
    return ResetReport(
        str(state.path),
        [str(path.relative_to(state.path)) for path in keys],
        len(others),
        _size(others),
        _size(buffered),
        [str(path) for path in _configuration(config)] if config is not None else [],
    )


def _configuration(config: Path) -> list[Path]:
    """Return the files of the configuration, those that a restoration set aside among them; the first file last."""
    names = [*(name for name in read_all(config).files if name != config.name), SECRETS]
    former = [path for folder in config.parent.glob("former-*") for path in folder.rglob("*")]
    found = [config.parent / name for name in names]
    return [path for path in (*found, *former, config) if path.is_file() and not path.is_symlink()]


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


def reset(state: StateDir, config: Path | None = None, wanted: ResetRequest | None = None) -> ResetReport:
    """Destroy all of it, with the configuration at `config` where given. The mark goes last, and stays where `wanted`
    has a claim code, for whoever makes that valid. Raises StorageError naming what could not be destroyed; ConfigError;
    also when a hub runs."""
    found = preview(state, config)
    wanted = wanted or ResetRequest(by="cli", config=config is not None)
    with state.locked():
        request(state, wanted)
        try:
            for name in found.keys:
                shred(state.path / name)
            for folder in {(state.path / name).parent for name in found.keys}:
                sync_directory(folder)
            left = [] if config is None else _erase(config, state)
            # the directory of the keys last: while it exists, a former release can repeat an interrupted reset
            for path in sorted(state.path.iterdir(), key=lambda path: path == state.keys):
                if path.name in _KEPT or path.name == MARK:
                    continue
                if path.is_dir() and not path.is_symlink():
                    import shutil  # imported late: rarely needed

                    shutil.rmtree(path)
                else:
                    path.unlink()
            sync_directory(state.path)
            if not wanted.code:
                finish(state)
        except OSError as error:
            raise StorageError(
                phrase(
                    "reset-incomplete",
                    "not everything is destroyed, try again: {path}: {reason}",
                    path=error.filename,
                    reason=system_error(error),
                )
            ) from error
    return msgspec.structs.replace(found, left=left)


def finish(state: StateDir) -> None:
    """Destroy the mark, with the claim code in it. Raises OSError."""
    shred(state.path / MARK)
    sync_directory(state.path)


def _erase(config: Path, state: StateDir) -> list[str]:
    """Destroy the configuration and put a first one in its place; return what could not be, and why. The first file is
    overwritten under the new one: a reset that is cut short leaves a file that can be read."""
    left = list[str]()
    for path in _configuration(config):
        try:
            if path != config:
                shred(path)
                continue
            former = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                text = configuration(FIRST_NAME, str(state.path), pages=True)
                write_atomically(path, text.encode(), 0o640, owner=owner_of(path.parent))
                overwrite(former)
            finally:
                os.close(former)
        except OSError as error:
            left.append(phrase("fault-in-file", "{file}: {reason}", file=path, reason=reason_of(error)))
    return left


def _size(paths: list[Path]) -> int:
    return sum(path.lstat().st_size for path in paths)
