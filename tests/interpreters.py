"""What a test needs of the interpreter that runs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

_PYTHON, _CHECKOUT = Path(sys.base_prefix), Path(__file__).resolve().parents[1]


def _for_root_alone(path: Path) -> bool:
    return os.geteuid() == 0 and not all(one.stat().st_mode & 0o001 for one in (path, *path.parents))


ROOTS_ALONE = _for_root_alone(_PYTHON)
"""Whether this Python lies where only root may look: as another user nothing can be imported."""
needs_python_of_all = pytest.mark.skipif(
    ROOTS_ALONE, reason="this Python lies where only root may look, and its modules are imported as another user"
)
CHECKOUT_OF_ROOT = _for_root_alone(_CHECKOUT)
"""Whether the hub's code lies where only root may look."""
_AS_OTHERS = (
    "isolation/test_contract.py", "isolation/test_streams.py", "isolation/test_killed.py",
    "isolation/test_notifiers.py",
    "isolation/test_through_starter.py", "test_what_root_installs_the_real_starter_starts",
    "test_what_a_plugin_logs_bears_its_name_and_has_a_limit", "redteam/test_session.py",
    "test_a_shipped_plugin_reads_this_machine_from_a_process_of_its_own",
    "test_a_strangers_reading_reaches_the_backend_beside_plugins_that_are_broken",
)  # fmt: skip
"""Tests, and files of them, whose processes become another user before they have imported all of the hub."""


def skip_what_runs_as_others(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what cannot be tried in such a checkout."""
    reason = pytest.mark.skip(
        reason="this checkout lies where only root may look, and a plugin's process is another user"
    )
    for item in items if CHECKOUT_OF_ROOT else ():
        if any(one in item.nodeid for one in _AS_OTHERS):
            item.add_marker(pytest.mark.skip(reason=reason))
