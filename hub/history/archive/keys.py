"""The root key of raw history: where it is stored, created and destroyed. Blocking.

    <state>/keys/raw.key    32 random bytes, mode 0600: on the same card as what it opens
    ilot-raw                …or a systemd credential of 32 bytes in its place
    <state>/keys/raw.tpm    the same, sealed by this machine's TPM (`hub.identity.keys.tpm`)

A missing key is created once. A key that cannot be opened is never replaced automatically, which would lose all files.
A factory reset destroys them with the hub's other keys.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from hub.core.disk.atomic_files import shred, write_atomically
from hub.core.errors import DecodeError, DiskRefuses, NotReady
from hub.core.text import phrase, reason_of, system_error
from hub.identity.keys import STORE_KEY_BYTES, credential, private_file, tpm

KEY_FILE, TPM = "key-file", "tpm"
FILES = {KEY_FILE: "raw.key", TPM: "raw.tpm"}
CREDENTIAL = "raw"
LABEL = b"ilot/raw-tpm/1\0"


def root_key(where: str, keys: Path, environment: Mapping[str, str] | None = None) -> bytes:
    """Return the root key, creating it if there is none.

    Raises NotReady when the TPM refuses, ConfigError when a file is invalid, DiskRefuses.
    """
    return _of_tpm(keys / FILES[TPM]) if where == TPM else _of_file(keys / FILES[KEY_FILE], environment)


def _of_file(path: Path, environment: Mapping[str, str] | None) -> bytes:
    given = credential(CREDENTIAL, os.environ if environment is None else environment)
    if given is None and not path.exists():
        _write(path, secrets.token_bytes(STORE_KEY_BYTES))
    return private_file(given or path, STORE_KEY_BYTES)


def _of_tpm(path: Path) -> bytes:
    if not path.exists():
        key = secrets.token_bytes(STORE_KEY_BYTES)
        blob = tpm.seal(key, LABEL)
        _write(path, blob)
        return key
    try:
        key = tpm.unseal(path.read_bytes(), LABEL)
    except DecodeError as error:
        raise NotReady(
            phrase(
                "raw-history-key-damaged",
                "{path} is damaged, remove it to begin anew without what lies there: {reason}",
                path=path,
                reason=error.detail,
            )
        ) from error
    except OSError as error:
        raise DiskRefuses(
            phrase("raw-history-key-not-read", "{path} cannot be read: {reason}", path=path, reason=system_error(error))
        ) from error
    except NotReady as error:
        raise NotReady(
            phrase(
                "raw-history-key-of-another-machine",
                "if this is another machine, or its TPM was cleared, remove {path} to begin anew: {reason}",
                reason=reason_of(error),
                path=path,
            )
        ) from error
    if len(key) != STORE_KEY_BYTES:
        raise NotReady(
            phrase(
                "raw-history-key-missing",
                "{path} does not hold a key of raw history: remove it to begin anew",
                path=path,
            )
        )
    return key


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomically(path, data)
    except OSError as error:
        raise DiskRefuses(
            phrase(
                "raw-history-key-not-written",
                "{path} cannot be written: {reason}",
                path=path,
                reason=system_error(error),
            )
        ) from error


def existing_keys(keys: Path) -> list[str]:
    """Return which of `key-file` and `tpm` exist."""
    return [where for where, name in FILES.items() if (keys / name).exists()]


def destroy(where: str, keys: Path) -> None:
    """Overwrite and remove a root key. Raises DiskRefuses."""
    try:
        with contextlib.suppress(FileNotFoundError):
            shred(keys / FILES[where])
    except OSError as error:
        raise DiskRefuses(
            phrase(
                "raw-history-key-not-destroyed",
                "{path} cannot be destroyed: {reason}",
                path=keys / FILES[where],
                reason=system_error(error),
            )
        ) from error
