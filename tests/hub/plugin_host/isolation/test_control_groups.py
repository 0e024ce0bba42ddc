"""Control groups of plugins: what is written for each, and that nothing is needed of them."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.plugin_host.isolation.control_groups import INTERPRETER, Groups

_MOUNTS = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
TREE = next((Path(words[1]) for words in _MOUNTS if words[2] == "cgroup2"), None)


def test_each_bound_is_written_to_its_file(tmp_path: Path) -> None:
    made = tmp_path / "plugin-69632"
    made.mkdir()
    names = ("memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max", "cpu.weight")
    for name in names:
        (made / name).touch()
    assert Groups(str(tmp_path)).make(69632, 64 << 20, 50, 16) == str(made)
    assert [(made / name).read_text() for name in names] == [
        str((64 << 20) + INTERPRETER), "0", "1", "20", "50000 100000", "20",
    ]  # fmt: skip


def test_a_kernel_without_a_file_or_a_machine_without_groups_is_no_error(tmp_path: Path) -> None:
    groups = Groups(str(tmp_path))
    made = groups.make(69632, 1, 1, 1)
    assert list(Path(made).iterdir()) == []
    groups.remove(made)
    assert not Path(made).exists()
    assert Groups("").make(69632, 1, 1, 1) == ""
    assert Groups.here(str(tmp_path)).make(69632, 1, 1, 1) == ""
    (tmp_path / "file").touch()
    assert Groups(str(tmp_path / "file")).make(69632, 1, 1, 1) == ""


@pytest.fixture
def own() -> Iterator[Path]:
    """A control group of this test's own."""
    if TREE is None or not os.access(TREE, os.W_OK) or os.geteuid() != 0:
        pytest.skip("needs root and control groups of version 2")
    folder = TREE / f"ilot-test-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    yield folder
    (folder / "cgroup.kill").write_text("1")
    for one in (*folder.glob("*/"), folder):
        while (one / "cgroup.procs").read_text():
            pass
        one.rmdir()


STARTER = """
import os, sys
sys.path[:0] = [{root!r}]
from hub.plugin_host.isolation.control_groups import Groups
own = {own!r}
open(own + "/cgroup.procs", "w").write(str(os.getpid()))
os.mkdir(own + "/plugin-1")
groups = Groups.here({tree!r})
made = groups.make(69632, 64 << 20, 50, 16)
child = os.fork()
if child == 0:
    open(made + "/cgroup.procs", "w").write("0")
    os.write(1, b"in\\n")
    import time; time.sleep(600)
sys.stdin.readline()
print(open(made + "/cgroup.procs").read().split() == [str(child)], os.path.exists(own + "/plugin-1"), flush=True)
groups.remove(made)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
groups.remove(made)
print(os.path.exists(made), open(own + "/starter/cgroup.procs").read().split() == [str(os.getpid())], flush=True)
"""


@pytest.mark.real("processes")
def test_a_plugin_has_a_group_of_its_own_that_goes_with_it_and_those_of_an_earlier_run_are_gone(own: Path) -> None:
    root = str(Path(__file__).resolve().parents[4])
    code = STARTER.format(root=root, own=str(own), tree=str(TREE))
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        said, _ = process.communicate("\n", timeout=300)
    assert said.splitlines() == ["True False", "-9", "False True"]
