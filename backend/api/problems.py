"""Refusals of the operator's API as problem details (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from aiohttp import web

from hub.core.text import as_data

PROBLEM = "application/problem+json"


def problem(sentence: str, status: int, headers: dict[str, str] | None = None) -> web.Response:
    """Return the answer of a refusal. Its type is `about:blank`: what went wrong is told by status, sentence and the
    sentence's code."""
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    said = {"type": "about:blank", "title": title, "status": status, "detail": str(sentence), "error": str(sentence)}
    coded = as_data(sentence)
    body = msgspec.json.encode(said | ({} if coded is None else {"error_text": coded}))
    return web.Response(
        body=body, status=status, headers={"Cache-Control": "no-store"} | (headers or {}), content_type=PROBLEM
    )
