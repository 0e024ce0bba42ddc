"""HTTP answered from a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from hub.core.errors import HubError, NotReady
from hub.core.nesting import shallow_json
from hub.core.text import phrase
from hub.sdk.session import Reply


class Request(msgspec.Struct, frozen=True):
    """A request that a plugin sent: its `method`, `url` and `headers`, its `body` (None without one) and its
    `timeout`."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    timeout: timedelta

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is none."""
        return msgspec.json.decode(shallow_json(self.body or b""))


class FakeHttp:
    """Implements `hub.sdk.session.Http` and keeps every request in `requests`, with its headers and its body. `replies`
    maps (method, url) to a Reply, to an error to raise, or to a function of the Request that returns a Reply. Anything
    else is NotReady, as an unreachable host is."""

    def __init__(self) -> None:
        self.replies: dict[tuple[str, str], Reply | HubError | Callable[[Request], Reply]] = {}
        self.requests: list[Request] = []

    def reply(
        self, method: str, url: str, json: Any = None, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer these requests with an object as JSON, from now on."""
        self.replies[method, url] = Reply(status, dict(headers or {}), msgspec.json.encode(json))

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: timedelta = timedelta(seconds=10),
    ) -> Reply:
        request = Request(method, url, dict(headers or {}), body, timeout)
        self.requests.append(request)
        try:
            answer = self.replies[method, url]
        except KeyError:
            why = phrase("does-not-answer", "{server} does not answer: {reason}", server=url, reason="nothing is there")
            raise NotReady(why) from None
        if isinstance(answer, HubError):
            raise answer
        return answer if isinstance(answer, Reply) else answer(request)
