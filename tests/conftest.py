"""What holds for every test: which files go first, and how many examples a hostile input gets."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

settings.register_profile("hostile", max_examples=int(os.environ.get("ILOT_EXAMPLES", "400")), deadline=None)
"""For what any bytes must not break: `@settings.get_profile("hostile")`. `make fuzz` asks for more of them."""

LONG = (
    *("tests/faults/", "tests/journeys/", "tests/vendor/", "tests/test_house.py", "tests/backend/"),
    *("tests/integrations/", "tests/plugins/"),
)
"""Files that take minutes, before those that take seconds: in the other order one worker ends alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        return next((n for n, folder in enumerate(LONG) if item.nodeid.startswith(folder)), len(LONG))

    items.sort(key=rank)
