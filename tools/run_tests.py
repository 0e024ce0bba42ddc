"""Run pytest with the given arguments; what failed among real processes beside others is run once more, alone.

The tests in PLACES start hubs, backends, peers and browsers and go by the wall clock, several at once on a machine
whose other work nobody knows. When at most MOST of them failed, and nothing else did, each runs again with nothing
beside it, and that second result counts. It is said plainly, by name, in the last lines: such a test is to be mended.
Tests of one process are never run again. See docs/adr/0078-once-more-alone.md.

Exit codes are those of pytest.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

PLACES = ("tests/faults/", "tests/journeys/")
MOST = 3


class Failed:
    """A plugin that notes which tests failed, in their set-up or after their end too."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self.elsewhere = False  # something failed that is no test: a file that cannot be collected

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.names[report.nodeid] = None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.elsewhere |= report.failed


def worth_another_run(code: int, failed: Failed) -> bool:
    """Whether only few tests failed, and all of them among real processes."""
    return (
        code == pytest.ExitCode.TESTS_FAILED
        and not failed.elsewhere
        and 0 < len(failed.names) <= MOST
        and all(name.startswith(PLACES) for name in failed.names)
    )


def main(arguments: list[str]) -> int:
    failed = Failed()
    code = int(pytest.main(arguments, plugins=[failed]))
    if not worth_another_run(code, failed):
        return code
    names = list(failed.names)
    print(f"\n{len(names)} failed beside others: once more, alone\n", flush=True)
    alone = {name: subprocess.run([sys.executable, "-m", "pytest", "-n", "0", name], check=False) for name in names}
    for name, done in alone.items():
        print(f"FAILED BESIDE OTHERS, {'FAILED' if done.returncode else 'PASSED'} ALONE: {name}")
    return max(done.returncode for done in alone.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
