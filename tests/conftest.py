"""Rules for every test: which belong to the short run, which are small, which files go first, that no example is timed,
how long a test may take, and that it leaves nothing to those that follow."""

from __future__ import annotations

import logging
import os
import resource
from collections.abc import Iterator
from itertools import groupby, zip_longest

import pytest
from hypothesis import HealthCheck, settings

from . import interpreters, kinds, limits, selection
from .selection import APART

SEARCHES = "ILOT_EXAMPLES" in os.environ
"""`make fuzz` looks for new examples. `make test` has the same ones each time: whether it passes says something of the
change under test, not of luck."""

settings.register_profile(
    "unhurried", deadline=None, derandomize=not SEARCHES, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")
"""No example is judged by a clock, neither how long it takes nor how long it is drawn: a busy machine is no fault."""

FIRST = (
    *("tests/journeys/test_pages.py", "tests/journeys/", "tests/faults/", "tests/vendor/", "tests/test_house.py"),
    *("tests/backend/", "tests/integrations/", "tests/plugins/"),
)
"""Files that take minutes, before those that take seconds: in the other order one worker ends alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        return next((n for n, place in enumerate(FIRST) if item.nodeid.startswith(place)), len(FIRST))

    interpreters.skip_what_runs_as_others(items)
    rows = [item for item in items if item.nodeid.startswith(APART)]
    others = sorted((item for item in items if not item.nodeid.startswith(APART)), key=rank)
    files = [list(tests) for _, tests in groupby(others, lambda item: item.path)]
    # a row of faults waits most of its time: one after each file, so that another worker computes meanwhile
    items[:] = [item for file, row in zip_longest(files, rows) for item in (*(file or ()), *([row] if row else ()))]


def pytest_addoption(parser: pytest.Parser) -> None:
    limits.add_options(parser)
    selection.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(limits.Limits(config), "limits")
    config.pluginmanager.register(selection.Selection(config), "selection")
    config.pluginmanager.register(kinds.Kinds(), "kinds")


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """For a test that opens more connections than the 1,024 descriptors that an ordinary user has at first. What it
    starts inherits them, so that a hub under test is started before."""
    former = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (former[1], former[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, former)


@pytest.fixture(autouse=True)
def root_log() -> Iterator[None]:
    """Take back the log that a command sets up in the process of its test: the next one has none of it."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
    for handler in [one for one in root.handlers if type(one) is logging.StreamHandler]:
        root.removeHandler(handler)
