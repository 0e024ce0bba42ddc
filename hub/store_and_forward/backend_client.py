"""Requests to the backend over the owner's pinned TLS. The hub asks; nobody calls into a building."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol, TypeVar

import msgspec

from hub.core.errors import DecodeError
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of
from hub.sdk.session import Reply

T = TypeVar("T")

_EXPECTED = {
    "acts": phrase("answer-with-alert-actions", "actions on alerts"),
    "erasures": phrase("answer-with-erasures", "requests to erase"),
}
TIMEOUT = timedelta(seconds=10)


class Http(Protocol):
    """HTTP client of the hub: sends requests to the backend with the hub's certificate. Raises NotReady, AuthFailed."""

    async def request(self, method: str, url: str, *, timeout: timedelta = TIMEOUT) -> Reply: ...


async def asked(http: Http, url: str, kind: type[T], what: str) -> T | None:
    """GET `url` and decode its JSON as `kind`. Returns None when the backend does not have this path (404). Raises
    DecodeError with the reason `bad-<what>`, and what `http` raises."""
    reply = await http.request("GET", url, timeout=TIMEOUT)
    if reply.status == 404:
        return None
    if reply.status != 200:
        raise DecodeError(
            f"bad-{what}", phrase("answers-with-status", "{url} answers {status}", url=url, status=reply.status)
        )
    try:
        return msgspec.json.decode(shallow_json(reply.body), type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise DecodeError(
            f"bad-{what}",
            phrase(
                "answer-not-as-expected",
                "{url} answers something other than {expected}: {reason}",
                url=url,
                expected=_EXPECTED.get(what, what),
                reason=reason_of(error),
            ),
        ) from error
