"""Comparison of what a fleet of simulated hubs sealed with what the backend answers: each reading once, at its time.

    python tests/faults/auditor.py TRUTH URL API_TOKEN_FILE CA_FILE

It asks by the operator's API alone, and shares with `fleet.py` only what a value must be. Prints one line, and the
first findings; exit 1 where a reading is missing, doubled, dated wrongly, altered or of nobody.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import msgspec

sys.path.insert(0, str(Path(__file__).parent))
from fleet import SHAPE, TICK_MS, Truth, value

FINDINGS = 20
PAGE = 1000


class Source(Protocol):
    """What answers for a series: [{time, value}], for a hub: declared gaps [{run, first, last}]."""

    async def history(self, series: str) -> list[Mapping[str, Any]]: ...
    async def gaps(self, hub: str) -> list[Mapping[str, Any]]: ...


class Audit:
    """Comparison of one fleet. `findings` say what is wrong; `counts` how many readings were judged."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.findings: list[str] = []
        self.counts: Counter[str] = Counter()

    async def hub(self, truth: Truth) -> None:
        """Compare all series of a hub, and what it declared lost."""
        must, may = _ticks(truth)
        for device in range(truth.devices):
            for column, metric in enumerate(one.metric for one in SHAPE.columns):
                series = f"{truth.hub}/place-{device}/{metric}"
                expected = {truth.begun + tick * TICK_MS + device: value(device, tick)[column] for tick in may}
                due = {truth.begun + tick * TICK_MS + device for tick in must}
                self._series(series, expected, due, await self._source.history(series) if may else [])
        declared = {(gap["run"], gap["first"], gap["last"]) for gap in await self._source.gaps(truth.hub)}
        for run, first, last in truth.gaps:
            if _acked(truth, run, last + 1) and (run, first, last) not in declared:
                self._find("undeclared", f"{truth.hub}: {first}-{last} of run {run} is not among the gaps")

    def _series(
        self, series: str, expected: Mapping[int, float], due: set[int], found: list[Mapping[str, Any]]
    ) -> None:
        seen = Counter(reading["time"] for reading in found)
        for reading in found:
            at = reading["time"]
            if at not in expected:
                self._find("of nobody", f"{series}: {reading} was never sealed")
            elif abs(reading["value"] - expected[at]) > 1e-9:
                self._find("altered", f"{series}: {reading}, sealed was {expected[at]}")
        for at, times in seen.items():
            if times > 1 and at in expected:
                self._find("doubled", f"{series}: the reading at {at} is there {times} times")
        for at in sorted(due - seen.keys()):
            self._find("missing", f"{series}: the reading at {at} was acknowledged and is not there")
        self.counts["readings"] += len(found)
        self.counts["due"] += len(due)

    def _find(self, what: str, detail: str) -> None:
        self.counts[what] += 1
        if len(self.findings) < FINDINGS:
            self.findings.append(f"{what}: {detail}")


def _ticks(truth: Truth) -> tuple[set[int], set[int]]:
    """Return the ticks that were acknowledged, and all that were sealed."""
    must: set[int] = set()
    may: set[int] = set()
    for block in truth.blocks:
        ticks = range(block.first, block.last)
        may.update(ticks)
        if _acked(truth, block.run, block.seq):
            must.update(ticks)
    return must, may


def _acked(truth: Truth, run: str, seq: int) -> bool:
    return any(first <= seq <= last for first, last in truth.acked.get(run, ()))


class Api:
    """The operator's API of a backend."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def history(self, series: str) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        start: int | None = 0
        while start is not None:
            page = await self._get(f"/v1/series/{series}/history", {"from": start, "limit": PAGE})
            if start == 0 and page.get("undated"):
                found += [{"time": None, "value": one["value"]} for one in page["undated"]]
            found += page["readings"]
            start = page["next"]
        return found

    async def gaps(self, hub: str) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page = await self._get("/v1/gaps", {"hub": hub, "after": after})
            found += page["gaps"]
            after = page["next"]
        return found

    async def _get(self, path: str, query: Mapping[str, object]) -> Any:
        async with self._session.get(self._url + path, params={k: str(v) for k, v in query.items()}) as reply:
            if reply.status == 404:  # nothing of this series was stored
                return {"readings": [], "next": None, "gaps": []}
            if reply.status != 200:
                raise RuntimeError(f"{path}: {reply.status} {await reply.text()}")
            return await reply.json()


async def audited(truth: Path, url: str, token: str, ca: Path) -> Audit:
    """Compare a fleet's truth with what the backend at `url` answers."""
    context = ssl.create_default_context(cafile=str(ca))
    headers = {"Authorization": f"Bearer {token}"}
    connector = aiohttp.TCPConnector(ssl=context, limit=4)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        audit = Audit(Api(session, url))
        for one in msgspec.json.decode(truth.read_bytes(), type=list[Truth]):
            await audit.hub(one)
    return audit


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("truth", type=Path)
    parser.add_argument("url")
    parser.add_argument("token", type=Path)
    parser.add_argument("ca", type=Path)
    options = parser.parse_args()
    audit = asyncio.run(audited(options.truth, options.url, options.token.read_text().strip(), options.ca))
    print(json.dumps(audit.counts))
    print("\n".join(audit.findings), file=sys.stderr)
    sys.exit(bool(audit.findings))


if __name__ == "__main__":
    main()
