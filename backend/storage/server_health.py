"""Health of a database server, as its clients see it. Pure."""

from __future__ import annotations

from typing import NamedTuple


class ServerHealth(NamedTuple):
    """A server that answers as the primary. `demands_standby`: a commit waits for a synchronous standby; `standbys`
    counts those that stream, None where this user may not see them. `unarchived_s`: how long the write-ahead log has
    not been archived, 0 while that works, None where it is not archived. `size` is that of the database, in bytes."""

    place: str
    writable: bool
    demands_standby: bool
    standbys: int | None
    unarchived_s: float | None
    size: int

    @property
    def lacks_standby(self) -> bool:
        """Return whether each commit waits in vain."""
        return self.demands_standby and self.standbys == 0
