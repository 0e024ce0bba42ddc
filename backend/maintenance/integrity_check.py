"""Integrity check of the database's files, by the engine that keeps them, as findings. Blocking.

No engine sees a value that the disk has altered into another valid one: rows have no checksums. Sealed or signed data
shows it (`backend.maintenance.consistency_check`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backend.storage.queries import Progress, Queries
from hub.core.text import of_table

PHRASES = {
    "damaged-file": "damaged file",
    "damaged-table": "damaged table",
    "damaged-index": "damaged index",
}


def find_damage(queries: Queries, progress: Progress) -> Iterator[dict[str, Any]]:
    """Yield {what, hub, stream, run, count, of, remedy} for each damaged part. Raises StorageError when the disk
    refuses to read it."""
    for one in queries.damage(progress):
        code = f"damaged-{one.kind}"
        about = {"what": of_table(code, PHRASES[code]), "hub": "", "stream": "", "run": "", "count": one.findings}
        yield about | {"of": f"{one.name}: {one.first}", "remedy": one.remedy}
