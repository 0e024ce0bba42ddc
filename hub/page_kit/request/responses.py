"""Responses: pages, JSON, and their cookies. None may be cached."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from hub.core.text import with_codes


def json(value: Any, status: int = 200) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode(with_codes(value), enc_hook=str),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def html(text: str, status: int = 200) -> web.Response:
    answer = web.Response(
        status=status, text=text, content_type="text/html", charset="utf-8", headers={"Cache-Control": "no-store"}
    )
    if len(text) > 1024:
        answer.enable_compression()
    return answer


def redirect(where: str) -> web.Response:
    return web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})


def cookie(answer: web.StreamResponse, name: str, value: str, *, max_age: int | None = None) -> None:
    """Set a cookie of this origin alone (RFC 6265bis, __Host-), which no script reads and no other site sends."""
    answer.set_cookie(name, value, path="/", secure=True, httponly=True, samesite="Strict", max_age=max_age)


def drop_cookie(answer: web.StreamResponse, name: str) -> None:
    answer.del_cookie(name, path="/", secure=True, httponly=True, samesite="Strict")
