"""Sealed small files of the configuration engine in the state directory, under the hub's store key.

    state_dir/config/NAME (0600) = magic (8 bytes) · nonce (12 bytes) ·
        AES-256-GCM(key of `last_good`, msgpack, aad = magic)

The configuration names devices and places, so it is not stored in clear beside the sealed buffer. Written to a
temporary file, synced and renamed. Blocking: never on the event loop.
"""

from __future__ import annotations

import os
from typing import TypeVar

import msgspec
from cryptography.exceptions import InvalidTag

from hub.config.last_good import LastGoodStore
from hub.core.disk.atomic_files import hand_over, make_directory, sync_directory, write_atomically
from hub.core.errors import StorageError
from hub.core.text import phrase, system_error

MAX_BYTES = 64 << 20
_NONCE = 12

T = TypeVar("T")


class Damaged(StorageError):
    """The file is not this hub's, or damaged."""


def write(kept: LastGoodStore, name: str, magic: bytes, value: msgspec.Struct) -> None:
    """Write a file. Raises StorageError."""
    nonce = os.urandom(_NONCE)
    sealed = magic + nonce + kept.aead.encrypt(nonce, msgspec.msgpack.encode(value), magic)
    target = kept.path.parent / name
    try:
        if not target.parent.is_dir():
            make_directory(target.parent)
            hand_over(target.parent)
        write_atomically(target, sealed)
        hand_over(target)
    except OSError as error:
        raise StorageError(
            phrase(
                "file-not-writable",
                "{path} cannot be written: {reason}",
                path=target,
                reason=system_error(error),
            )
        ) from error


def read(kept: LastGoodStore, name: str, magic: bytes, kind: type[T]) -> T | None:
    """Return the content; None when there is no file. Raises Damaged, or StorageError when the disk or the file's
    rights refuse it."""
    target = kept.path.parent / name
    try:
        with target.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(
            phrase("file-not-readable", "{path} cannot be read: {reason}", path=target, reason=system_error(error))
        ) from error
    try:
        if not content.startswith(magic):
            raise ValueError("another format")
        nonce, body = content[len(magic) : len(magic) + _NONCE], content[len(magic) + _NONCE :]
        return msgspec.msgpack.decode(kept.aead.decrypt(nonce, body, magic), type=kind)
    except (InvalidTag, msgspec.DecodeError, ValueError) as error:
        raise Damaged(
            phrase("sealed-file-damaged", "{file} is damaged, or was written under another key", file=target)
        ) from error


def remove(kept: LastGoodStore, name: str) -> None:
    """Delete the file durably. Raises StorageError."""
    target = kept.path.parent / name
    try:
        target.unlink(missing_ok=True)
        if target.parent.is_dir():
            sync_directory(target.parent)
    except OSError as error:
        raise StorageError(
            phrase(
                "file-not-removable",
                "{path} cannot be removed: {reason}",
                path=target,
                reason=system_error(error),
            )
        ) from error
