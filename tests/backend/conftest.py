"""Puts the helpers of these tests where they can be imported."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from backend_kit import Desk

from backend import owner as owners
from backend.conformance.probe import Probe
from backend.registry import Registry
from backend.schema import open_database
from backend.server import Running, serving
from hub.identity.enrolment import enrol


@pytest.fixture(params=["rows", "journal"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """An owner's ingest, once writing rows at once and once by way of the journal."""
    made = Desk(tmp_path / "owner", journal=request.param == "journal")
    yield made
    made.close()


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Desk]:
    """An owner's ingest that writes rows at once."""
    made = Desk(tmp_path / "owner")
    yield made
    made.close()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Running]:
    """A backend on loopback."""
    owners.init(tmp_path / "owner", owner="Ville")
    async with serving(tmp_path / "owner", port=0) as running:
        yield running


@pytest.fixture
async def probe(served: Running, tmp_path: Path) -> AsyncIterator[Probe]:
    """A hub that is enrolled there."""
    token = token_for(served)
    await enrol(token, tmp_path / "hub")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield Probe(served.url, token, tmp_path / "hub", session)


def token_for(served: Running, lifetime: float = 60.0) -> str:
    connection = open_database(served.owner.database)
    try:
        registry = Registry(connection)
        return str(
            registry.issue(
                url=served.url, root=served.owner.settings.root, name="t", now=time.time(), lifetime=lifetime
            )
        )
    finally:
        connection.close()


@pytest.fixture(autouse=True)
def _this_process_may_still_dump_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command called in-process hardens its process: here that would be pytest itself and, by inheritance, each
    process that a later test starts. A limit once lowered cannot be raised again."""
    monkeypatch.setattr("hub.core.process_hardening.harden", list)
