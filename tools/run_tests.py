"""Run pytest with the given arguments, end it when it hangs, kill what it leaves, and run what failed once more.

When at most MOST tests failed, and nothing else was wrong, each of them runs once more, alone, when all others have
ended. One that fails again is red. One that passes then is *unsteady*: the last lines name it, with the first line of
its failure, the whole of which is kept in build/unsteady/, and it gets a row in tests/unsteady.md. See
docs/adr/0094-a-short-and-a-whole-run.md.

tests/limits.py ends a test that hangs. Should that fail, or all take longer than ILOT_TEST_MINUTES, the tests under way
are named, their processes write their stacks, and everything below this process is killed. So is what is left when
pytest has ended. Tests that were skipped are listed at the end with their reasons. See docs/adr/0086-every-run-ends.md.

Exit codes are those of pytest; 0 where all that failed is unsteady; 1 where it was stopped here, or left a process.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import limits

sys.path.pop()  # there is a folder `hub` there

MOST = 5
"""How many tests of a run may be unsteady: more than that is no accident, and none of them runs again."""
KEPT = Path("build/unsteady")
"""Where the failures of unsteady tests are kept, below the folder that the run was started in."""
MINUTES = float(os.environ.get("ILOT_TEST_MINUTES", "120"))
ENDING_S = float(os.environ.get("ILOT_TEST_ENDING_S", "60"))
"""How long a pytest that has said its result may take to end: a thread of a test may keep it."""
DYING_S = 60.0
"""How long what is left may take to end by itself when pytest has ended."""
STACKS_S = 5.0


class Journal:
    """A plugin that tells the process that watches this one what happens, a line of JSON each."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def tell(self, **what: object) -> None:
        line = json.dumps(what).encode() + b"\n"
        while line:
            line = line[os.write(self._fd, line) :]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.tell(starts=nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.tell(ends=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            captured = (f"\n--- {title} ---\n{text}" for title, text in report.sections)
            self.tell(failed=report.nodeid, why="".join((report.longreprtext, *captured)))
        if report.when == "???":  # its worker is gone
            self.tell(ends=report.nodeid)
        if report.skipped and not hasattr(report, "wasxfail"):
            self.tell(skipped=report.nodeid, why=_reason(report))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.tell(uncollected=report.nodeid)
        if report.skipped:
            self.tell(skipped=report.nodeid, why=_reason(report))


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return why.removeprefix("Skipped: ")


@dataclass
class Run:
    """What a run of pytest has told, and how it ended."""

    code: int | None = None
    under_way: dict[str, None] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)  # tests, with their failures
    uncollected: dict[str, None] = field(default_factory=dict)  # files that cannot be imported
    skipped: dict[str, list[str]] = field(default_factory=dict)  # tests, by reason
    stopped: bool = False

    def hear(self, told: dict[str, Any]) -> None:
        match told:
            case {"starts": name}:
                self.under_way[name] = None
            case {"ends": name}:
                self.under_way.pop(name, None)
            case {"failed": name, "why": why}:
                self.failed[name] = f"{self.failed[name]}\n\n{why}" if name in self.failed else why
            case {"uncollected": name}:
                self.uncollected[name] = None
            case {"skipped": name, "why": why}:
                self.skipped.setdefault(why, []).append(name)
            case {"code": code}:
                self.code = code

    def worth_another(self) -> bool:
        """Whether all that is wrong with this run is that a few tests failed."""
        ended = self.code == pytest.ExitCode.TESTS_FAILED and not self.stopped and not self.uncollected
        return ended and 0 < len(self.failed) <= MOST


def say(text: str) -> None:
    print(text, flush=True)


def stop(run: Run, why: str) -> None:
    """Names the tests under way, has their processes write their stacks, and kills all."""
    run.stopped = True
    say(f"\nSTOPPED: {why}. Under way: {', '.join(run.under_way) or 'no test'}")
    for name in (*run.failed, *run.uncollected):  # pytest will not say
        say(f"FAILED before: {name}")
    asked = [process for process in limits.processes() if _writes_stacks(process)]
    for process in asked:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, limits.DUMP)
    time.sleep(STACKS_S if asked else 0)
    limits.kill(limits.processes)


def _writes_stacks(process: limits.Process) -> bool:
    for line in limits.read(f"/proc/{process.pid}/status").splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (limits.DUMP - 1) & 1)
    return False


def watched(arguments: list[str]) -> Run:
    """Runs pytest below this process, and leaves nothing of it."""
    run = Run()
    reading, writing = os.pipe()
    until, ending = time.monotonic() + MINUTES * 60, float("inf")
    process = subprocess.Popen([sys.executable, __file__, "--tell", str(writing), *arguments], pass_fds=[writing])
    os.close(writing)
    rest = b""
    try:
        while True:
            ended = process.poll() is not None  # before reading: what it has written last is read
            if select.select([reading], [], [], 0 if ended else 0.2)[0] and (data := os.read(reading, 1 << 16)):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    run.hear(json.loads(line))
                continue
            if ended:
                break
            if run.code is not None:
                ending = min(ending, time.monotonic() + ENDING_S)
            if time.monotonic() > until:
                stop(run, f"the run took more than {MINUTES:g} minutes")
            elif time.monotonic() > ending:
                stop(run, f"pytest has ended, its process has not within {ENDING_S:g} s: a thread keeps it")
    except KeyboardInterrupt:  # pytest got it too, from the terminal
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(ENDING_S)
        run.code = pytest.ExitCode.INTERRUPTED
    except SystemExit:
        stop(run, "it was told to end")
        raise
    finally:
        os.close(reading)
        _sweep(run, patient=process.poll() is not None)
        process.wait()
        _reap()
    if run.code is None and not run.stopped:
        say(f"\nSTOPPED: pytest ended with {process.returncode}. Under way: {', '.join(run.under_way) or 'no test'}")
    if run.code is None or (run.stopped and run.code == pytest.ExitCode.OK):
        run.code = pytest.ExitCode.TESTS_FAILED
    return run


def _sweep(run: Run, patient: bool) -> None:
    """Kills and names what is left below this process."""
    until = time.monotonic() + (DYING_S if patient else 0)
    while (left := limits.processes()) and time.monotonic() < until:
        time.sleep(0.05)
    for process in left:
        say(f"LEFT by {limits.started_by(process) or 'an unknown test'}: {process}")
        run.stopped = True
    limits.kill(limits.processes)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def tell_skipped(run: Run) -> None:
    """By reason, with the tests or, where they are many, their files."""
    for why, names in sorted(run.skipped.items()):
        places = names if len(names) <= 3 else sorted({name.partition("::")[0] for name in names})
        say(f"SKIPPED {len(names)}: {why} ({', '.join(places)})")


def run_again(run: Run, arguments: list[str]) -> dict[str, int]:
    """Run each test that failed once more, with nothing beside it. Returns the exit code of each; a test that is
    skipped then has not passed."""
    say(f"\n{len(run.failed)} failed: once more, alone\n")
    same = [one for one in arguments if one == "--short"]
    second = {name: watched([*same, "-n", "0", name]) for name in run.failed}
    return {name: run.code or int(bool(run.skipped)) for name, run in second.items()}


def tell_again(run: Run, codes: dict[str, int]) -> None:
    """Name what failed twice, then what is unsteady, and keep the failures of the latter."""
    for name in (name for name, code in codes.items() if code):
        say(f"FAILED TWICE {name}")
    for name in (name for name, code in codes.items() if not code):
        KEPT.mkdir(parents=True, exist_ok=True)
        file = KEPT / f"{time.strftime('%Y%m%d-%H%M%S')}-{re.sub('[^A-Za-z0-9_.]+', '-', name)[-120:]}.txt"
        file.write_text(f"{name}\n\n{run.failed[name]}\n")
        say(f"UNSTEADY {name}: {first_line(run.failed[name])}")


def first_line(failure: str) -> str:
    """The first line that pytest marks as the error of a failure, else its first line."""
    lines = [line for line in failure.splitlines() if line.strip()]
    errors = [line.removeprefix("E").strip() for line in lines if line.startswith("E  ")]
    return (errors or lines or ["no word of why"])[0]


def main(arguments: list[str]) -> int:
    limits.adopt()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each worker translates every test anew, 11 s of processor
    run = watched(arguments)
    codes = run_again(run, arguments) if run.worth_another() else {}
    tell_skipped(run)
    tell_again(run, codes)
    return max(codes.values()) if codes else run.code or 0


def told(fd: int, arguments: list[str]) -> int:
    """The process that is watched."""
    os.set_inheritable(fd, False)
    journal = Journal(fd)
    code = int(pytest.main(arguments, plugins=[journal]))
    journal.tell(code=code)
    return code


if __name__ == "__main__":
    if sys.argv[1:2] == ["--tell"]:
        sys.exit(told(int(sys.argv[2]), sys.argv[3:]))
    sys.exit(main(sys.argv[1:]))
