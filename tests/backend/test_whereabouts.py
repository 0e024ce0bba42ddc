"""The district tells a hub which other hub heard a device last, and nobody else."""

from __future__ import annotations

from pathlib import Path

import aiohttp
from backend_kit import row

from backend.conformance.probe import Probe
from backend.server import Running
from hub.buffer.rows import Subject
from hub.identity.enrolment import enrol

from .conftest import token_for

MOVED, OWN, GONE = (Subject(f"lorawan:{n:016x}", f"room-{n}", "school", "rooms") for n in range(3))


async def another(served: Running, state: Path, session: aiohttp.ClientSession, name: str) -> Probe:
    token = token_for(served)
    await enrol(token, state, name=name)
    return Probe(served.url, token, state, session)


async def say(probe: Probe, *rows: object) -> None:
    segment = probe.segment()
    block = segment.block(rows)  # type: ignore[arg-type]
    assert (await probe.post(segment.message([block]))).status == 200


async def ask(
    probe: Probe, devices: list[str], *, certificate: bool = True
) -> tuple[int, dict[str, dict[str, object]]]:
    url = f"{probe.url}/v1/whereabouts"
    context = probe.tls(certificate=certificate)
    async with probe.session.post(url, json={"devices": devices}, ssl=context) as answer:
        return answer.status, (await answer.json()).get("devices", {})


async def test_a_hub_learns_who_heard_a_device_last_if_that_was_not_itself(
    served: Running, probe: Probe, tmp_path: Path
) -> None:
    other = await another(served, tmp_path / "other", probe.session, "École voisine")
    await say(probe, row(time_ms=1_800_000_000_000, subject=MOVED), row(time_ms=1_800_000_100_000, subject=OWN))
    await say(other, row(time_ms=1_800_000_050_000, subject=MOVED), row(time_ms=1_800_000_050_000, subject=OWN))
    status, found = await ask(probe, [one.device for one in (MOVED, OWN, GONE)])
    assert status == 200
    assert found == {MOVED.device: {"hub": other.hub, "name": "École voisine", "last": 1_800_000_050.0}}
    status, _ = await ask(probe, [MOVED.device], certificate=False)
    assert status == 403
    status, _ = await ask(probe, ["x"] * 101)
    assert status == 400


async def test_a_revoked_hub_neither_asks_nor_is_named(served: Running, probe: Probe, tmp_path: Path) -> None:
    other = await another(served, tmp_path / "other", probe.session, "volé")
    await say(other, row(subject=MOVED))
    assert MOVED.device in (await ask(probe, [MOVED.device]))[1]
    await served.worker.call(lambda ingest: ingest.registry.revoke(other.hub, 1.0))
    assert (await ask(probe, [MOVED.device]))[1] == {}
    assert (await ask(other, [MOVED.device]))[0] == 403
