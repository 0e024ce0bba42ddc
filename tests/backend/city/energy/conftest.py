"""Backends on either engine, for the tests of energy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from backend_kit import Desk
from postgres_desk import PostgresDesk

from tests.backend.city.conftest import ENGINES, empty_city


@pytest.fixture(params=ENGINES)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """An owner's ingest on either engine."""
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgres_url"))
        made: Desk = PostgresDesk(tmp_path / "owner", url)
        empty_city(url)
    else:
        made = Desk(tmp_path / "owner", compacts=True)
    yield made
    made.close()
