"""Metrics of a process that answers hubs. `docs/reference/backend-metrics.md` lists their names."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import NamedTuple

from cryptography import x509

from backend.api.metric_families import GAUGE, Family, by_label, counter, gauge
from backend.ingest.core import Ingest
from backend.ingest.worker import Worker
from backend.maintenance import copies
from backend.owner.directory import Owner
from hub.core.errors import HubError

ANSWER_S = 2.0
"""Seconds that the thread which writes may take to say how far it is; it is counted as stuck otherwise."""
_COUNTS = {
    "messages": "Messages of hubs that were answered.",
    "records": "Records that were new.",
    "readings": "Readings in records that were new.",
    "duplicates": "Records that had come before.",
    "forks": "Records whose number had come before with another content.",
    "refused": "Records that were not taken.",
    "failed": "Messages that could not be stored, and were not acknowledged.",
}


class _Progress(NamedTuple):
    counts: dict[str, int]
    stale: int


class IngestMetrics:
    """Collects them. `owner` returns the owner's directory as it is now; `malformed` counts requests that could not be
    read, `gave_way` connections that were ended, by hub."""

    def __init__(
        self, owner: Callable[[], Owner], worker: Worker, gave_way: Mapping[str, int], malformed: Mapping[str, int]
    ) -> None:
        self._owner, self._worker = owner, worker
        self._gave_way, self._malformed = gave_way, malformed

    async def collect(self) -> list[Family]:
        """Return all that can be said now: the thread that writes is down when it does not answer."""
        families = [by_label("ilot_backend_info", GAUGE, "Release that runs.", "release", [(version("ilot"), 1.0)])]
        return families + await self._progress() + await asyncio.to_thread(_of_directory, self._owner())

    async def _progress(self) -> list[Family]:
        families = [
            gauge("ilot_backend_waiting_bytes", "Messages that wait to be written.", float(self._worker.waiting_bytes)),
            counter("ilot_backend_connections_gave_way_total", "Connections that were ended for others.",
                    float(sum(self._gave_way.values()))),
            counter("ilot_backend_requests_malformed_total", "Requests that could not be read.",
                    float(sum(self._malformed.values()))),
        ]  # fmt: skip
        try:
            async with asyncio.timeout(ANSWER_S):
                now = await self._worker.call(_progress)
        except (TimeoutError, HubError):
            return [*families, _up(0.0)]
        return [
            *families,
            _up(1.0),
            *(counter(f"ilot_backend_{name}_total", text, float(now.counts[name])) for name, text in _COUNTS.items()),
            counter("ilot_backend_states_stale_total", "States that were older than one before.", float(now.stale)),
        ]


def _up(value: float) -> Family:
    return gauge("ilot_backend_ingest_up", "1 while the thread that writes the database answers.", value)


def _progress(ingest: Ingest) -> _Progress:
    return _Progress({name: int(getattr(ingest.counts, name)) for name in _COUNTS}, ingest.states.stale)


def _of_directory(owner: Owner) -> list[Family]:
    sizes = []
    for part in ("", "-wal"):
        with suppress(OSError):
            sizes.append(owner.database.with_name(owner.database.name + part).stat().st_size)
    families = [
        *([gauge("ilot_backend_database_bytes", "Size of the database's files.", float(sum(sizes)))] if sizes else []),
        gauge("ilot_backend_trust_version", "Version of the trust document.", float(owner.trust.version)),
    ]
    with suppress(OSError):
        free = shutil.disk_usage(owner.directory).free
        families.append(gauge("ilot_backend_disk_free_bytes", "Room on the disk of the database.", float(free)))
    with suppress(OSError, ValueError):
        shown = x509.load_pem_x509_certificate((owner.directory / "server.pem").read_bytes())
        ends = shown.not_valid_after_utc.timestamp()
        families.append(
            gauge("ilot_backend_certificate_ends_seconds", "When the certificate ends, Unix seconds.", ends)
        )
    if (last := copies.last(owner.directory)) is not None:
        families.append(
            gauge("ilot_backend_last_copy_seconds", "When the last verified copy was made, Unix seconds.", last.made_at)
        )
    return families
