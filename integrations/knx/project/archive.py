"""Reads the files inside a .knxproj: an untrusted zip archive, opened within limits.

APPNOTE.TXT 6.3.10 (.ZIP File Format Specification). ETS 4 and 5 keep a protected project in an archive within the
archive with the old zip cipher, ETS 6 with AES (`integrations.knx.project.aes`).
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import hub
from hub.sdk.phrases import phrase, reason_of, system_error
from integrations.knx.project import aes

LARGEST_FILE = 512 << 20
"""Maximum bytes of the archive itself."""
LARGEST_MEMBER = 256 << 20
"""Maximum bytes of one file inside, once unpacked. Product databases are the large ones."""
LARGEST_INNER = 64 << 20
"""Maximum bytes of the protected archive inside, which is held in memory."""
RATIO = 400
"""Maximum ratio of unpacked to packed size. XML of ETS reaches some 60; deflate cannot pass 1,032."""
MOST_MEMBERS = 50_000
LARGEST_DIRECTORY = 16 << 20
"""Maximum bytes of the list of members, which is held in memory."""
CHUNK = 1 << 16

_END = b"PK\x05\x06"
_LOCAL = 30
"""Octets of a local file header before its name."""


class Archive:
    """A zip archive. `file` is a path or the octets of an archive within another one."""

    def __init__(self, file: Path | bytes, password: bytes | None = None) -> None:
        """Raises DecodeError `not-a-project` or `too-large`, NotReady when the file cannot be read."""
        try:
            if isinstance(file, Path) and file.stat().st_size > LARGEST_FILE:
                raise hub.DecodeError(
                    "too-large",
                    phrase(
                        "knx.project-too-large",
                        "{file} has more than {megabytes} MB",
                        file=file.name,
                        megabytes=LARGEST_FILE >> 20,
                    ),
                )
            self._file: BinaryIO = file.open("rb") if isinstance(file, Path) else io.BytesIO(file)
        except OSError as error:
            raise hub.NotReady(
                phrase(
                    "knx.file-unreadable",
                    "{file} cannot be read: {reason}",
                    file=str(file) if isinstance(file, Path) else phrase("knx.inner-archive", "the archive inside"),
                    reason=system_error(error),
                )
            ) from error
        try:
            _bounded(self._file)
            self._zip = zipfile.ZipFile(self._file)
        except hub.DecodeError:
            self._file.close()
            raise
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            self._file.close()
            raise hub.DecodeError(
                "not-a-project", phrase("knx.not-a-project", "this is no .knxproj file of ETS (a zip archive)")
            ) from error
        self._password = password
        self._members = {info.filename: info for info in self._zip.infolist()}
        if len(self._members) > MOST_MEMBERS:
            self.close()
            raise hub.DecodeError(
                "too-large",
                phrase("knx.too-many-files", "more than {most} files inside", most=MOST_MEMBERS),
            )

    def names(self) -> list[str]:
        return list(self._members)

    def close(self) -> None:
        """Close the archive, including members that were not read to their end."""
        self._zip.close()
        self._file.close()

    def read(self, name: str, largest: int = LARGEST_INNER) -> bytes:
        """Return a whole member. Raises DecodeError as `chunks` does."""
        return b"".join(self.chunks(name, largest))

    def chunks(self, name: str, largest: int = LARGEST_MEMBER) -> Iterator[bytes]:
        """Unpack a member in pieces. Raises DecodeError with `not-a-project` (no such member), `too-large`, `bomb`,
        `wrong-password`, `zip-encryption` or `zip-damaged`."""
        info = self._members.get(name)
        if info is None:
            raise hub.DecodeError(
                "not-a-project", phrase("knx.member-missing", "there is no {member} inside", member=name)
            )
        allowed = min(largest, max(info.compress_size, 1) * RATIO)
        count = 0
        for chunk in self._unpacked(info):
            count += len(chunk)
            if count > allowed:
                reason = "bomb" if allowed < largest else "too-large"
                raise hub.DecodeError(
                    reason,
                    phrase(
                        "knx.member-unpacks-too-large",
                        "{member} unpacks to more than {allowed} bytes: nothing is read of it",
                        member=name,
                        allowed=allowed,
                    ),
                )
            yield chunk

    def _unpacked(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        try:
            if info.compress_type == aes.METHOD:
                yield from self._sealed(info)
                return
            with self._zip.open(info, pwd=self._password) as member:
                while chunk := member.read(CHUNK):
                    yield chunk
        except RuntimeError as error:  # raised by zipfile for a missing or wrong password
            raise hub.DecodeError(
                "wrong-password", phrase("knx.wrong-project-password", "the password does not open this project")
            ) from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError) as error:
            reason = "wrong-password" if info.flag_bits & 1 else "zip-damaged"  # one password in 256 seems to fit
            raise hub.DecodeError(
                reason,
                phrase(
                    "knx.member-not-unpackable",
                    "{member} cannot be unpacked: {reason}",
                    member=info.filename,
                    reason=reason_of(error),
                ),
            ) from error

    def _sealed(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        if self._password is None:
            raise hub.DecodeError("wrong-password", phrase("knx.project-is-protected", "this project has a password"))
        if info.compress_size > LARGEST_INNER:
            raise hub.DecodeError(
                "too-large",
                phrase(
                    "knx.member-too-large-to-decrypt", "{member} is too large to be decrypted", member=info.filename
                ),
            )
        seal = aes.sealed(info.extra)
        data = aes.opened(self._raw(info), seal, self._password)
        if seal.method == zipfile.ZIP_STORED:
            yield data
            return
        if seal.method != zipfile.ZIP_DEFLATED:
            raise hub.DecodeError(
                "zip-damaged",
                phrase("knx.unknown-compression", "{member} is packed in an unknown way", member=info.filename),
            )
        unpack = zlib.decompressobj(-zlib.MAX_WBITS)
        while data and not unpack.eof:
            yield unpack.decompress(data, CHUNK)
            data = unpack.unconsumed_tail
        yield unpack.flush()

    def _raw(self, info: zipfile.ZipInfo) -> bytes:
        """Yield the packed octets of a member, which `zipfile` does not give."""
        file = self._file
        file.seek(info.header_offset)
        header = file.read(_LOCAL)
        if len(header) < _LOCAL or header[:4] != b"PK\x03\x04":
            raise hub.DecodeError(
                "zip-damaged",
                phrase("knx.member-misplaced", "{member} is not where the archive says", member=info.filename),
            )
        file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), io.SEEK_CUR)
        return file.read(info.compress_size)


def _bounded(file: BinaryIO) -> None:
    """Check the end of the archive before its whole list is read. Raises DecodeError `too-large`."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - (1 << 16) - 22))
    tail = file.read()
    at = tail.rfind(_END)
    if at >= 0 and int.from_bytes(tail[at + 12 : at + 16], "little") > LARGEST_DIRECTORY:  # zip64 has 4 GB here
        raise hub.DecodeError("too-large", phrase("knx.archive-list-too-long", "the list of files inside is too long"))
