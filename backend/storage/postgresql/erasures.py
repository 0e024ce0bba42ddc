"""Orders to erase in PostgreSQL. See `backend.storage.engine.Erasures`."""

from __future__ import annotations

from backend.storage.engine import DoneErasure
from backend.storage.postgresql.writing import Writing

_OF = "from erasures e join hubs h on h.number = e.hub where h.hub = %s"


class Erasures:
    """The table `erasures`, as a worker asks it."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def hidden(self, hub: str) -> dict[str, str]:
        rows = self._writing.ask(
            f"select e.name, e.id {_OF} and e.kind = 'pseudonym' order by e.record desc",
            (hub,),
        )
        return {str(name): str(order) for name, order in rows}

    def add_late(self, hub: str, order: str, count: int) -> None:
        self._writing.change(
            "update erasures set dropped = dropped + %s where hub = %s and id = %s",
            (count, self._writing.numbered(hub), order),
        )

    def done(self, hub: str, most: int) -> list[DoneErasure]:
        rows = self._writing.ask(
            f"select e.id, e.readings, e.left_over {_OF} and e.kind in ('pseudonym', 'device')"
            " and e.done_at is not null order by e.done_at desc, e.record desc limit %s",
            (hub, most),
        )
        return [DoneErasure(*row) for row in rows]
