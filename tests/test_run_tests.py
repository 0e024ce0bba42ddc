"""Every run of `make test` ends, names what hung, and leaves no process; what failed runs once more, alone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import OrderedDict
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from . import limits, scheduling

pytestmark = pytest.mark.long("waits for what hangs", of="tools/run_tests.py")
HERE = Path(__file__).parent
TOOL = HERE.parent / "tools" / "run_tests.py"
# fails when it runs for the first time, and when another test has run in its process
MOODY = """
import sys
from pathlib import Path

def test_moody():
    print("what it printed")
    asked = Path(__file__).with_name("asked")
    was, _ = asked.exists(), asked.touch()
    assert was, "not asked before"
    assert not hasattr(sys, "others"), "not alone"
"""
REAL = "\nimport pytest\npytestmark = pytest.mark.real('all that it likes')\n"
BROKEN = "def test_broken(): assert False, 'broken'\n"
FINE = "import sys\ndef test_fine(): sys.others = True\n"


def prepared(
    root: Path, workers: int, limit: float = 60, dying: float = 1, mark: str = REAL, **files: str
) -> tuple[list[str], dict[str, str]]:
    """A suite of a few files with this one's rules, whose tests may take seconds: the command that runs it, its
    environment. `mark` is added to each file."""
    (root / "tests").mkdir(parents=True)
    for name in ("conftest.py", "interpreters.py", "kinds.py", "limits.py", "scheduling.py", "selection.py"):
        shutil.copy(HERE / name, root / "tests")
    for name, text in files.items():
        file = root / "tests" / name.replace("__", "/")
        file = file.with_name(f"test_{file.name}.py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + mark)
    (root / "pytest.ini").write_text(
        "[pytest]\naddopts = --import-mode=importlib -p no:cacheprovider\nasyncio_mode = auto\n"
        "asyncio_default_fixture_loop_scope = function\nfilterwarnings = error::pytest.PytestWarning\n"
        "markers =\n    real(needs)\n    long(why, of)\n"
        f"limit_s = {limit}\nlimit_grace_s = 8\nlimit_dying_s = {dying}\n"
    )
    command = [sys.executable, str(TOOL), "-q", "-n", str(workers), "--dist", "loadfile", "tests"]
    return command, {name: value for name, value in os.environ.items() if name != "ILOT_KINDS"}


def run(
    root: Path,
    workers: int = 0,
    limit: float = 60,
    dying: float = 1,
    mark: str = REAL,
    environment: dict[str, str] | None = None,
    **files: str,
) -> subprocess.CompletedProcess[str]:
    command, given = prepared(root, workers, limit, dying, mark, **files)
    given |= environment or {}
    return subprocess.run(command, cwd=root, env=given, capture_output=True, text=True, timeout=180, check=False)


@pytest.mark.real("processes")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_test_that_passes_when_it_runs_once_more_alone_is_unsteady_and_its_failure_is_kept(
    workers: int, tmp_path: Path
) -> None:
    done = run(tmp_path, workers, hub__a=FINE, hub__b=MOODY)
    assert done.returncode == 0, done.stdout
    assert "1 failed, 1 passed" in done.stdout
    name = "tests/hub/test_b.py::test_moody"
    assert done.stdout.splitlines()[-1].startswith(f"UNSTEADY {name}: AssertionError: not asked before")
    [kept] = (tmp_path / "build" / "unsteady").iterdir()
    assert kept.read_text().startswith(f"{name}\n")
    assert "what it printed" in kept.read_text()


@pytest.mark.real("processes")
def test_a_test_that_fails_again_has_failed_and_is_named_before_the_unsteady_ones(tmp_path: Path) -> None:
    again = BROKEN.replace("(", "_row(n", 1)
    rows = "import pytest\n@pytest.mark.parametrize('n', ['a::b', 'c d/[e]'])\n" + again
    done = run(tmp_path, 2, hub__a=MOODY, hub__b=rows)
    assert done.returncode == 1
    twice = [f"FAILED TWICE tests/hub/test_b.py::test_broken_row[{row}]" for row in ("a::b", "c d/[e]")]
    assert done.stdout.splitlines()[-3:-1] == twice
    assert done.stdout.splitlines()[-1].startswith("UNSTEADY tests/hub/test_a.py::test_moody: ")
    assert len(list((tmp_path / "build" / "unsteady").iterdir())) == 1


@pytest.mark.real("processes")
def test_a_test_whose_set_up_or_worker_failed_may_be_unsteady_too(tmp_path: Path) -> None:
    first = "import os, pytest\nfrom pathlib import Path\nASKED = Path(__file__).with_suffix('.asked')\n"
    fixture = "@pytest.fixture\ndef kept():\n was, _ = ASKED.exists(), ASKED.touch()\n assert was\n"
    ends = "def test_ends():\n if not ASKED.exists(): ASKED.touch(), os._exit(3)\n"
    done = run(tmp_path, 2, hub__a=f"{first}{fixture}def test_kept(kept): pass\n", hub__b=first + ends)
    assert done.returncode == 0, done.stdout
    unsteady = sorted(line.split(": ")[0] for line in done.stdout.splitlines()[-2:])
    assert unsteady == ["UNSTEADY tests/hub/test_a.py::test_kept", "UNSTEADY tests/hub/test_b.py::test_ends"]


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    "files",
    [
        {f"hub__{n}": MOODY.replace('"asked"', f'"asked-{n}"') for n in range(6)},
        {"hub__a": MOODY, "hub__b": "this is no Python\n"},
    ],
    ids=["six of them", "a file that cannot be imported"],
)
def test_nothing_runs_once_more_when_it_is_no_accident(files: dict[str, str], tmp_path: Path) -> None:
    done = run(tmp_path, 2, **files)
    assert done.returncode != 0
    assert "once more, alone" not in done.stdout
    assert "UNSTEADY" not in done.stdout


@pytest.mark.real("processes")
def test_rows_of_faults_run_beside_each_other(tmp_path: Path) -> None:
    text = """
from pathlib import Path
import time, pytest

@pytest.mark.parametrize("n", [0, 1])
def test_row(n):
    mine, other = (Path(__file__).with_name(f"row-{k}") for k in (n, 1 - n))
    mine.touch()
    for _ in range(600):
        if other.exists():
            return
        time.sleep(0.05)
    raise AssertionError("alone")
"""
    assert run(tmp_path, 2, faults__rows=text).returncode == 0
    done = run(tmp_path / "files", 2, faults__other=text.replace("600", "20"))
    assert "1 failed, 1 passed" in done.stdout, "a file's tests go to one worker"


SLEEPER = """
import os, subprocess, time
from pathlib import Path
STUBBORN = "trap '' TERM; echo up; exec /bin/sleep 900"  # Python takes a second of those that a test is given
def start(**options):
    process = subprocess.Popen(["/bin/sh", "-c", STUBBORN], stdout=subprocess.PIPE, **options)
    assert process.stdout.readline() == b"up\\n"
    Path(__file__).with_name(f"pid-{process.pid}").touch()
    return process
"""
HANGS = {
    "a loop": ("def test_hangs():\n while True: pass\n", "while True: pass"),
    "a wait": ("import time\ndef test_hangs(): time.sleep(900)\n", "time.sleep(900)"),
    "a coroutine": (
        (
            "import asyncio\nasync def inner(): await asyncio.Event().wait()\n"
            "async def test_hangs(): await asyncio.create_task(inner(), name='the inner one')\n"
        ),
        "asyncio task the inner one",
    ),
    "a loop of a task beside it": (
        (
            "import asyncio\nasync def busy():\n while True: await asyncio.sleep(0)\n"
            "async def test_hangs():\n task = asyncio.create_task(busy())\n await asyncio.Event().wait()\n"
        ),
        "while True: await asyncio.sleep(0)",
    ),
    "one that swallows what ends it": (
        "import time\ndef test_hangs():\n try: time.sleep(900)\n except BaseException: pass\n",
        "time.sleep(900)",
    ),
    "a thread in C that the end of the loop waits for": (
        "import asyncio, ctypes\nasync def test_hangs(): await asyncio.to_thread(ctypes.CDLL(None).sleep, 900)\n",
        "test_hangs",
    ),
    "a child that ignores SIGTERM": (
        SLEEPER + "def test_hangs():\n process = start()\n process.terminate()\n process.wait()\n",
        "process.wait()",
    ),
    "a set-up": (
        "import pytest, time\n@pytest.fixture\ndef slow(): time.sleep(900)\ndef test_hangs(slow): pass\n",
        "def slow(): time.sleep(900)",
    ),
}
IN_C = "import itertools\ndef test_hangs(): sum(itertools.repeat(0))\n"  # holds the interpreter, heeds no signal


def nothing_left(root: Path) -> bool:
    pids = [path.name.removeprefix("pid-") for path in root.rglob("pid-*")]
    return not any(limits.read(f"/proc/{pid}/cmdline") for pid in pids)


@pytest.mark.real("processes")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_test_that_hangs_fails_with_its_stacks_and_the_others_run(workers: int, tmp_path: Path) -> None:
    files = {f"hub__{n}": text + FINE for n, (text, _) in enumerate(HANGS.values())}
    done = run(tmp_path, workers, 2, **files)
    assert done.returncode == 1, done.stdout
    parts = {
        n: part
        for part in re.split("^_{3,} .*test_hangs _{3,}$", done.stdout, flags=re.MULTILINE)
        for n in range(len(HANGS))
        if f"of tests/hub/test_{n}.py::test_hangs took more than 2 s" in part
    }
    for n, (hangs, (_, shown)) in enumerate(HANGS.items()):
        assert shown in parts[n], hangs
    assert f"{len(HANGS) - 1} failed, {len(HANGS)} passed" in done.stdout  # one fails in its set-up: an error
    assert nothing_left(tmp_path)


@pytest.mark.real("processes")
def test_a_test_that_never_comes_back_from_c_ends_its_worker_and_the_others_run(tmp_path: Path) -> None:
    done = run(tmp_path, 2, 2, hub__a=SLEEPER + IN_C.replace("hangs():", "hangs(): start(); ") + FINE, hub__b=FINE)
    assert done.returncode == 1, done.stdout
    assert "crashed while running 'tests/hub/test_a.py::test_hangs'" in done.stdout
    assert "in test_hangs" in done.stderr
    assert "left by tests/hub/test_a.py::test_hangs: process" in done.stderr
    assert "1 failed, 2 passed" in done.stdout
    assert nothing_left(tmp_path)


def test_a_worker_that_has_not_told_its_tests_is_given_none() -> None:
    """It has taken the place of one that ended, and another one asks for work meanwhile."""
    new: Any = type("Worker", (), {"shutting_down": False})()
    files: Any = scheduling.Files.__new__(scheduling.Files)
    files.registered_collections, files.assigned_work, files.log = {}, {new: {}}, print
    files.workqueue = OrderedDict({"tests/hub/test_a.py": {"tests/hub/test_a.py::test_fine": False}})
    files._reschedule(new)
    assert (files.assigned_work, len(files.workqueue)) == ({new: {}}, 1)


@pytest.mark.real("processes")
def test_a_test_that_never_comes_back_from_c_is_named_where_there_is_no_worker(tmp_path: Path) -> None:
    done = run(tmp_path, 0, 2, hub__a=IN_C)
    assert done.returncode == 1
    assert "in test_hangs" in done.stderr
    assert "Under way: tests/hub/test_a.py::test_hangs" in done.stdout


@pytest.mark.real("clock, processes")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_is_told_to_end_names_its_tests_shows_their_stacks_and_leaves_nothing(
    workers: int, tmp_path: Path
) -> None:
    text = SLEEPER + "def test_slow(): start(start_new_session=True); time.sleep(900)\n"
    command, given = prepared(tmp_path, workers, hub__a=text)
    with subprocess.Popen(command, cwd=tmp_path, env=given, stdout=PIPE, stderr=PIPE, text=True) as process:
        while not list(tmp_path.rglob("pid-*")) and process.poll() is None:
            time.sleep(0.1)
        process.terminate()
        out, err = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM, out
    assert "STOPPED: it was told to end. Under way: tests/hub/test_a.py::test_slow" in out
    assert "call of tests/hub/test_a.py::test_slow" in err
    assert "time.sleep(900)" in err
    assert nothing_left(tmp_path)


@pytest.mark.real("processes")
def test_a_run_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    done = run(tmp_path, environment={"ILOT_TEST_MINUTES": "0.001"}, hub__a=HANGS["a wait"][0])
    assert done.returncode == 1
    assert "STOPPED: the run took more than 0.001 minutes. Under way: " in done.stdout


LEAVES = {
    "a process": ("def test_leaves(): start()\n", "process "),
    "one of another session that has lost its parent": (
        (
            "def test_leaves():\n"
            " if not (pid := os.fork()):\n  start(start_new_session=True, env={})\n  os._exit(0)\n os.waitpid(pid, 0)\n"
        ),
        "process ",
    ),
    "a port": (
        "import socket\nKEPT = []\ndef test_leaves(): KEPT.append(socket.create_server(('', 0)))\n",
        "port: tcp",
    ),
}


@pytest.mark.real("processes")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_test_that_leaves_something_fails_and_it_is_gone(workers: int, tmp_path: Path) -> None:
    done = run(tmp_path, workers, **{f"hub__{n}": SLEEPER + text + FINE for n, (text, _) in enumerate(LEAVES.values())})
    assert done.returncode == 1, done.stdout
    for n, (leaves, (_, shown)) in enumerate(LEAVES.items()):
        assert f"tests/hub/test_{n}.py::test_leaves - left when it had ended:" in done.stdout, leaves
        assert f"left when it had ended:\n{shown}" in done.stdout, leaves
    assert f"{2 * len(LEAVES)} passed" in done.stdout
    assert f"{len(LEAVES)} errors in" in done.stdout
    assert nothing_left(tmp_path)


@pytest.mark.real("processes")
def test_a_process_of_a_wider_fixture_may_stay_as_long_as_that(tmp_path: Path) -> None:
    fixture = "import pytest\n@pytest.fixture(scope='{}')\ndef kept():\n process = start()\n yield process\n{}\n"
    stops = " process.kill()\n process.communicate()"
    tests = "def test_one(kept): assert kept.poll() is None\ndef test_two(kept): assert kept.poll() is None\n"
    good = SLEEPER + fixture.format("session", stops) + tests
    bad = SLEEPER + fixture.format("module", " pass") + tests
    late = (
        SLEEPER + "import pytest\n@pytest.fixture(scope='module')\ndef kept():\n yield []\n"
        "def test_late(kept): kept.append(start())\ndef test_last(kept): assert kept[0].poll() is None\n"
    )
    done = run(tmp_path, hub__a=good, hub__b=bad, hub__c=late, hub__d=FINE)
    assert "ERROR at teardown of test_two" in done.stdout
    assert "ERROR at teardown of test_last" in done.stdout
    assert "started in tests/hub/test_c.py::test_late" in done.stdout
    assert "7 passed" in done.stdout
    assert "2 errors in" in done.stdout
    assert nothing_left(tmp_path)


# a program that goes on starting others: a browser, a hub with its workers
STARTS = """
import pytest, sys
AGAIN = "import subprocess, time\\nwhile True: subprocess.Popen(['sleep', '.3']); time.sleep(.01)"
@pytest.fixture(scope='module')
def kept():
    process = subprocess.Popen([sys.executable, '-c', AGAIN])
    yield process
    process.kill(), process.communicate()
"""


@pytest.mark.real("processes")
def test_what_the_process_of_a_wider_fixture_starts_meanwhile_may_stay_too(tmp_path: Path) -> None:
    mine = "@pytest.mark.parametrize('n', range(40))\ndef test_mine(kept, n): assert kept.poll() is None\n"
    another = "@pytest.mark.parametrize('n', range(40))\ndef test_another(n): pass\ndef test_last(kept): pass\n"
    done = run(tmp_path, dying=60, hub__a=SLEEPER + STARTS + mine + another)
    assert "81 passed" in done.stdout, done.stdout
    assert "left when it had ended:" not in done.stdout
    assert nothing_left(tmp_path)


@pytest.mark.real("processes")
def test_a_thread_that_keeps_a_process_when_all_has_ended_does_not_keep_the_run(tmp_path: Path) -> None:
    thread = "threading.Thread(target=ctypes.CDLL(None).sleep, args=(900,))"
    text = f"import ctypes, threading\ndef test_leaves(): {thread}.start()\n"
    done = run(tmp_path, environment={"ILOT_TEST_ENDING_S": "5"}, hub__a=text)
    assert done.returncode == 1
    assert "STOPPED: pytest has ended, its process has not within 5 s" in done.stdout


@pytest.mark.real("processes")
@pytest.mark.parametrize("workers", [0, 2])
def test_tests_that_were_skipped_are_listed_with_their_reasons(workers: int, tmp_path: Path) -> None:
    here = "import pytest\n@pytest.mark.skip(reason='no radio')\ndef test_radio(): pass\n"
    whole = "import pytest\npytest.skip('no namespaces', allow_module_level=True)\n"
    done = run(tmp_path, workers, hub__a=here, hub__b=whole, hub__c=FINE)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-2:] == [
        "SKIPPED 1: no namespaces (tests/hub/test_b.py)",
        "SKIPPED 1: no radio (tests/hub/test_a.py::test_radio)",
    ]
