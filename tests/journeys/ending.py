"""Whatever became of a journey: none of its processes is left to those that follow."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable


def end_all(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Each was started with its output in a pipe; kill what still runs, and close that."""
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
