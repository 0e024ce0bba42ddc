"""Connections of SFTP: who somebody is, and that there is nothing but SFTP. Over asyncssh."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import asyncssh
from asyncssh.constants import (
    FXP_CLOSE,
    FXP_FSETSTAT,
    FXP_FSTAT,
    FXP_LSTAT,
    FXP_OPEN,
    FXP_OPENDIR,
    FXP_READ,
    FXP_READDIR,
    FXP_REALPATH,
    FXP_REMOVE,
    FXP_RENAME,
    FXP_SETSTAT,
    FXP_STAT,
    FXP_WRITE,
)
from asyncssh.sftp import SFTPServerHandler
from asyncssh.stream import SSHServerStreamSession

from backend.city.city import City
from backend.city.open_api.spaces.arrivals import SFTP, USE, Arrivals
from backend.city.open_api.spaces.gate import Gate
from backend.city.open_api.spaces.sftp_files import Files
from backend.city.people.desk import desk_of
from backend.city.people.viewer import Viewer
from backend.storage.city import spaces as tables
from hub.core.errors import HubError
from hub.core.text import reason_of
from hub.page_kit.people.throttle import network

TRIES = 10
"""Keys that one connection may show."""
SESSIONS = 4
"""Sessions of one connection."""
_REQUESTS = {
    FXP_OPEN, FXP_CLOSE, FXP_READ, FXP_WRITE, FXP_LSTAT, FXP_FSTAT, FXP_SETSTAT, FXP_FSETSTAT, FXP_OPENDIR,
    FXP_READDIR, FXP_REMOVE, FXP_REALPATH, FXP_STAT, FXP_RENAME, b"posix-rename@openssh.com", b"limits@openssh.com",
}  # fmt: skip


class Door(asyncssh.SSHServer):
    """A connection: who it is, and what it may ask for."""

    def __init__(self, city: City, arrivals: Arrivals, gate: Gate) -> None:
        self._city, self._arrivals, self._gate = city, arrivals, gate
        self.network, self._tries, self._sessions = "", 0, 0
        self._conn: asyncssh.SSHServerConnection | None = None
        self._key, self._space = "", ""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn, self.network = conn, network(str((conn.get_extra_info("peername") or ("",))[0]))
        if not self._gate.come(self):
            self._arrivals.refuse(SFTP, "connections")
            self.end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gate.leave(self)

    def end(self) -> None:
        if self._conn is not None:
            self._conn.abort()

    def password_auth_supported(self) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    async def validate_password(self, username: str, password: str) -> bool:
        if not self._gate.may_try(self.network):
            self._arrivals.refuse(SFTP, "tries")
            self.end()
            return False

        async def find() -> Viewer:
            return await desk_of(self._city).program(f"Bearer {password}", USE)

        return await self._who(username, find)

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        digest = sha256(key.public_data).hexdigest()
        number = await self._city.store.read(lambda r: tables.key(r, digest))
        if number is None:  # clients offer all that they have: this is no guess
            self._tried()
            return False
        return await self._who(username, lambda: self._arrivals.holder(number))

    async def _who(self, username: str, find: Callable[[], Awaitable[Viewer]]) -> bool:
        self._tried()
        try:
            with self._arrivals.counting(SFTP):
                viewer = await find()
                await self._arrivals.space(viewer, username)
        except HubError as error:
            self._gate.was_wrong(self.network)
            if self._conn is not None:
                self._conn.send_auth_banner(f"{reason_of(error)}\n")
            return False
        self._key, self._space = viewer.id.partition(":")[2], username
        return True

    def _tried(self) -> None:
        self._tries += 1
        if self._tries > TRIES:
            self._arrivals.refuse(SFTP, "tries")
            self.end()

    def auth_completed(self) -> None:
        if not self._gate.enter(self, self._key):
            self._arrivals.refuse(SFTP, "connections")
            self.end()

    def session_requested(self) -> Any:
        self._sessions += 1
        if self._sessions > SESSIONS:
            return False
        return _Session(lambda channel: Files(channel, self._city, self._arrivals, self._key, self._space))


class _Session(SSHServerStreamSession[bytes]):
    """A session of SFTP and nothing else."""

    def __init__(self, make: Callable[[Any], Files]) -> None:
        super().__init__(None, make, 3, False)

    def session_started(self) -> None:
        files = self._init_sftp_server()
        handler = _Handler(files, asyncssh.SSHReader(self, self._chan), asyncssh.SSHWriter(self, self._chan), 3)  # type: ignore[arg-type]
        self._conn.create_task(handler.run(), handler.logger)  # type: ignore[union-attr]


class _Handler(SFTPServerHandler):
    """Requests of a session. When it ends, the library closes what is open: that must not look like a client's."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._packet_handlers = {key: one for key, one in self._packet_handlers.items() if key in _REQUESTS}
        self._extensions = [pair for pair in self._extensions if pair[0] in _REQUESTS]

    async def _cleanup(self, exc: Exception | None) -> None:
        self._server.cut()  # type: ignore[attr-defined]
        await super()._cleanup(exc)
