"""A small HTTP server for webhooks.

    POST or PUT  /hook/<name>      a JSON document, or a bare value
    Authorization: Bearer SECRET, or Basic USER:SECRET (or another header, with the secret alone)

    200  taken, and durable        400  cannot be read        401  no right        404, 405
    413  too large        429  too many at once      503  not known to be kept: send it again, it is kept once

Unauthorised clients learn nothing else, not even which names exist. Other limits: `hub.sdk.http_server.HttpServer`.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

import hub
from hub.sdk.http_server import HttpServer
from hub.sdk.phrases import phrase
from integrations.http_json import decode
from integrations.http_json.intake import Intake
from integrations.http_json.roster import Roster
from integrations.http_json.settings import Listen

if TYPE_CHECKING:
    from aiohttp import web

_log = logging.getLogger("hub.http_json")

PREFIX = "/hook/"


class Door(HttpServer):
    """The server. `intake` stores a device's document, durably; `counted` is called for refusals."""

    PUSHED_OUT = "hook-pushed-out"

    def __init__(
        self,
        given: Listen,
        roster: Roster,
        intake: Intake,
        counted: Callable[[str], None],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(counted, rate=given.max_rate, now=now)
        self._given, self._roster, self._intake = given, roster, intake

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Raises only when the connection is gone."""
        if self.crowded():
            return self._too_many()
        try:
            with self.at_work(request):
                return await self._judged(request)
        except TimeoutError:
            return self._refused(
                503, "hook-too-slow", phrase("http_json.message-took-too-long", "it took too long: send it again later")
            )
        except hub.NotReady:
            return self._refused(
                503,
                "hook-not-kept",
                phrase("http_json.message-not-kept-now", "it cannot be kept now: send it again later"),
            )
        except hub.DecodeError as error:
            return self._refused(413 if error.reason == "oversized" else 400, error.reason, error.detail)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:  # a disk error or a bug: the sender keeps its document and tries again
            _log.exception(phrase("http_json.message-not-kept", "a message could not be kept"))
            return self._refused(
                503,
                "hook-not-kept",
                phrase("http_json.message-not-kept-now", "it cannot be kept now: send it again later"),
            )

    async def _judged(self, request: web.BaseRequest) -> web.StreamResponse:
        from aiohttp import web

        if not self._authorised(request.headers.get(self._given.header, "")):
            return self._refused(
                401, "hook-not-authorised", phrase("http_json.message-not-authorised", "the secret is missing or wrong")
            )
        if self.hurried():
            return self._too_many()
        if request.method not in ("POST", "PUT"):
            return self._refused(
                405, "hook-method", phrase("http_json.message-by-wrong-method", "messages are POST or PUT")
            )
        self._roster.refresh()
        reader = self._roster.hooks.get(request.path.removeprefix(PREFIX)) if request.path.startswith(PREFIX) else None
        if reader is None:
            return self._refused(
                404,
                "hook-unknown",
                phrase(
                    "http_json.no-device-sends-there",
                    "no device sends there; messages go to {prefix}<hook>",
                    prefix=PREFIX,
                ),
            )
        body = await self.body(request)
        data = decode.document(body)
        async with asyncio.timeout(self.ANSWER_S):
            taken = await self._intake.take(reader, data, request.headers)
        if request.transport is not None and not request.transport.is_closing():  # else nobody hears the answer
            self._intake.answered(taken)
        return web.Response(body=b"{}", content_type="application/json")

    def _too_many(self) -> web.StreamResponse:
        return self._refused(
            429,
            "hook-too-many",
            phrase("http_json.too-many-messages", "too many messages at once: send this one again later"),
        )

    def _authorised(self, value: str) -> bool:
        user, secret = self.credential(value, self._given.header)
        right = hmac.compare_digest(secret.encode("utf-8", "replace"), self._given.secret.get_secret_value().encode())
        return right & hmac.compare_digest(user.encode("utf-8", "replace"), self._given.user.encode())

    def _refused(self, status: int, reason: str, text: str) -> web.StreamResponse:
        from aiohttp import web

        self.counted(reason)
        headers = {"Retry-After": "60"} if status in (429, 503) else {}
        if status == 401:
            headers["WWW-Authenticate"] = "Basic" if self._given.user else "Bearer"
        body = msgspec.json.encode({"error": str(text)})
        return web.Response(status=status, body=body, content_type="application/json", headers=headers)
