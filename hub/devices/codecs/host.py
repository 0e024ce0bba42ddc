"""Answers what the JavaScript around a codec asks Python for: ciphers, hashes, time zones, and its own other parts.

Nothing is kept from one question to the next, so that no call of a codec sees anything of another. Bounded: each answer
takes microseconds, or a few milliseconds for MOST bytes. Time zones are read at the start, since the worker can open no
file later. Raises ValueError, whose text the codec sees as a RangeError.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import importlib.util
import os
import re
import zoneinfo
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM

MOST = 1 << 20
"""Bytes of one question: far more than a payload, and a few milliseconds of the slowest hash."""
HASHES = "md5 sha1 sha224 sha256 sha384 sha512 sha3-224 sha3-256 sha3-384 sha3-512"
LATER = ("crypto", "intl", "node")
"""Parts that are evaluated when a codec needs them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def part(name: str) -> str:
    """Return the source of a part, a file beside this one."""
    return Path(__file__).with_name(f"{name}.js").read_text("utf-8")


class Host:
    """The questions, by name: `answer(name, …)`."""

    def __init__(self) -> None:
        self._parts = {name: part(name) for name in LATER}
        self._zones = _zone_files()
        self._read: dict[str, zoneinfo.ZoneInfo] = {}
        self._questions: dict[str, Callable[..., Any]] = {
            "part": self._parts.__getitem__,
            "digest": _digest,
            "hmac": _hmac,
            "aes": _aes,
            "aead": _aead,
            "random": _random,
            "zone": self._zone,
            "offset": self._offset,
        }
        _aes("ecb", bytes(16), b"", bytes(16), 1)  # what the libraries load when first used, before the files close
        _aead("gcm", bytes(16), bytes(12), b"", b"", 16)
        _hmac("md5", b"", b"")

    def answer(self, name: str, *arguments: Any) -> Any:
        if any(isinstance(one, bytes | str) and len(one) > MOST for one in arguments):
            raise ValueError(f"a codec may have {MOST} bytes hashed or ciphered at once")
        return self._questions[name](*arguments)

    def _zone(self, name: str) -> str | None:
        """Return the name of a time zone as the IANA spells it, None for one that is not known."""
        found = self._zones.get(name.lower())
        return found[0] if found else None

    def _offset(self, name: str, milliseconds: float) -> float:
        """Return the seconds that a zone is ahead of UTC at a time."""
        spelt, content = self._zones[name.lower()]
        if spelt not in self._read:
            self._read[spelt] = zoneinfo.ZoneInfo.from_file(BytesIO(content), spelt)
        try:
            moment = _EPOCH + timedelta(milliseconds=milliseconds)
            offset = moment.astimezone(self._read[spelt]).utcoffset()
        except OverflowError as error:
            raise ValueError("a time zone is known for the years 1 to 9999") from error
        return offset.total_seconds() if offset else 0.0


def _zone_files() -> dict[str, tuple[str, bytes]]:
    """Read the machine's time zones, then those of the tzdata package: lower-case name → (name, content)."""
    package = importlib.util.find_spec("tzdata")  # not importlib.resources, which takes a megabyte
    packaged = [os.path.join(folder, "zoneinfo") for folder in (package and package.submodule_search_locations) or ()]
    found, once = {}, dict[bytes, bytes]()  # a third of the names are others' second ones
    for place in (*zoneinfo.TZPATH, *packaged):
        for folder, folders, names in os.walk(place):
            if folder == place:
                folders[:] = [name for name in folders if name not in ("posix", "right")]  # the same by other counts
            for path in (os.path.join(folder, name) for name in names):
                name = os.path.relpath(path, place)
                if name.lower() in found or name == "posixrules":
                    continue
                with contextlib.suppress(OSError), open(path, "rb") as file:
                    if (start := file.read(4)) == b"TZif":
                        content = start + file.read()
                        found[name.lower()] = (name, once.setdefault(content, content))
    return found


def _hash(name: str) -> str:
    known = re.sub(r"^rsa-|^(sha)-(?=\d)", r"\1", name.lower())
    if not known or known not in HASHES.split():
        raise ValueError(f"Digest method not supported: the hub has no {name}")
    return known.replace("sha3-", "sha3_")


def _digest(name: str, data: bytes) -> bytes:
    return hashlib.new(_hash(name), data, usedforsecurity=False).digest()


def _hmac(name: str, key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, _hash(name)).digest()


def _aes(mode: str, key: bytes, start: bytes, data: bytes, encrypt: float) -> bytes:
    """Whole blocks, without padding; for `ctr` any length."""
    if mode == "ecb":
        cipher: Cipher[Any] = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - a device's choice, not the hub's
    elif mode == "cbc":
        cipher = Cipher(algorithms.AES(key), modes.CBC(start))
    elif mode == "ctr":
        cipher = Cipher(algorithms.AES(key), modes.CTR(start))
    else:
        raise ValueError(f"the hub has no AES in mode {mode}")
    turn = cipher.encryptor() if encrypt else cipher.decryptor()
    return turn.update(data) + turn.finalize()


def _aead(mode: str, key: bytes, nonce: bytes, data: bytes, associated: bytes, tag: float) -> bytes:
    """Encrypt; the tag follows. The keystream does not depend on the data, so this decrypts as well."""
    if mode == "gcm":
        return AESGCM(key).encrypt(nonce, data, associated)
    return AESCCM(key, int(tag)).encrypt(nonce, data, associated)


def _random(size: float) -> bytes:
    if not 0 <= size <= MOST:
        raise ValueError(f"a codec may have {MOST} random bytes at once")
    return os.urandom(int(size))
