"""What `make test` runs once more, and what it does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[1] / "tools" / "run_tests.py"
# fails in each process that is the first to ask
MOODY = """
from pathlib import Path
import pytest

@pytest.mark.parametrize("n", range({how_many}))
def test_moody(n):
    asked = Path(__file__).with_name(f"asked-{{n}}")
    was, _ = asked.exists(), asked.touch()
    assert was
"""
BROKEN = "def test_broken(): assert False\n"


def run(root: Path, workers: int = 0, **files: str) -> subprocess.CompletedProcess[str]:
    for name, text in files.items():
        file = root / "tests" / name.replace("__", "/")
        file = file.with_name(f"test_{file.name}.py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (root / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib -p no:cacheprovider\n")
    command = [sys.executable, str(TOOL), "-q", "-n", str(workers), "--dist", "loadfile", "tests"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)


def test_a_journey_that_fails_beside_others_runs_again_alone_and_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, workers=2, journeys__a=MOODY.format(how_many=1), hub__b="def test_fine(): pass\n")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == (
        "FAILED BESIDE OTHERS, PASSED ALONE: tests/journeys/test_a.py::test_moody[0]"
    )


def test_a_journey_that_is_broken_fails_alone_too(tmp_path: Path) -> None:
    done = run(tmp_path, journeys__a=BROKEN)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "FAILED BESIDE OTHERS, FAILED ALONE: tests/journeys/test_a.py::test_broken"


@pytest.mark.parametrize(
    "files",
    [
        {"hub__a": MOODY.format(how_many=1)},
        {"journeys__a": MOODY.format(how_many=1), "hub__b": BROKEN},
        {"faults__a": MOODY.format(how_many=4)},
        {"faults__a": MOODY.format(how_many=1), "faults__b": "this is no Python\n"},
    ],
    ids=["a test of one process", "one elsewhere failed too", "four of them", "a file that cannot be read"],
)
def test_nothing_is_run_again_when(files: dict[str, str], tmp_path: Path) -> None:
    done = run(tmp_path, **files)
    assert done.returncode != 0
    assert "once more, alone" not in done.stdout
