"""Bodies of records in PostgreSQL, as a worker adds them. See `backend.storage.chunks.Bodies`."""

from __future__ import annotations

from backend.storage.chunks import Body, Names
from backend.storage.engine import ErasureOrder
from backend.storage.postgresql.writing import Writing

MAX_EPOCHS = 20_000
"""Epochs of which is remembered that their names are stored."""


class Bodies:
    """The tables `bodies` and `names`, and the orders in `erasures`."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._named: dict[str, set[int]] = {}
        self._count = 0

    def named(self, hub: str, epoch: int) -> bool:
        if epoch in self._named.get(hub, ()):
            return True
        if epoch in self._writing.new_epochs:
            return False
        row = self._writing.one("select 1 from names where epoch = %s limit 1", (epoch,))
        if row is not None:
            self._remember(hub, epoch)
        return row is not None

    def add_names(self, hub: str, names: Names) -> None:
        self._writing.change_later(
            "insert into names (epoch, number, hub, data) values (%s, %s, %s, %s) on conflict do nothing",
            (names.epoch, names.number, self._writing.numbered(hub), names.data),
            hub=hub,
        )
        self._remember(hub, names.epoch)

    def add(self, hub: str, body: Body) -> None:
        """Store the body of a record whose line is stored in this transaction; it has the line's arrival."""
        self._writing.set_body(hub, body.record, body.boot, body.data)

    def order(self, hub: str, order: ErasureOrder, record: int) -> bool:
        self._writing.write(hub)
        number = self._writing.numbered(hub)
        new = self._writing.change(
            "insert into erasures (hub, id, kind, name, until_ms, ordered_at, record)"
            " values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
            (number, *order, record),
        )
        if new:
            self._writing.change(
                "insert into compaction (hub, version) values (%s, 1)"
                " on conflict (hub) do update set version = compaction.version + 1",
                (number,),
            )
        return new > 0

    def forget(self, hub: str | None) -> None:
        if hub is None:
            self._named.clear()
            self._count = 0
        else:
            self._count -= len(self._named.pop(hub, ()))

    def _remember(self, hub: str, epoch: int) -> None:
        if self._count >= MAX_EPOCHS:
            self.forget(None)
        known = self._named.setdefault(hub, set())
        self._count += epoch not in known
        known.add(epoch)
