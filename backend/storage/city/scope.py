"""The condition that limits a query to what a viewer may see: the one place where scope becomes SQL.

Every query that shows, counts, exports, pushes or notifies names the table `things` and adds the condition:

    condition, values = things("t", viewer.scope)
    reader.rows(f"select t.id, t.name from things t where t.kind = ? and {condition}", kind, *values)
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from backend.storage.city.sql import Value


class ScopeLike(Protocol):
    """What a viewer may see; None stands for all. `classes` are privacy classes; `provider` "" stands for any."""

    @property
    def services(self) -> frozenset[str] | None: ...

    @property
    def sectors(self) -> frozenset[str] | None: ...

    @property
    def provider(self) -> str: ...

    @property
    def classes(self) -> frozenset[str]: ...


def things(alias: str, scope: ScopeLike) -> tuple[str, tuple[Value, ...]]:
    """Return the condition on the table `things`, named `alias` in the query, and its values."""
    parts = [_among(f"{alias}.privacy", scope.classes)]
    if scope.services is not None:
        parts.append(_among(f"{alias}.service", scope.services))
    if scope.sectors is not None:
        inside, values = _among("s.sector", scope.sectors)
        parts.append((f"exists (select 1 from thing_sectors s where s.thing = {alias}.id and {inside})", values))
    if scope.provider:
        parts.append((f"{alias}.provider = ?", (scope.provider,)))
    return " and ".join(f"({text})" for text, _ in parts), tuple(value for _, values in parts for value in values)


def series(alias: str, of: str, scope: ScopeLike) -> str:
    """Return the condition on the table `thing_series`, named `alias`, beside that on its `things`, named `of`: of a
    thing that was declared internal, personal series are for those alone who may see what is personal; one that was
    declared public has all of them."""
    if "personal" in scope.classes:
        return "1 = 1"
    return f"({alias}.privacy in ('technical', 'environment') or {of}.privacy = 'public')"


def _among(column: str, values: Collection[str]) -> tuple[str, tuple[Value, ...]]:
    """Return the condition that a column has one of these values; none of them is never true."""
    if not values:
        return "1 = 0", ()
    return f"{column} in ({', '.join('?' * len(values))})", tuple(sorted(values))
