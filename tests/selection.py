"""Choose the tests of the short run, `make test`. Without `--short`, every test runs.

    @pytest.mark.long("why")                            left to `make test-all`
    @pytest.mark.long("why", of="integrations/knx")     in the short run too, while that folder is not judged
    @pytest.mark.long("why", of="tests/journeys")       the same for whole programs: while that folder is not judged
    @settings.get_profile("hostile")                    few examples in the short run, while the folder is judged

A folder of code is judged when each file of it, of its tests and of COMMON is as it was at the start of the last
complete run that passed; a folder of tests when its own files, PRODUCT and what tests share are. `tests/judged.txt`
holds a hash of them for each folder; such a run, short or whole, renews it. See
docs/adr/0094-a-short-and-a-whole-run.md.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Mapping
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
    *("hub/store_and_forward/buffer", "backend/storage/city", "tools/run_tests.py"),
)
"""Code that reads bytes of others, the city's statements, and the tool that runs these tests."""
PROGRAMS = ("tests/backend/city", "tests/hub", "tests/integrations", "tests/journeys")
"""Folders of which some tests start browsers or whole hubs: any line of the product may change what they find."""
PRODUCT = ("hub", "backend", "integrations", "plugins", "packs", "constraints.txt")
USES = {
    "backend/storage/city": (
        "backend/storage/postgresql/city.py",
        "backend/storage/postgresql/connection.py",
        "tests/backend/city/conftest.py",
    ),
    "tools/run_tests.py": (
        *("tests/kinds.py", "tests/limits.py", "tests/scheduling.py", "tests/conftest.py", "tests/test_run_tests.py"),
    ),
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
UNREAD, BUILT = (".md", ".mo", ".pyc"), frozenset(("__pycache__", "leaflet", "node_modules", "qr"))
"""Files and folders that no test is judged by."""
APART = "tests/faults/test_rows.py::"
"""Tests that are handed out one by one. All others of a file go to one worker."""
HOSTILE, HOSTILE_SHORT = int(os.environ.get("ILOT_EXAMPLES", "400")), 10


def digest(folder: str, root: Path = ROOT, product: str = "") -> str:
    """Hash of the names and bytes of all files on which it depends whether `folder` is judged. `product`: what
    `product_digest` returned, to be had once for several folders of PROGRAMS."""
    if folder in PROGRAMS:
        return _hash(_files(root / folder), root, product or product_digest(root))
    places = (folder, f"tests/{folder}", *USES.get(folder, ()), *COMMON)
    return _hash((file for place in places for file in _files(root / place)), root)


def product_digest(root: Path = ROOT) -> str:
    """Hash of PRODUCT and of what tests share: all that is in their folder and is no test."""
    mine = root / "tests" / "judged.txt"
    shared = (file for file in _files(root / "tests") if not file.name.startswith("test_") and file != mine)
    return _hash((*(file for place in PRODUCT for file in _files(root / place)), *shared), root)


def _hash(files: Iterable[Path], root: Path, begin: str = "") -> str:
    found = sha256(begin.encode())
    for file in files:
        content = file.read_bytes()
        found.update(f"{file.relative_to(root)}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()


def _files(place: Path) -> list[Path]:
    """Return a file, or the files of a folder, but for pages of documentation and what a build leaves there."""
    found = [place] if place.is_file() else sorted(place.rglob("*"))
    return [
        file
        for file in found
        if file.is_file() and file.suffix not in UNREAD and not BUILT.intersection(file.relative_to(place).parts)
    ]


def read(path: Path = JUDGED) -> dict[str, str]:
    """The hashes in the file by folder; none where it does not exist."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {folder: found for found, folder in (line.split() for line in lines if not line.startswith("#"))}


def write(found: Mapping[str, str], path: Path = JUDGED) -> None:
    head = "# Sources as they were when the long tests of them last passed. Written by `make test`: commit it.\n"
    path.write_text(head + "".join(f"{found[folder]}  {folder}\n" for folder in sorted(found)))


class Selection:
    """The plugin: chooses the tests, and remembers what a complete run has judged."""

    def __init__(self, config: pytest.Config) -> None:
        self.short = bool(config.getoption("short"))
        product = product_digest()
        self.now = {one: digest(one, ROOT, product) for one in (*FOLDERS, *PROGRAMS) if (ROOT / one).exists()}
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
        folders = [folder for folder in FOLDERS if place.startswith(f"{folder}/")] or list(FOLDERS)
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
