"""Helpers of all routes: the client certificate's name, bodies of bounded length, JSON, and the status of each
error."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware

from backend.hubs.alerts import NoAlert
from backend.ingest.core import NotAdmitted
from backend.queries.views import NotFound
from hub.core.errors import AuthFailed, DecodeError, NotReady, StorageError
from hub.core.nesting import shallow_json
from hub.core.request_log import RequestLog
from hub.core.text import phrase, reason_of, with_codes

MAX_FORM = 6 << 20
"""Bytes of a form with a picture of 4 MiB."""
MAX_REQUEST = 32768  # maximum size in bytes of a request other than a message of records

_DECODING = {"too-large": 413, "not-acceptable": 406}
"""Status of a DecodeError by its reason, where it is not 400."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T")


def errors(log: RequestLog) -> Middleware:
    """Return a middleware that answers every error as JSON. Faults of this program are told to `log`."""

    @web.middleware
    async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await _answered(request, handler, log)

    return answering


async def _answered(request: web.Request, handler: Handler, log: RequestLog) -> web.StreamResponse:
    """Answer with the status that says whether the client or the server must act."""
    try:
        return await handler(request)
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception as error:
        refused = refusal(error)
        if refused is None:
            log.fault(error)
            refused = phrase("backend-fault", "a fault in this backend; its log says more"), 500, None
        said, status, headers = refused
        return answer({"error": said}, status, headers)


def refusal(error: Exception) -> tuple[str, int, dict[str, str] | None] | None:
    """Return sentence, status and headers for an error that is the client's, or passes; None for a fault of this
    program."""
    if isinstance(error, NotAdmitted | AuthFailed):
        return reason_of(error), 403, None
    if isinstance(error, DecodeError):
        return reason_of(error), _DECODING.get(error.reason, 400), None
    if isinstance(error, NotFound | NoAlert):
        return reason_of(error), 404, None
    if isinstance(error, NotReady | StorageError):
        return reason_of(error), 503, {"Retry-After": "5"}
    if isinstance(error, web.HTTPException):
        allowed = error.headers.get("Allow")
        return error.reason, error.status, None if allowed is None else {"Allow": allowed}
    return None


def certified(request: web.Request) -> str:
    """Return the common name of the client certificate, which TLS verified against the owner's CA. Raises
    AuthFailed."""
    name = common_name(request.transport) if request.transport is not None else ""
    if not name:
        raise NotAdmitted(
            phrase("client-certificate-missing", "a hub shows the client certificate that it was given at enrolment")
        )
    return name


def common_name(transport: asyncio.BaseTransport) -> str:
    """Return the common name of a connection's client certificate; "" without one."""
    for part in (transport.get_extra_info("peercert") or {}).get("subject", ()):
        for name, value in part:
            if name == "commonName":
                return str(value)
    return ""


async def strip_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Remove `Server`, and the `Content-Type` of plain bytes, which is the default for a body without one (RFC 9110,
    8.3).

    Nobody needs them, each answer pays for them on a metered line, and `Server` would tell which programs run here.
    """
    response.headers.pop("Server", None)
    if response.headers.get("Content-Type") == "application/octet-stream":
        del response.headers["Content-Type"]


def hub_of_path(request: web.Request) -> str:
    """Return the hub in the path, which must be the one that the client certificate names. Raises AuthFailed."""
    hub = certified(request)
    if hub != request.match_info["hub"]:
        raise NotAdmitted(
            phrase("client-certificate-of-another", "the client certificate is not of the hub in the path")
        )
    return hub


async def body_of(request: web.Request, limit: int) -> bytes:
    """Read the whole body. Raises DecodeError as soon as it is longer than `limit` bytes."""
    if (request.content_length or 0) > limit:
        raise DecodeError(
            "too-large", phrase("request-body-too-long", "a body has at most {count} bytes here", count=limit)
        )
    data = bytearray()
    async for chunk in request.content.iter_any():
        data += chunk
        if len(data) > limit:
            raise DecodeError(
                "too-large", phrase("request-body-too-long", "a body has at most {count} bytes here", count=limit)
            )
    return bytes(data)


def read(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(shallow_json(body), type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError("bad-enrolment", reason_of(error)) from error


def base64_of(text: str, size: int) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError("bad-enrolment", phrase("not-base64", "keys, nonces and signatures are base64")) from error
    if len(data) != size:
        raise DecodeError(
            "bad-enrolment",
            phrase(
                "byte-count-wrong",
                "{count} [byte|bytes] where there must be {expected}",
                count=len(data),
                expected=size,
            ),
        )
    return data


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(with_codes(value)), status=status, headers=headers, content_type="application/json"
    )
