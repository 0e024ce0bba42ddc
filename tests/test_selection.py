"""What the short run leaves out: only what is marked, of decoders only what is judged, of promises nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from . import selection

HERE = Path(__file__).parent
KNX = "integrations/knx"
SUITE = {
    "integrations/knx/decode.py": "LIMIT = 3\n",
    "tests/integrations/knx/test_knx.py": """
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
drawn = []

@settings.get_profile("hostile")
@given(st.binary(min_size=4))
def test_hostile(data):
    drawn.append(data)

def test_examples():
    print(len(drawn), "examples")

@pytest.mark.long("dear", of="integrations/knx")
def test_cost(): pass
""",
    "tests/test_other.py": """
import pytest

@pytest.mark.long("minutes")
def test_long(): pass

@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.long("a twin of 1"))])
def test_rows(n): pass
""",
}
ALL = {"test_hostile", "test_examples", "test_cost", "test_long", "test_rows[1]", "test_rows[2]"}
LONG = {"test_long", "test_rows[2]"}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A folder with the rules of these tests, of which none is judged."""
    for name, text in SUITE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for name in ("conftest.py", "interpreters.py", "kinds.py", "limits.py", "scheduling.py", "selection.py"):
        shutil.copy(HERE / name, tmp_path / "tests")
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\naddopts = --import-mode=importlib --strict-markers\ntestpaths = tests\nmarkers =\n    long: none\n"
        "asyncio_default_fixture_loop_scope = function\n"
    )
    return tmp_path


def ran(suite: Path, *options: str, passes: bool = True) -> tuple[set[str], int]:
    """The tests that ran, and how many examples of hostile input one of them drew."""
    command = [sys.executable, "-m", "pytest", "-v", "-s", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=suite, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is passes, done.stdout + done.stderr
    drawn = re.search(r"(\d+) examples", done.stdout)
    return set(re.findall(r"::(test_\w+(?:\[\w+\])?)", done.stdout)), int(drawn[1]) if drawn else 0


def judged(suite: Path) -> dict[str, str]:
    return selection.read(suite / "tests/judged.txt")


@pytest.mark.real("processes")
def test_a_run_without_the_option_has_every_test_and_all_examples(suite: Path) -> None:
    assert ran(suite) == (ALL, 400)


@pytest.mark.real("processes")
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_folder_is_judged_in_full_once_and_again_when_it_changes(workers: str, suite: Path) -> None:
    short = ("--short", "-n", workers, "--dist", "loadfile")
    assert ran(suite, *short)[0] == ALL - LONG
    assert judged(suite)[KNX] == selection.digest(KNX, suite)
    assert ran(suite, *short)[0] == ALL - LONG - {"test_cost"}
    (suite / KNX / "decode.py").write_text("LIMIT = 4\n")
    assert ran(suite, *short)[0] == ALL - LONG
    assert judged(suite)[KNX] == selection.digest(KNX, suite)


@pytest.mark.real("processes")
def test_few_examples_are_drawn_of_a_folder_that_is_judged_and_all_in_a_whole_run(suite: Path) -> None:
    assert ran(suite, "--short")[1] == 400
    assert ran(suite, "--short")[1] == selection.HOSTILE_SHORT
    assert ran(suite)[1] == 400


@pytest.mark.real("processes")
def test_a_run_that_fails_or_is_not_complete_judges_nothing(suite: Path) -> None:
    for options in (("-k", "knx"), ("tests/integrations",), ("--deselect", "tests/test_other.py"), ("--collect-only",)):
        ran(suite, "--short", *options)
        assert judged(suite) == {}, options
    (suite / "tests/test_broken.py").write_text("def test_broken(): assert False\n")
    ran(suite, "--short", passes=False)
    assert judged(suite) == {}


@pytest.mark.real("processes")
def test_what_changes_while_a_run_is_under_way_is_not_judged_by_it(suite: Path) -> None:
    path = str(suite / KNX / "decode.py")
    editor = f"from pathlib import Path\ndef test_editor(): Path({path!r}).write_text('LIMIT = 5')\n"
    (suite / "tests/test_editor.py").write_text(editor)
    before = selection.digest(KNX, suite)
    ran(suite, "--short")
    assert judged(suite)[KNX] == before != selection.digest(KNX, suite)


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        (lambda root: (root / KNX / "decode.py").write_text("LIMIT = 5\n"), True),
        (lambda root: (root / KNX / "decode.py").rename(root / KNX / "reads.py"), True),
        (lambda root: (root / KNX / "more.json").write_text("{}"), True),
        (lambda root: (root / "tests" / KNX / "test_more.py").touch(), True),
        (lambda root: (root / "constraints.txt").write_text("msgspec==1\n"), True),
        (lambda root: (root / KNX / "README.md").write_text("KNX"), False),
        (lambda root: (root / "integrations/linky.py").touch(), False),
    ],
    ids=["a line", "a name", "data", "a test", "a library", "its page", "another folder"],
)
def test_what_a_folder_is_judged_by(change: Callable[[Path], object], counts: bool, suite: Path) -> None:
    before = selection.digest(KNX, suite)
    change(suite)
    assert (selection.digest(KNX, suite) != before) is counts


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        (lambda root: (root / KNX / "decode.py").write_text("LIMIT = 5\n"), True),
        (lambda root: (root / "tests/journeys/test_hub.py").touch(), True),
        (lambda root: (root / "tests/kit.py").touch(), True),
        (lambda root: (root / "constraints.txt").write_text("msgspec==1\n"), True),
        (lambda root: (root / "tests/test_other.py").write_text(""), False),
        (lambda root: (root / "tests/judged.txt").touch(), False),
        (lambda root: (root / KNX / "README.md").write_text("KNX"), False),
        (
            lambda root: (root / "hub/static/qr").mkdir(parents=True) or (root / "hub/static/qr/decode.js").touch(),
            False,
        ),
    ],
    ids=[
        "a line",
        "a test",
        "what tests share",
        "a library",
        "another test",
        "a verdict",
        "a page",
        "what a build makes",
    ],
)
def test_what_tests_of_whole_programs_are_judged_by(
    change: Callable[[Path], object], counts: bool, suite: Path
) -> None:
    (suite / "tests/journeys").mkdir()
    before = selection.digest("tests/journeys", suite)
    change(suite)
    assert (selection.digest("tests/journeys", suite) != before) is counts


# -- this suite ------------------------------------------------------------------------------------------------------


def test_whatever_draws_hostile_input_belongs_to_a_folder_and_each_folder_is_there() -> None:
    known = {*selection.FOLDERS, "contracts"}
    for path in HERE.rglob("test_*.py"):
        if 'get_profile("hostile")' in path.read_text() and path != Path(__file__):
            place = path.parent.relative_to(HERE).as_posix() + "/"
            assert any(place.startswith(f"{folder}/") for folder in known), path
    for place in (*selection.FOLDERS, *selection.PROGRAMS, *selection.PRODUCT, *selection.COMMON):
        assert (HERE.parent / place).exists(), place


def test_each_long_test_is_of_a_folder_that_can_be_judged() -> None:
    for path in HERE.rglob("test_*.py"):
        for folder in re.findall(r'mark\.long\([^)]*\bof="([^"]+)"', path.read_text()):
            assert folder in (*selection.FOLDERS, *selection.PROGRAMS), path
            if folder in selection.PROGRAMS and path != Path(__file__):
                assert path.is_relative_to(HERE.parent / folder), path


def test_a_folder_that_uses_another_one_is_judged_again_with_it() -> None:
    modules = {folder: folder.replace("/", ".") for folder in selection.FOLDERS}
    for folder in selection.FOLDERS:
        found = set[str]()
        for path in (HERE.parent / folder).rglob("*.py"):
            text = path.read_text()
            found |= {other for other, name in modules.items() if re.search(rf"^\s*(from|import) {name}\b", text, re.M)}
        assert found - {folder} <= set(selection.USES.get(folder, ())), folder


def test_no_test_that_a_promise_or_the_security_table_names_is_left_to_the_long_run(
    pytestconfig: pytest.Config,
) -> None:
    chosen = pytestconfig.pluginmanager.get_plugin("selection")
    assert isinstance(chosen, selection.Selection)
    pages = "".join((HERE.parent / f"docs/explanation/{name}.md").read_text() for name in ("promises", "security"))
    named = set(re.findall(r"`(tests/[\w/]+\.py::test_\w+)`", pages))
    assert len(named) > 50
    elsewhere = {test for test in named if test.startswith("tests/package/")}  # in a Debian of its own
    assert sorted((named - elsewhere) & chosen.left_out) == []
    assert len(elsewhere) < 5


def test_each_promise_keeps_a_fault_and_a_twin_in_the_short_run() -> None:
    sys.path.insert(0, str(HERE / "faults"))
    from run import ROWS

    gate = {row.fault.__name__ for row in ROWS if row.gate}
    said = (HERE.parent / "docs/explanation/promises.md").read_text()
    lines = re.findall(r"^- Faults: (.*?)(?=^[-#A-Z]|\Z)", said, re.MULTILINE | re.DOTALL)
    assert len(lines) > 7
    for line in lines:
        for part in line.partition("caught:")[::2]:
            names = set(re.findall(r"`(\w+)`", part))
            assert not names or names & gate, f"none of {', '.join(sorted(names))}"
