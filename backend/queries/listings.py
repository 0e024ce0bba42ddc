"""Lists of the operator's API, a page at a time, each by a key of its lines. Blocking; any thread.

The lines come from `backend.queries.views`, all of them, and the page is cut here: these lists hold what is rare, or
what is deleted after a year. Hubs, series and gaps, of which there are many, are paged by the database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import nsmallest
from typing import Any, NamedTuple

from backend.queries.cursors import decode_cursor, encode_cursor
from backend.queries.views import Views

Line = dict[str, Any]


class Order(NamedTuple):
    """An order of a list: a key of each line that no other one has, and its type."""

    key: Callable[[Line], tuple[Any, ...]]
    type: Any


ALARMS = Order(lambda one: (one["cleared_at"] is not None, -one["id"]), tuple[bool, int])
ALERTS = Order(lambda one: (-one["raised_at"], one["alert"], one["hub"]), tuple[float, str, str])
ERASURES = Order(lambda one: (-one["ordered_at"], one["hub"], one["id"]), tuple[float, str, str])
LOOKUPS = Order(lambda one: (-one["last_at"], one["hub"], one["device"]), tuple[float, str, str])
TOKENS = Order(lambda one: (one["created_at"], one["id"]), tuple[float, str])
STREAMS = Order(lambda one: (one["started_at"], one["run"], one["stream"]), tuple[float, str, str])
FORKS = Order(
    lambda one: (one["received_at"], one["hub"], one["run"], one["stream"], one["seq"], one["digest"]),
    tuple[float, str, str, str, int, str],
)


def cut(lines: Sequence[Line], order: Order, after: str, limit: int, question: object) -> tuple[list[Line], str | None]:
    """Return the lines of a page and the cursor of the next one; `after` is the cursor of this one, "" of the first.
    Raises DecodeError for what is no cursor of this question."""
    if after:
        place = decode_cursor(after, question, order.type)
        lines = [line for line in lines if order.key(line) > place]
    found = nsmallest(limit, lines, key=order.key)
    more = len(lines) > len(found)
    return found, encode_cursor(order.key(found[-1]), question) if more else None


class Listings:
    """Pages of lists of one database; each method returns the page and the cursor of the next one."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def alarms(self, hub: str, opened: bool, after: str, limit: int) -> tuple[list[Line], str | None]:
        """Open alarms, the newest first, then cleared ones. One that is cleared meanwhile comes once more."""
        lines = self._views.alarms(hub, everything=not opened, limit=-1)
        return cut(lines, ALARMS, after, limit, ["alarms", hub, opened])

    def alerts(self, hub: str, everything: bool, after: str, limit: int) -> tuple[list[Line], str | None]:
        return cut(
            self._views.raised(hub, everything, limit=-1), ALERTS, after, limit, ["alerts", hub, everything]
        )  # fmt: skip

    def erasures(self, hub: str, after: str, limit: int) -> tuple[list[Line], str | None]:
        return cut(self._views.erased(hub), ERASURES, after, limit, ["erasures", hub])

    def lookups(self, hub: str, after: str, limit: int) -> tuple[list[Line], str | None]:
        return cut(self._views.asked(hub, limit=-1), LOOKUPS, after, limit, ["lookups", hub])

    def forks(self, after: str, limit: int) -> tuple[list[Line], str | None]:
        return cut(self._views.forks(), FORKS, after, limit, "forks")

    def streams(self, hub: str, run: str, stream: str, after: str, limit: int) -> tuple[list[Line], str | None]:
        lines = self._views.verify(hub, run, stream)
        return cut(lines, STREAMS, after, limit, ["streams", hub, run, stream])

    def callbacks(self, after: str, limit: int) -> tuple[list[Line], list[Line], str | None]:
        """Tokens of callbacks, and on the first page what waits for which hub."""
        found = self._views.callbacks()
        tokens, following = cut(found["tokens"], TOKENS, after, limit, "callbacks")
        return tokens, [] if after else found["waiting"], following
