"""What holds for every test: which files go first, that no example is timed, how many a hostile input gets, and that
one which fails leaves nothing to those that follow."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

SEARCHES = "ILOT_EXAMPLES" in os.environ
"""`make fuzz` looks for new examples. `make test` has the same ones each time: whether it passes says something of the
change under test, not of luck."""

settings.register_profile(
    "unhurried", deadline=None, derandomize=not SEARCHES, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")
"""No example is judged by a clock, neither how long it takes nor how long it is drawn: a busy machine is no fault."""

settings.register_profile("hostile", settings.default, max_examples=int(os.environ.get("ILOT_EXAMPLES", "400")))
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


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """What a test that failed had open is let go here. Else it is noticed when its traceback is forgotten, in the next
    test, which then fails as well; and its processes would take their share of this machine until the end."""
    done = yield
    if item.stash.get(FAILED, False):
        for name in ("last_exc", "last_value", "last_type", "last_traceback"):  # they hold its frames
            with contextlib.suppress(AttributeError):
                delattr(sys, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
        for process in subprocess._active or ():  # type: ignore[attr-defined]  # children whose object is gone
            with contextlib.suppress(ProcessLookupError):
                leads = os.getpgid(process.pid) == process.pid
                (os.killpg if leads else os.kill)(process.pid, signal.SIGKILL)
    return done
