"""A small HTTP server that takes the operator's callbacks.

    POST, PUT or GET  /sigfox/<kind>        JSON, a form, or the query (`hub.sdk.sigfox.callback`)
    Authorization: Bearer SECRET, or Basic USER:SECRET (or another header, with the secret alone)

    200  taken, and durable; for a bidir with an answer its body is that     204  a bidir, and nothing to say
    400  cannot be read: the template is wrong      401  no right      404, 405      413  too large
    429  too many at once      503  cannot be kept now: the operator tries again after 1, 2 and 4 minutes

The operator waits 10 s for an answer; here one is given after 8. What else it is bounded by: `hub.sdk.http_server`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from hub.core.errors import DecodeError, NotReady, StorageError
from hub.core.text import phrase, reason_of
from hub.sdk.http_server import HttpServer
from hub.sdk.sigfox.callback import MAX_BODY, Callback, fields, read, reply

if TYPE_CHECKING:
    from aiohttp import web

PATH = "/sigfox/"
_METHODS = ("GET", "POST", "PUT")

log = logging.getLogger(__name__)

Who = TypeVar("Who")


class Door(HttpServer, Generic[Who]):
    """`authorise(user, secret)` says who that is, None when nobody; `take(who, callback)` keeps a callback and gives
    back 8 bytes for the device, or None; `counted(reason)` is told of what is refused. `header` is where the secret
    stands."""

    MOST_OPEN, MOST_AT_ONCE, MOST_BODY = 256, 64, MAX_BODY

    def __init__(
        self,
        authorise: Callable[[str, str], Awaitable[Who | None]],
        take: Callable[[Who, Callback], Awaitable[bytes | None]],
        counted: Callable[[str], None],
        *,
        rate: float,
        header: str = "Authorization",
    ) -> None:
        super().__init__(counted, rate=rate)
        self._authorise, self._take, self._header = authorise, take, header

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request. Never raises but for a connection that is gone."""
        if self.crowded():
            return self._too_many()
        try:
            with self.at_work(request):
                return await self._judged(request)
        except TimeoutError:
            return self._refused(
                503, "too-slow", phrase("sigfox-callback-took-too-long", "it took too long: send it again later")
            )
        except (NotReady, StorageError) as error:
            return self._refused(503, "not-kept", reason_of(error))
        except DecodeError as error:
            return self._refused(413 if error.reason == "oversized" else 400, error.reason, error.detail)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            log.exception(phrase("sigfox-callback-failed", "a callback could not be handled"))
            return self._refused(
                500, "failed", phrase("sigfox-fault-on-this-side", "a fault on this side; its log says more")
            )

    async def _judged(self, request: web.BaseRequest) -> web.StreamResponse:
        if not request.path.startswith(PATH):
            return self._refused(
                404, "no-such-path", phrase("sigfox-callback-elsewhere", "callbacks go to {path}<kind>", path=PATH)
            )
        who = await self._authorise(*self.credential(request.headers.get(self._header, ""), self._header))
        if who is None:
            return self._refused(
                401,
                "not-authorised",
                phrase(
                    "sigfox-callback-not-authorised", "the credential in the callback's headers is missing or wrong"
                ),
            )
        if self.hurried():
            return self._too_many()
        if request.method not in _METHODS:
            return self._refused(
                405, "bad-method", phrase("sigfox-callback-bad-method", "callbacks are POST, PUT or GET")
            )
        body = await self.body(request)
        said = fields(body, request.headers.get("Content-Type", ""), request.query_string)
        callback = read(request.path.removeprefix(PATH), said)
        async with asyncio.timeout(self.ANSWER_S):
            downlink = await self._take(who, callback)
        return _answer(callback, downlink)

    def _too_many(self) -> web.StreamResponse:
        return self._refused(
            429,
            "too-many",
            phrase("sigfox-too-many-callbacks", "too many callbacks at once: send this one again later"),
        )

    def _refused(self, status: int, reason: str, text: str) -> web.StreamResponse:
        from aiohttp import web

        self.counted(reason)
        headers = {"Retry-After": "60"} if status in {429, 503} else {}
        return web.Response(
            status=status,
            body=msgspec.json.encode({"error": str(text)}),
            content_type="application/json",
            headers=headers,
        )


def _answer(callback: Callback, downlink: bytes | None) -> web.StreamResponse:
    from aiohttp import web

    if downlink is not None:
        return web.Response(body=reply(callback.said, downlink), content_type="application/json")
    return web.Response(status=204 if callback.kind == "bidir" else 200)
