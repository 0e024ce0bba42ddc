"""Whatever strangers, hubs and operators send to the backend: no traceback, few lines, and each is counted."""

from __future__ import annotations

import itertools
import json
import logging
from typing import Any

import pytest

from backend.conformance.probe import Probe
from backend.processes.ingest_process import Running
from tests.strangers import BODIES, assail, faults_in, noise

pytestmark = pytest.mark.real("network")

PATHS = (
    "/v1/series/%00/%ff/latest", "/v1/series/a/b/c/history?from=x&to=1e9&limit=-1", "/v1/gaps?limit=-5",
    "/v1/series/a/b/c/history?from=99999999999999999999&limit=99999999999999999999999", "/v1/verify?hub=%ff",
    "/v1/gaps?after=99999999999999999999", "/v1/erased?limit=x", "/v1/raised?hub=%00",
    "/v1/series?limit=99999999999999999999&after=%ff", "/v1/hubs?x=%ff",
)  # fmt: skip


async def get(probe: Probe, path: str, headers: dict[str, str]) -> tuple[int, Any]:
    async with probe.session.get(f"{probe.url}{path}", headers=headers, ssl=probe.tls(certificate=False)) as reply:
        return reply.status, json.loads(await reply.read())


def operator(served: Running) -> dict[str, str]:
    return {"Authorization": f"Bearer {served.owner.api_token}"}


async def test_what_strangers_send_is_a_line_and_a_count(
    served: Running, probe: Probe, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await assail("127.0.0.1", served.port, tls=True)
    assert faults_in(caplog.records, 1) == []
    _, stats = await get(probe, "/v1/stats", operator(served))
    assert stats["requests_malformed"] > 100


async def test_what_a_hub_in_wrong_hands_sends_is_refused_without_a_traceback(
    served: Running, probe: Probe, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for body in [*BODIES, *itertools.islice(noise(2), 0, None, 5)]:
        for what in ("records", "state", "erasures", "backups", "alerts", "callbacks", "whereabouts"):
            url = f"{probe.url}/v1/hubs/{probe.hub}/{what}"
            async with probe.session.post(url, data=body, ssl=probe.tls()) as reply:
                assert reply.status != 500, (what, body)
    assert faults_in(caplog.records, 5) == []


@pytest.mark.parametrize("path", PATHS)
async def test_what_an_operator_asks_wrongly_is_no_fault_of_the_backend(
    served: Running, probe: Probe, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    for headers in (operator(served), {}):
        status, _ = await get(probe, path, headers)
        assert status < 500
    assert faults_in(caplog.records, 0) == []
