"""A worker process: started with nothing of its surroundings, and gone at the end whatever happens."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

from hub.sdk.sandboxed_process import SandboxedProcess

pytestmark = pytest.mark.real("processes")


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def told(script: str, passed: tuple[int, ...] = ()) -> str:
    """What a worker says last."""
    async with SandboxedProcess.started(
        [sys.executable, "-I", "-S", "-c", script, *map(str, passed)], passed
    ) as worker:
        return await worker.last_words()


async def test_a_worker_has_no_environment_no_folder_and_no_file_but_those_that_it_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ILOT_TEST_SECRET", "s3cret")
    script = (
        "import os, sys\n"
        "listed = set(map(int, os.listdir('/proc/self/fd')))\n"
        "files = [n for n in sorted(listed) if os.path.exists(f'/proc/self/fd/{n}')]\n"  # not that of the listing
        "print(sorted(os.environ.keys() - {'LC_CTYPE'}), os.getcwd(), files, file=sys.stderr)"
    )
    ours, theirs = socket.socketpair()
    with ours, theirs:
        number = theirs.fileno()
        said = await told(script, (number,))
    assert said.startswith("[] / ")
    assert said.endswith("]")
    assert [int(one) for one in said.partition(" / ")[2].strip("[]").split(", ")] == [0, 1, 2, number]


async def test_the_last_line_alone_is_told_without_its_bytes_of_control() -> None:
    assert (
        await told("import sys; print('first'); print('no \\x1b[31m room \\x07', file=sys.stderr)") == "no [31m room "
    )
    assert await told("") == ""
    assert len(await told("import sys; sys.stderr.write('x' * 5000)")) == 300


async def test_a_worker_is_dead_at_the_end_even_when_who_waits_for_it_is_cancelled_twice() -> None:
    pids = list[int]()

    async def use() -> None:
        async with SandboxedProcess.started(
            [sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"], ()
        ) as worker:
            pids.append(worker.pid)
            await asyncio.sleep(60)

    task = asyncio.create_task(use())
    while not pids:
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gone(pids[0])


async def test_the_command_runs_a_module_without_the_site_packages_of_a_folder_that_is_not_on_the_path(
    tmp_path: Path,
) -> None:
    package = tmp_path / "acme"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import sys\nprint(__name__, 'site' in sys.modules, sys.argv[1:], file=sys.stderr)\n"
    )
    async with SandboxedProcess.started([*SandboxedProcess.command("acme", tmp_path), "7"], ()) as worker:
        assert await worker.last_words() == "__main__ False ['7']"
