"""Visit: one request in progress, with its visitor, language and fields."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple, Protocol
from urllib.parse import parse_qsl

import msgspec
from aiohttp import BodyPartReader, web

from hub.core.errors import HubError, NotReady, StorageError
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of
from hub.page_kit.people.sessions import Session
from hub.page_kit.request.routes import Route

MAX_BODY = 64 * 1024
BODY_S = 10.0
UPLOAD_S = 90.0
MOST_FIELDS = 64


class Person(Protocol):
    """Somebody who is signed in, or a script with a token."""

    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...


class Rejected(Exception):
    """The request is answered with this status; `key` of the catalogue gives the reason."""

    def __init__(self, status: int, key: str) -> None:
        super().__init__(key)
        self.status, self.key = status, key


class Upload(NamedTuple):
    """A file of a form. `name` is its sender's: untrusted text."""

    name: str
    data: bytes


class Visit:
    """A request. `fields`: those of a form or a JSON object, `parts`: those of the path."""

    def __init__(self, request: web.BaseRequest, route: Route, parts: Mapping[str, str], lang: str) -> None:
        self.request, self.route, self.parts, self.lang = request, route, parts, lang
        self.query: dict[str, str] = dict(list(request.query.items())[:MOST_FIELDS])
        self.fields: dict[str, Any] = {}
        self.files: dict[str, Upload] = {}
        self._not_stored: HubError | None = None
        self.by_token = False
        self.session: Session | None = None
        self.account: Person | None = None
        self.token = ""
        self.form_token = ""
        self.fresh_nonce = ""
        self.error = ""
        self.error_lang = ""  # language of the error, where it differs from the page's

    @property
    def who(self) -> str:
        """Return the author for the audit log."""
        return f"web:{self.account.name}" if self.account else f"web:?{self.address}"

    @property
    def person(self) -> Person:
        """Return the account that is signed in. Raises Rejected."""
        if self.account is None:
            raise Rejected(401, "sign-in-first")
        return self.account

    @property
    def address(self) -> str:
        peer = self.request.transport.get_extra_info("peername") if self.request.transport else None
        return str(peer[0]) if peer else ""

    def text(self, name: str) -> str:
        """Return a field that is text, "" when there is none. Raises HubError."""
        value = self.fields.get(name, "")
        if not isinstance(value, str):
            raise HubError(phrase("text-2", "{name} is text", name=name))
        return value.strip()

    async def read(self) -> None:
        """Read the body. Raises Rejected."""
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            await self._parts()
            return
        body = await self._bytes()
        if not body:
            return
        if kind == "application/json":
            try:
                self.fields = msgspec.json.decode(shallow_json(body), type=dict[str, Any])
            except ValueError:  # includes invalid UTF-8
                raise Rejected(400, "bad-body") from None
        elif kind == "application/x-www-form-urlencoded":
            try:
                self.fields = dict(
                    parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=self.route.fields, errors="strict")
                )
            except ValueError:
                raise Rejected(400, "bad-body") from None
        else:
            raise Rejected(415, "bad-body")

    async def _parts(self) -> None:
        """Read a form with files (RFC 7578). Parts without a file are text."""
        most = MAX_BODY + self.route.upload
        if (self.request.content_length or 0) > most:
            raise Rejected(413, "too-large")
        try:
            async with asyncio.timeout(self._patience()):
                reader = await self.request.multipart()
                while (part := await reader.next()) is not None:
                    if not isinstance(part, BodyPartReader) or len(self.fields) + len(self.files) >= self.route.fields:
                        raise Rejected(400, "bad-body")
                    if part.filename is not None and self.route.into is not None:
                        most -= await self._store(part, most)
                        continue
                    data = bytearray()
                    while chunk := await part.read_chunk(65_536):
                        most -= len(chunk)
                        if most < 0:
                            raise Rejected(413, "too-large")
                        data += chunk
                    if part.filename is None:
                        self.fields[part.name or ""] = data.decode()
                    elif data:
                        self.files[part.name or ""] = Upload(part.filename, bytes(data))
        except (TimeoutError, NotReady):
            raise Rejected(408, "too-slow") from None
        except (ValueError, RuntimeError, AssertionError, LookupError, web.HTTPException):  # errors of its reader
            raise Rejected(400, "bad-body") from None

    def _patience(self) -> float | None:
        """Return for how many seconds a form may come: one that is written to a file has its own pace."""
        if self.route.into is not None:
            return None
        return UPLOAD_S if self.route.upload else BODY_S

    async def _store(self, part: BodyPartReader, most: int) -> int:
        """Write a file as it comes, and return its bytes. Where it cannot be taken the rest is read and dropped, so
        that the browser hears why: `expect_stored` raises it."""
        self.files[part.name or ""] = Upload(part.filename or "", b"")
        taken, began = 0, asyncio.get_running_loop().time()
        target: BinaryIO | None = None
        try:
            target = await self.route.into() if self.route.into is not None else None
        except HubError as error:
            self._not_stored = error
        try:
            while chunk := await asyncio.wait_for(part.read_chunk(65_536), UPLOAD_S):
                taken += len(chunk)
                if taken > most:
                    raise Rejected(413, "too-large")
                self.route.pace(taken, asyncio.get_running_loop().time() - began)
                if target is not None and self._not_stored is None:
                    self._write(target, chunk)
        finally:
            if target is not None:
                target.close()
        return taken

    def _write(self, target: BinaryIO, chunk: bytes) -> None:
        try:
            target.write(chunk)
        except OSError as error:
            self._not_stored = StorageError(
                phrase("upload-not-stored", "the file could not be stored: {reason}", reason=reason_of(error))
            )

    def expect_stored(self) -> None:
        """Raise the HubError for which an uploaded file was not stored."""
        if self._not_stored is not None:
            raise self._not_stored

    async def _bytes(self) -> bytes:
        if (self.request.content_length or 0) > MAX_BODY:
            raise Rejected(413, "too-large")
        data = bytearray()
        try:
            async with asyncio.timeout(BODY_S):
                async for chunk in self.request.content.iter_any():
                    data += chunk
                    if len(data) > MAX_BODY:
                        raise Rejected(413, "too-large")
        except TimeoutError:
            raise Rejected(408, "too-slow") from None
        return bytes(data)
