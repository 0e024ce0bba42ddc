"""Choose the tests of the short run, `make test`. Without `--short`, every test runs.

    @pytest.mark.long("why")                            left to `make test-all`
    @pytest.mark.long("why", of="integrations/knx")     in the short run too, while that folder is not judged
    @settings.get_profile("hostile")                    few examples in the short run, while the folder is judged

A folder is judged when each file of it, of its tests and of COMMON is as it was at the start of the last complete run
that passed. `tests/judged.txt` holds a hash of them for each folder; such a run, short or whole, renews it. See
docs/adr/0094-a-short-and-a-whole-run.md.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
JUDGED = ROOT / "tests" / "judged.txt"
FOLDERS = (
    *(f"integrations/{name}" for name in ("bacnet", "bluetooth", "enocean", "http_json", "knx", "linky", "lorawan")),
    *(f"integrations/{name}" for name in ("lorawan_servers", "mbus", "modbus", "mqtt_devices", "opcua", "sigfox")),
    *("hub/config", "hub/devices/codecs", "hub/protocol", "hub/sdk/http", "hub/sdk/sigfox"),
    *("hub/store_and_forward/buffer", "tools/run_tests.py"),
)
"""Code that reads bytes of others, and the tool that runs these tests."""
USES = {
    "tools/run_tests.py": ("tests/limits.py", "tests/scheduling.py", "tests/conftest.py", "tests/test_run_tests.py"),
    "hub/store_and_forward/buffer": ("hub/protocol",),
    "integrations/sigfox": ("hub/sdk/sigfox",),
}
"""What such code imports of the others, or is judged with."""
COMMON = (
    *("hub/core/errors.py", "hub/core/model.py", "hub/core/nesting.py", "hub/protocol/length_prefix.py"),
    *(
        "hub/sdk/jsonpath.py",
        "hub/sdk/sandboxed_process.py",
        "tests/contracts",
        "tests/selection.py",
        "constraints.txt",
    ),
)
"""What several of them use, and what judges them."""
APART = "tests/faults/test_rows.py::"
"""Tests that are handed out one by one. All others of a file go to one worker."""
HOSTILE, HOSTILE_SHORT = int(os.environ.get("ILOT_EXAMPLES", "400")), 10


def digest(folder: str, root: Path = ROOT) -> str:
    """Hash of the names and bytes of all files on which it depends whether `folder` is judged."""
    found = sha256()
    for place in (folder, f"tests/{folder}", *USES.get(folder, ()), *COMMON):
        path = root / place
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".md":
                found.update(f"{file.relative_to(root)}\0{file.stat().st_size}\0".encode())
                found.update(file.read_bytes())
    return found.hexdigest()


def read(path: Path = JUDGED) -> dict[str, str]:
    """The hashes in the file by folder; none where it does not exist."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {folder: found for found, folder in (line.split() for line in lines if not line.startswith("#"))}


def write(found: Mapping[str, str], path: Path = JUDGED) -> None:
    head = "# Sources of decoders as they were when their long tests last passed. Written by `make test`: commit it.\n"
    path.write_text(head + "".join(f"{found[folder]}  {folder}\n" for folder in sorted(found)))


class Selection:
    """The plugin: chooses the tests, and remembers what a complete run has judged."""

    def __init__(self, config: pytest.Config) -> None:
        self.short = bool(config.getoption("short"))
        self.now = {folder: digest(folder) for folder in FOLDERS if (ROOT / folder).exists()}
        before = read()
        self.left_out = set[str]()
        """Tests without their parameters of which no row is in the short run, of the files that were collected."""
        self.unjudged = {folder for folder, found in self.now.items() if before.get(folder) != found}

    def runs(self, item: pytest.Item) -> bool:
        """Whether a test belongs to this run."""
        marks = list(item.iter_markers("long")) if self.short else []
        return all(mark.kwargs.get("of") in self.unjudged for mark in marks)

    def examples(self, path: Path) -> int:
        """How many examples a test in this file draws of hostile input."""
        if not self.short or "ILOT_EXAMPLES" in os.environ:
            return HOSTILE
        place = path.parent.relative_to(ROOT / "tests").as_posix() + "/"
        folders = [folder for folder in self.now if place.startswith(f"{folder}/")] or list(self.now)
        return HOSTILE if self.unjudged.intersection(folders) else HOSTILE_SHORT

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None, object, object]:
        if isinstance(collector, pytest.Module) and collector.path.is_relative_to(ROOT / "tests"):  # imported now
            settings.register_profile("hostile", settings.default, max_examples=self.examples(collector.path))
        return (yield)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        short, long = set[str](), set[str]()
        for item in items:
            (long if any(item.iter_markers("long")) else short).add(item.nodeid.partition("[")[0])
        self.left_out = long - short
        if left := [item for item in items if not self.runs(item)]:
            config.hook.pytest_deselected(items=left)
            items[:] = [item for item in items if self.runs(item)]

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        config, changed = session.config, bool(self.unjudged)
        complete = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not any(
            config.getoption(name, default=None) for name in ("keyword", "markexpr", "deselect", "lf", "collectonly")
        )
        if changed and complete and exitstatus == 0 and not hasattr(config, "workerinput"):
            write(self.now)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.unjudged and self.short:
            terminalreporter.write_line(f"judged in full, since they changed: {', '.join(sorted(self.unjudged))}")


def add_options(parser: pytest.Parser) -> None:
    parser.addoption("--short", action="store_true", help="leave long tests to `make test-all`; see tests/selection.py")
