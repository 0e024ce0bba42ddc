"""Files of a space as SFTP sees them. Each method of `asyncssh.SFTPServer` is overridden: the library's own would reach
the disk."""

from __future__ import annotations

import asyncio
import logging
import posixpath
import stat as modes
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import wraps
from typing import Any, NoReturn, TypeVar

import asyncssh

from backend.city.city import City
from backend.city.open_api.spaces import desk, readings
from backend.city.open_api.spaces.arrivals import SFTP, Arrivals, Upload
from backend.city.open_api.spaces.desk import SpaceRefused
from backend.city.people.viewer import Viewer
from backend.storage.city import spaces as tables
from backend.storage.city.database import Reader
from backend.storage.city.spaces import PART, File, Space
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of

log = logging.getLogger(__name__)

T = TypeVar("T")
HANDLES = 16
"""Open files of one session, and listings."""
NOT_YET = (".part", ".filepart")
READINGS = "readings"
_FORMS = {".csv": readings.CSV, ".jsonl": readings.JSON_LINES, ".ndjson": readings.JSON_LINES}


class _Drop:
    """A file that is being written; `refused` once it is given up."""

    def __init__(self) -> None:
        self.parts = AsyncExitStack()
        self.refused: HubError | None = None
        self.upload: Upload | None = None
        self.lines = bytearray()
        self.form = ""
        self.timer: asyncio.TimerHandle | None = None

    @property
    def size(self) -> int:
        return self.upload.size if self.upload is not None else len(self.lines)


class _Look:
    """A file that is being read, with the part that was read last."""

    def __init__(self, file: File) -> None:
        self.file, self.n, self.part = file, -1, b""


def _told(method: Callable[..., Awaitable[T]]) -> Callable[..., Any]:
    """Say a refusal as SFTP does, in its answer and, for clients that do not show that, beside it; and count it."""

    @wraps(method)
    async def telling(self: Files, *given: Any) -> T:
        try:
            with self.arrivals.counting(SFTP):
                return await method(self, *given)
        except SpaceRefused as error:
            kind = asyncssh.SFTPNoSuchFile if error.status == 404 else asyncssh.SFTPFailure
            raise kind(self.say(error)) from None
        except HubError as error:
            raise asyncssh.SFTPPermissionDenied(self.say(error)) from None
        except (asyncssh.SFTPError, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("fault in a session of SFTP")
            raise asyncssh.SFTPFailure("a fault in this backend") from None

    return telling


class Files(asyncssh.SFTPServer):
    """The files of a space, to one session."""

    def __init__(self, channel: Any, city: City, arrivals: Arrivals, key: str, space: str) -> None:
        super().__init__(channel)
        self._city, self.arrivals, self._key, self._space = city, arrivals, key, space
        self._drops: set[_Drop] = set()
        self._waiting: dict[str, _Drop] = {}
        self._listings = 0
        self._looks = 0
        self._cut = False
        self._ending: asyncio.Future[None] | None = None

    def say(self, error: HubError) -> str:
        said = reason_of(error)
        self.channel.write_stderr(f"{said}\r\n".encode())
        return said

    def cut(self) -> None:
        """Note that what is closed now is closed by nobody."""
        self._cut = True

    async def _admitted(self) -> tuple[Viewer, Space]:
        """Return who asks and the space, as they are now; counts a request. Raises HubError."""
        viewer = await self.arrivals.holder(self._key)
        return viewer, await self.arrivals.space(viewer, self._space)

    # -- files that come ---------------------------------------------------------------------------------------------

    @_told
    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        parts = _parts(path)
        if len(self._drops) + self._looks >= HANDLES:
            raise SpaceRefused(429, phrase("spaces-handles", "too many files are open in this session"))
        viewer, space = await self._admitted()
        if not pflags & asyncssh.FXF_WRITE:
            file = await self._file(_only(parts))
            self._looks += 1
            return _Look(file)
        if pflags & asyncssh.FXF_APPEND:
            raise _whole()
        drop = _Drop()
        if len(parts) == 2 and parts[0] == READINGS and space.readings:
            drop.form = _form(parts[1])
        else:
            upload = self.arrivals.upload(viewer, self._space, _only(parts), SFTP)
            drop.upload = await drop.parts.enter_async_context(upload)
        self._drops.add(drop)
        self._wait(drop)
        return drop

    @_told
    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        drop = _as_drop(file_obj)
        try:
            if offset != drop.size:
                raise _whole()
            if drop.upload is not None:
                await drop.upload.write(data)
            else:
                if len(drop.lines) + len(data) > readings.MOST_BYTES:
                    raise readings.too_many_bytes()
                drop.lines += data
        except HubError as error:
            await self._give_up(drop, error)
            raise
        self._wait(drop)
        return len(data)

    @_told
    async def close(self, file_obj: object) -> None:
        if isinstance(file_obj, _Look):
            self._looks -= 1
            return
        drop = _as_drop(file_obj)
        if self._cut:
            self.arrivals.refuse(SFTP, "cut")
            await self._give_up(drop, _whole())
            return
        upload = drop.upload
        if upload is not None and upload.file.lower().endswith(NOT_YET):
            former = self._waiting.get(upload.file)
            if former is not None and former is not drop:
                await self._give_up(former, _whole())
            self._waiting[upload.file] = drop
            return
        await self._finish(drop)

    async def _finish(self, drop: _Drop) -> None:
        """Take what came whole."""
        try:
            if drop.upload is not None:
                await drop.upload.finish()
            else:
                viewer, space = await self._admitted()
                await self.arrivals.readings(viewer, space.name, bytes(drop.lines), drop.form, SFTP)
        finally:
            await self._give_up(drop, _whole())

    async def _give_up(self, drop: _Drop, error: HubError) -> None:
        """End a drop; what it took is free again."""
        drop.refused = drop.refused or error
        if drop.timer is not None:
            drop.timer.cancel()
        self._drops.discard(drop)
        self._waiting = {name: one for name, one in self._waiting.items() if one is not drop}
        await drop.parts.aclose()

    def _wait(self, drop: _Drop) -> None:
        """Give a drop up after a while without a byte."""
        if drop.timer is not None:
            drop.timer.cancel()

        def end() -> None:
            drop.refused = desk.too_slow()
            self.arrivals.refuse(SFTP, "spaces-too-slow")
            self._ending = asyncio.ensure_future(self._give_up(drop, drop.refused))

        drop.timer = asyncio.get_running_loop().call_later(desk.IDLE_S, end)

    @_told
    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        former, name = _only(_parts(oldpath)), desk.file_name(_only(_parts(newpath)))
        drop = self._waiting.pop(former, None)
        if drop is None or drop.upload is None:
            raise SpaceRefused(
                400, phrase("spaces-rename", "a file is renamed only where it ends in .part and was dropped just now")
            )
        await self._admitted()
        drop.upload.file = name
        await self._finish(drop)

    posix_rename = rename

    # -- files that lie there ----------------------------------------------------------------------------------------

    @_told
    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        if not isinstance(file_obj, _Look):
            raise _whole()
        if offset >= file_obj.file.size:
            return b""
        n = offset // PART
        if file_obj.n != n:
            number = file_obj.file.id
            part = await self._city.store.read(lambda r: tables.part(r, number, n))
            if part is None:
                raise desk.gone()  # deleted meanwhile
            file_obj.n, file_obj.part = n, part
        return file_obj.part[offset % PART :][:size]

    @_told
    async def remove(self, path: bytes) -> None:
        name = _only(_parts(path))
        viewer, _ = await self._admitted()
        now = self._city.clock()
        await self._city.store.write(lambda t: desk.delete(t, viewer, self._space, name, now))

    @_told
    async def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        parts = _parts(path)
        if not parts or parts == [READINGS]:
            return _directory()
        waiting = self._waiting.get(parts[0]) if len(parts) == 1 else None
        if waiting is not None:
            return _attributes(waiting.size, self._city.clock())
        file = await self._file(_only(parts))
        return _attributes(file.size, file.made)

    lstat = stat

    @_told
    async def fstat(self, file_obj: object) -> asyncssh.SFTPAttrs:
        if isinstance(file_obj, _Look):
            return _attributes(file_obj.file.size, file_obj.file.made)
        return _attributes(_as_drop(file_obj).size, self._city.clock())

    def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        if self._listings >= HANDLES:
            raise asyncssh.SFTPFailure("too many listings")
        self._listings += 1
        return self._scanned(path)

    async def _scanned(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        try:
            for one in await self._listed(path):
                yield one
        finally:
            self._listings -= 1

    @_told
    async def _listed(self, path: bytes) -> list[asyncssh.SFTPName]:
        parts = _parts(path)
        _, space = await self._admitted()
        found = [asyncssh.SFTPName(name, attrs=_directory()) for name in (b".", b"..")]
        if parts == [READINGS] and space.readings:
            return found
        if parts:
            raise desk.gone()
        if space.readings:
            found.append(asyncssh.SFTPName(READINGS.encode(), attrs=_directory()))
        files = await self._city.store.read(lambda r: tables.files(r, self._space, desk.MOST_LISTED))
        return found + [asyncssh.SFTPName(one.name.encode(), attrs=_attributes(one.size, one.made)) for one in files]

    async def _file(self, name: str) -> File:
        wanted = desk.folded(desk.file_name(name))

        def find(r: Reader) -> File | None:
            return tables.file(r, self._space, wanted)

        found = await self._city.store.read(find)
        if found is None:
            raise desk.gone()
        return found

    @_told
    async def realpath(self, path: bytes) -> bytes:
        return posixpath.normpath(b"/" + path.lstrip(b"/"))

    def format_user(self, uid: int | None) -> str:
        return "provider"

    def format_group(self, gid: int | None) -> str:
        return "provider"

    # -- what clients say of a file beside its bytes is neither kept nor refused -------------------------------------

    async def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Do nothing: times and rights of a file are its space's."""

    @_told
    async def fsetstat(self, file_obj: object, attrs: asyncssh.SFTPAttrs) -> None:
        if attrs.size is not None and attrs.size != _as_drop(file_obj).size:
            raise _whole()

    async def exit(self) -> None:
        """End all drops that are not whole."""
        for drop in [*self._drops, *self._waiting.values()]:
            await self._give_up(drop, _whole())

    # -- nothing of this is there ------------------------------------------------------------------------------------

    def _no(self, *given: object) -> NoReturn:
        raise asyncssh.SFTPOpUnsupported("a space has files only")

    open56 = lsetstat = mkdir = rmdir = readlink = symlink = link = lock = unlock = statvfs = fstatvfs = fsync = _no  # type: ignore[assignment]
    map_path = reverse_map_path = _no  # type: ignore[assignment]


def _parts(path: bytes) -> list[str]:
    """Return the names of a path. Raises SpaceRefused where it is none of a space."""
    try:
        parts = [one for one in path.decode().split("/") if one not in ("", ".")]
    except UnicodeDecodeError:
        raise SpaceRefused(400, phrase("spaces-not-utf8", "this is no UTF-8")) from None
    if len(parts) > 2 or ".." in parts:
        desk.file_name("..")
        raise AssertionError(parts)
    return parts


def _only(parts: list[str]) -> str:
    """Return a path that is a file's name alone. Raises SpaceRefused."""
    return parts[0] if len(parts) == 1 else desk.file_name("/".join(parts) or "/")


def _form(name: str) -> str:
    """Return the form of readings in a file of this name. Raises SpaceRefused."""
    form = next((form for end, form in _FORMS.items() if name.lower().endswith(end)), None)
    if form is None:
        raise SpaceRefused(415, phrase("spaces-form", "readings come as {kinds}", kinds=", ".join(_FORMS)))
    return form


def _as_drop(file_obj: object) -> _Drop:
    """Return a file that is still being written. Raises what it was given up for."""
    if not isinstance(file_obj, _Drop):
        raise _whole()
    if file_obj.refused is not None:
        raise file_obj.refused
    return file_obj


def _whole() -> SpaceRefused:
    return SpaceRefused(400, phrase("spaces-whole", "a file comes whole, from its beginning to its end"))


def _directory() -> asyncssh.SFTPAttrs:
    return asyncssh.SFTPAttrs(uid=0, gid=0, permissions=modes.S_IFDIR | 0o750, size=0, atime=0, mtime=0)


def _attributes(size: int, made: float) -> asyncssh.SFTPAttrs:
    at = int(made)
    return asyncssh.SFTPAttrs(uid=0, gid=0, permissions=modes.S_IFREG | 0o640, size=size, atime=at, mtime=at)
