"""The protocol of one connection, which says when that is lost."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp.web_protocol import RequestHandler


class Handler(RequestHandler):
    """aiohttp's; `on_lost` is set by who listens."""

    __slots__ = ("on_lost",)
    on_lost: Callable[[], None]

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.on_lost()
