"""One request under way: who asks, in which language, and how it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from hub.errors import HubError
from hub.web.accounts import Account
from hub.web.routes import Route
from hub.web.sessions import Session

MAX_BODY = 64 * 1024
BODY_S = 10.0
MOST_FIELDS = 64


class Rejected(Exception):
    """The request is answered with this status; `key` of the catalogue says why."""

    def __init__(self, status: int, key: str) -> None:
        super().__init__(key)
        self.status, self.key = status, key


class Visit:
    """`fields`: what a form or a JSON object brought, `parts`: those of the path."""

    def __init__(self, request: web.BaseRequest, route: Route, parts: Mapping[str, str], lang: str) -> None:
        self.request, self.route, self.parts, self.lang = request, route, parts, lang
        self.query: dict[str, str] = dict(list(request.query.items())[:MOST_FIELDS])
        self.fields: dict[str, Any] = {}
        self.session: Session | None = None
        self.account: Account | None = None
        self.token = ""
        self.form_token = ""
        self.fresh_nonce = ""
        self.error = ""

    @property
    def who(self) -> str:
        """For the audit."""
        return f"web:{self.account.name}" if self.account else f"web:?{self.address}"

    @property
    def person(self) -> Account:
        """Who is signed in. Raises Rejected."""
        if self.account is None:
            raise Rejected(401, "sign-in-first")
        return self.account

    @property
    def address(self) -> str:
        peer = self.request.transport.get_extra_info("peername") if self.request.transport else None
        return str(peer[0]) if peer else ""

    def text(self, name: str) -> str:
        """A field that is text, "" when there is none. Raises HubError."""
        value = self.fields.get(name, "")
        if not isinstance(value, str):
            raise HubError(f"{name} is text")
        return value.strip()

    async def read(self) -> None:
        """Read the body. Raises Rejected."""
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        body = await self._bytes()
        if not body:
            return
        if kind == "application/json":
            try:
                self.fields = msgspec.json.decode(body, type=dict[str, Any])
            except msgspec.MsgspecError:
                raise Rejected(400, "bad-body") from None
        elif kind == "application/x-www-form-urlencoded":
            try:
                self.fields = dict(
                    parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
                )
            except ValueError:
                raise Rejected(400, "bad-body") from None
        else:
            raise Rejected(415, "bad-body")

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
