"""The house itself: its public names, its layers, and that the gate catches what it is there to catch."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import click
import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

API = [
    *("AuthFailed", "Candidate", "Command", "Commands", "Config", "DecodeError", "Decoded", "Device", "Devices"),
    *("Frame", "HttpUrl", "LedElsewhere", "METRICS", "Metric", "NeedKey", "NotReady", "PluginError", "Position"),
    *("Proof", "Quality", "Register", "RegisterDecoder", "Reply", "Report", "Sample", "Session", "Signal", "State"),
    *("Value", "hookimpl"),
]


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- names -------------------------------------------------------------------------------------------------------


def test_the_plugin_api_is_these_names_and_no_other() -> None:
    import hub

    assert sorted(API) == hub.__all__ == dir(hub)
    assert all(getattr(hub, name) is not None for name in API)
    assert len(API) <= 30


def test_a_name_that_left_the_api_is_read_with_a_warning_that_says_where_it_is_now() -> None:
    import hub

    assert len(hub._FORMER) == 25
    for name, where in hub._FORMER.items():
        module, _, new = where.rpartition(".")
        with pytest.warns(DeprecationWarning, match=rf"hub\.{name} is now {re.escape(where)}; ") as warned:
            assert getattr(hub, name) is getattr(importlib.import_module(module), new)
        assert warned[0].filename == __file__
        assert name not in hub.__all__


def test_a_name_the_api_lacks_is_refused_with_those_it_has() -> None:
    import hub

    with pytest.raises(AttributeError, match=r"no 'Reading'; it has: AuthFailed, "):
        _ = hub.Reading


@pytest.mark.real("processes")
def test_importing_the_hub_imports_nothing_of_it() -> None:
    loaded = python(
        "import sys, hub; print(*(m for m in sys.modules if m.startswith(('hub.', 'pydantic', 'aiohttp'))))"
    )
    assert loaded.split() == []


def test_a_type_checker_and_a_running_plugin_see_the_same_names() -> None:
    source = (ROOT / "hub/__init__.py").read_text()
    assert sorted(re.findall(r"^    from \S+ import (\w+) as \1$", source, re.MULTILINE)) == sorted(API)


def test_a_session_has_thirteen_members_and_what_it_hands_out_can_be_named() -> None:
    from hub.sdk import session
    from hub.sdk.session import Session

    members = [name for name in vars(Session) if not name.startswith("_")]
    assert len(members) <= 13, members
    handed = {"Answer", "Bus", "Commands", "Devices", "Http", "Network", "Packs", "Polling", "Radio", "Reply"}
    assert handed | {"State", "Turn"} <= set(session.__all__)


def test_a_public_member_without_documentation_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from hub.sdk.session import Commands, Devices, Reply
    from hub.sdk.testing import FakeHttp

    reference = tool("reference")
    assert list(reference.undocumented()) == []
    monkeypatch.setattr(Commands.offer, "__doc__", None)
    monkeypatch.setattr(Devices, "timezone", property(lambda self: ""))
    monkeypatch.setattr(Reply, "__doc__", "A reply: `status` and `body`.")
    monkeypatch.setattr(FakeHttp.reply, "__doc__", None)
    monkeypatch.setattr(sys.modules["hub.sdk.jsonpath"].JsonPath, "__doc__", None)
    assert set(reference.undocumented()) == {
        "hub.Commands.offer has no docstring",
        "hub.Devices.timezone has no docstring",
        "hub.Reply.headers: the docstring of the class does not name it",
        "hub.sdk.testing.FakeCommands.offer has no docstring",  # it implements the one above
        "hub.sdk.testing.FakeHttp.reply has no docstring",
        "hub.sdk.jsonpath.JsonPath has no docstring",
    }


# -- packaging ---------------------------------------------------------------------------------------------------


def test_every_entry_point_leads_to_a_module_of_this_house() -> None:
    groups = [PROJECT["scripts"], *PROJECT["entry-points"].values()]
    for target in (value for group in groups for value in group.values()):
        path = ROOT / target.partition(":")[0].replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__init__.py").exists(), target


def test_plugins_and_integrations_are_no_packages_of_their_own() -> None:
    assert not (ROOT / "plugins/__init__.py").exists()
    assert not (ROOT / "integrations/__init__.py").exists()


def test_every_dependency_is_pinned_with_its_hashes() -> None:
    pins = (ROOT / "constraints.txt").read_text().replace("\\\n", " ")
    pinned = set()
    for line in pins.splitlines():
        if line.strip() and not line.startswith((" ", "#")):
            match = re.match(r"([\w.-]+)==\S+", line)
            assert match, f"not pinned: {line[:80]}"
            assert "--hash=sha256:" in line, f"without hash: {line[:80]}"
            pinned.add(re.sub(r"[-_.]+", "-", match[1]).lower())
    wanted = [*PROJECT["dependencies"], *(d for extra in PROJECT["optional-dependencies"].values() for d in extra)]
    names = {re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", d)[0]).lower() for d in wanted}  # type: ignore[index]
    assert names - {"ilot"} <= pinned


def test_every_dependency_has_its_line_of_why() -> None:
    page = (ROOT / "docs/adr/0001-dependencies.md").read_text()
    wanted = [*PROJECT["dependencies"], *(d for extra in PROJECT["optional-dependencies"].values() for d in extra)]
    for name in {re.match(r"[\w.-]+", d)[0] for d in wanted} - {"ilot"}:  # type: ignore[index]
        assert re.search(rf"^\|.*\b{re.escape(name)}\b.*\|", page, re.MULTILINE), name


def test_each_command_that_a_systemd_unit_starts_exists() -> None:
    from hub.cli.main import ilot

    started = set()
    for unit in (ROOT / "deploy/units").glob("*.service"):
        for package, words in re.findall(r"^ExecStart=/usr/bin/ilot(-backend)?((?: [a-z]+)+)", unit.read_text(), re.M):
            path = [*(["backend"] if package else []), *words.split()]
            command: click.Command | None = ilot
            for word in path:
                assert isinstance(command, click.Group)
                command = command.get_command(click.Context(command), word)
            assert command is not None, f"{unit.name}: {path}"
            started.add(" ".join(path))
    assert {"run", "backend run"} <= started


# -- layers ------------------------------------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of what import-linter reads, to break."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in ("hub", "backend", "integrations", "plugins"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def broken_contracts(house: Path) -> set[str]:
    """Identifiers of the contracts that import-linter finds broken there."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        env={**os.environ, "PYTHONPATH": str(house)},
        cwd=house,
        capture_output=True,
        text=True,
        check=False,
    )
    contracts = tomllib.loads((house / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    broken = {c["id"] for c in contracts if re.search(rf"^{re.escape(c['name'])} BROKEN", done.stdout, re.MULTILINE)}
    assert bool(broken) == bool(done.returncode), done.stdout + done.stderr
    return broken


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("hub/core/model.py", "import hub.protocol.ranges", "layers"),
        ("hub/pipeline/plan.py", "import hub.plugin_host.registry", "layers"),
        ("hub/history/latest.py", "import hub.automation.rules", "layers"),
        ("hub/novelty.py", "", "layers"),
        ("hub/web/render.py", "import hub.web.site", "web-layers"),
        ("hub/page_kit/tables.py", "import hub.page_kit.server", "page-kit-layers"),
        ("hub/page_kit/request/visit.py", "import hub.protocol.device_labels", "page-kit"),
        ("hub/web/areas/link.py", "import hub.web.areas.radio", "web-areas"),
        ("hub/history/latest.py", "from hub import Report", "facade"),
        ("hub/devices/registry.py", "import integrations.modbus", "core"),
        ("integrations/host/x.py", "import hub.core.model", "plugins"),
        ("integrations/host/x.py", "import integrations.modbus", "strangers"),
        ("integrations/host/x.py", "import hub.pipeline.plan", "plugins"),
        ("backend/x.py", "import hub.pipeline.pipeline", "backend"),
        ("backend/x.py", "import hub.identity.keys", "backend"),
        ("backend/x.py", "import apsw", "databases"),
        ("backend/storage/sqlite/x.py", "import psycopg", "databases"),
        ("backend/x.py", "import backend.storage.sqlite.schema", "engines"),
        ("backend/storage/sqlite/x.py", "import backend.ingest.quotas", "storage"),
        ("hub/core/metric_catalogue.py", "import asyncio", "pure"),
    ],
)
def test_an_import_that_breaks_the_architecture_breaks_its_contract(
    house: Path, file: str, line: str, contract: str
) -> None:
    path = house / file
    path.write_text((path.read_text() if path.exists() else "") + f"\n{line}\n")
    assert contract in broken_contracts(house)


def test_a_room_is_described_in_its_init_and_importing_it_imports_nothing_else() -> None:
    rooms = sorted(path.parent for path in ROOT.glob("hub/*/__init__.py"))
    assert len(rooms) == 21
    for room in rooms:
        body = ast.parse((room / "__init__.py").read_text()).body
        assert len(body) == 1, room
        text = ast.get_docstring(ast.Module(body, [])) or ""
        assert "May import" in text, room


@pytest.mark.real("processes")
def test_a_plugin_may_import_the_facade_and_the_test_kit(house: Path) -> None:
    (house / "integrations/host/x.py").write_text("import hub\nimport hub.sdk.testing\nfrom hub import Report\n")
    assert broken_contracts(house) == set()


# -- tests -------------------------------------------------------------------------------------------------------

LEAVES = """
import pathlib, pytest, subprocess, time

pytestmark = pytest.mark.real("processes")

def test_that_fails():
    process = subprocess.Popen(["sleep", "600"], stdout=subprocess.PIPE, start_new_session=True)
    pathlib.Path("pid").write_text(str(process.pid))
    raise AssertionError

def test_after_it():
    pass

def test_of_the_process():
    status = pathlib.Path("/proc", pathlib.Path("pid").read_text(), "status")
    for _ in range(600):  # it was killed: when it goes is up to the kernel
        try:
            if "(zombie)" in status.read_text():
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.05)
    raise AssertionError("it lives")
"""


@pytest.mark.real("processes")
def test_a_test_that_fails_leaves_no_process_and_makes_no_other_fail(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\naddopts = --import-mode=importlib\nfilterwarnings = error\n"
        "asyncio_default_fixture_loop_scope = function\nmarkers = real(needs)\n"
    )
    (tmp_path / "tests").mkdir()
    for name in ("conftest.py", "interpreters.py", "kinds.py", "limits.py", "selection.py"):
        (tmp_path / "tests" / name).write_text((ROOT / "tests" / name).read_text())
    (tmp_path / "tests" / "test_leaves.py").write_text(LEAVES)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert "FAILED tests/test_leaves.py::test_that_fails" in done.stdout


# -- documentation -----------------------------------------------------------------------------------------------


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = tool("check_docs")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def problems(check: Callable[..., object], page: Path, text: str) -> list[str]:
    page.write_text(text)
    return list(check([page]))  # type: ignore[call-overload, no-any-return]


@pytest.mark.real("processes")
def test_the_help_keeps_its_short_option_where_the_pages_were_written_first() -> None:
    script = (
        "import sys; sys.path.insert(0, 'tools'); import reference; reference.command_names()\n"
        "from hub.cli.main import main; main(['--help'])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "-h, --help" in done.stdout, done.stderr


def test_a_link_that_leads_nowhere_is_found(docs: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    assert problems(docs.links, page, "# One two\n[a](page.md#one-two) [b](https://example.org/x) [c](#one-two)") == []
    assert problems(docs.links, page, "[a](gone.md)") == ["page.md: link to gone.md, which does not exist"]
    assert problems(docs.links, page, "# One\n[a](#two)") == ["page.md: link to #two: no such heading"]


def test_a_block_that_differs_from_its_file_is_found_and_renewed(docs: ModuleType, tmp_path: Path) -> None:
    page, source = tmp_path / "page.md", tmp_path / "plugin.py"
    page.write_text("x\n<!-- inject: plugin.py -->\n<!-- /inject -->\ny\n")
    source.write_text("a = 1\n# [part]\nb = 2\n# [/part]\n")
    assert len(list(docs.injected([page], write=False))) == 1
    assert list(docs.injected([page], write=True)) == []
    assert "a = 1\n# [part]\nb = 2" in page.read_text()
    assert list(docs.injected([page], write=False)) == []
    source.write_text("a = 2\n")
    assert len(list(docs.injected([page], write=False))) == 1


def test_a_docstring_is_injected_as_the_module_says_it(docs: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("x\n<!-- inject: format.py#docstring -->\n<!-- /inject -->\n")
    (tmp_path / "format.py").write_text('"""A label.\n\n    ends in \\\\0\n\nEnd.\n"""\n\nx = 1\n')
    assert list(docs.injected([page], write=True)) == []
    assert "```text\nA label.\n\n    ends in \\0\n\nEnd.\n```\n" in page.read_text()


def test_a_block_that_is_never_closed_is_found(docs: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("x\n<!-- inject: plugin.py -->\n")
    assert len(list(docs.injected([page], write=False))) == 1


def test_a_readme_without_its_headings_is_found(docs: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "integrations/one"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    assert list(docs.readmes()) == ["integrations/one/README.md: missing"]
    (folder / "README.md").write_text("# One\n## Devices\n## Readings\n## Configuration\n## Limits\n")
    assert len(list(docs.readmes())) == 1
    (folder / "README.md").write_text("# One\n## Devices\n## Configuration\n## Readings\n## Limits\n")
    assert list(docs.readmes()) == []


def test_an_index_of_decisions_that_lacks_one_misnames_one_or_is_out_of_order_is_found(
    docs: ModuleType, tmp_path: Path
) -> None:
    folder = tmp_path / "docs/adr"
    folder.mkdir(parents=True)
    (folder / "0001-first.md").write_text("# 0001 First\n\nText.\n")
    (folder / "0002-second.md").write_text("# 0002 Second\n\nText.\n")
    first, second = "- [0001 First](0001-first.md)\n", "- [0002 Second](0002-second.md)\n"
    index = folder / "README.md"
    index.write_text("# Decisions\n\n" + first + second)
    assert list(docs.decisions()) == []
    for wrong, count in ((first, 1), (second + first, 1), (first + "- [0002 Other](0002-second.md)\n", 2)):
        index.write_text(wrong)
        assert len(list(docs.decisions())) == count, wrong


@pytest.mark.parametrize("text", ["see /wor" + "k/main", "pip install --index-ur" + "l x", "/home/" + "pi/ilot"])
def test_a_path_or_address_of_somebodys_machine_is_found(docs: ModuleType, tmp_path: Path, text: str) -> None:
    assert len(problems(docs.strangers, tmp_path / "page.md", text)) == 1


def test_a_command_that_does_not_exist_is_found(docs: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("setup: ## x\n")
    page = tmp_path / "page.md"
    assert problems(docs.commands, page, "`ilot run --config x`, `make setup`") == []
    assert problems(docs.commands, page, "`ilot fly`") == ["page.md: `ilot fly` is no command"]
    assert problems(docs.commands, page, "`make tea`") == ["page.md: `make tea` is no target of the Makefile"]


@pytest.mark.parametrize(
    ("shown", "state", "sane"),
    [
        ("`tests/test_house.py::test_a_command_that_does_not_exist_is_found`", "held", True),
        ("`tests/test_house.py::test_that_nobody_wrote`", "held", False),
        ("`tests/gone.py::test_a`", "held", False),
        ("", "held", False),
        ("work: Fleet", "to come", True),
        ("work: Someday", "to come", False),
        ("", "to come", False),
        ("`tests/test_house.py::test_a_command_that_does_not_exist_is_found`; work: Fleet", "in part", True),
        ("work: Fleet", "in part", False),
        ("work: Fleet", "nearly", False),
    ],
)
def test_a_security_row_needs_a_test_that_exists_or_named_work(shown: str, state: str, sane: bool) -> None:
    assert (list(tool("check_security_table").judge(shown, state)) == []) is sane


def test_every_security_requirement_has_its_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = tool("check_security_table")
    assert table.main() == 0
    shortened = tmp_path / "security.md"
    shortened.write_text(re.sub(r"^\| T4 .*\n", "", table.PAGE.read_text(), flags=re.MULTILINE))
    monkeypatch.setattr(table, "PAGE", shortened)
    assert table.main() == 1


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        (r"^\| S-3 .*\n", "| S-3 | Must. | work: Fleet | to come |\n"),  # the only row of the district's engine
        (r"^\| District engine \|.*\n", ""),
        (r"^\| District engine \|", "| Some engine |"),
    ],
)
def test_each_work_to_come_has_a_row_and_says_what_it_brings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, instead: str
) -> None:
    table = tool("check_security_table")
    changed = tmp_path / "security.md"
    changed.write_text(re.sub(line, instead, table.PAGE.read_text(), flags=re.MULTILINE))
    assert changed.read_text() != table.PAGE.read_text()
    monkeypatch.setattr(table, "PAGE", changed)
    assert table.main() == 1


def test_a_vulnerability_has_an_address_and_each_version_its_support() -> None:
    page = (ROOT / "SECURITY.md").read_text()
    assert "## Reporting a vulnerability" in page
    minor = ".".join(PROJECT["version"].split(".")[:2])
    assert re.search(rf"^\| {re.escape(minor)}\b.*\|.*\|$", page, re.MULTILINE), f"nothing is said of {minor}"


# -- catalogue ---------------------------------------------------------------------------------------------------


def test_every_metric_has_a_privacy_class_and_what_tells_of_people_is_personal() -> None:
    from hub.core.metric_catalogue import METRICS

    assert {metric.privacy for metric in METRICS.values()} == {"technical", "environment", "personal"}
    people = (
        "co2",
        "count",
        "button",
        "occupancy",
        "motion",
        "presence",
        "door",
        "window",
        "lock",
        "light",
        "text",
        "raw",
    )
    assert {METRICS[key].privacy for key in people} == {"personal"}


def test_every_metric_can_be_kept_at_its_resolution_within_its_bounds() -> None:
    from hub.core.metric_catalogue import METRICS, metric_phrase
    from hub.i18n.catalogues import is_translated

    for metric in METRICS.values():
        assert metric.kind in {"number", "flag", "text"}, metric.key
        assert metric.unit, metric.key
        assert metric.en, metric.key
        assert is_translated(metric_phrase(metric), "fr"), metric.key
        if metric.kind == "number":
            assert Decimal(metric.resolution) > 0, metric.key
            assert metric.low is None or metric.high is None or metric.low < metric.high, metric.key


# -- the walk of a reading ---------------------------------------------------------------------------------------

WALK = ROOT / "docs/explanation/architecture.md"


def walk() -> list[tuple[str, str]]:
    """(function, file) of each step of the walk in the page of the architecture, in order."""
    rows = re.findall(r"^\| (\d+) \| `([\w.]+)` \| .* \| `([\w/.]+)` \|$", WALK.read_text(), re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == [*range(1, len(rows) + 1)]
    return [(name, file) for _, name, file in rows]


def function_of(name: str, file: str) -> ast.FunctionDef | ast.AsyncFunctionDef:
    """A function, named as in the walk: `Class.method` or `function`."""
    body = ast.parse((ROOT / file).read_text()).body
    *classes, function = name.split(".")
    for one in classes:
        body = next(node.body for node in body if isinstance(node, ast.ClassDef) and node.name == one)
    found = [n for n in body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.name == function]
    assert found, f"{file} has no {name}"
    return found[0]


def test_each_step_of_the_walk_of_a_reading_is_a_function_of_the_file_that_the_page_names() -> None:
    steps = walk()
    assert 15 <= len(steps) <= 20
    assert all(function_of(*step) for step in steps)


def test_the_drawing_of_the_walk_shows_its_steps_in_their_order() -> None:
    drawing = WALK.read_text().split("```mermaid")[1].split("```")[0]
    drawn = {int(number): name for number, name in re.findall(r"\bs(\d+)\[([\w.]+)\]", drawing)}
    assert [drawn[number] for number in sorted(drawn)] == [name for name, _ in walk()]
    arrows = [re.findall(r"\bs(\d+)\b", line) for line in drawing.splitlines() if "-->" in line]
    pairs = {(int(a), int(b)) for line in arrows for a, b in pairwise(line)}
    assert pairs == {(number, number + 1) for number in range(1, len(drawn))}


def test_no_step_of_the_walk_only_forwards() -> None:
    """A function that only forwards has one statement, a call."""
    for name, file in walk():
        body = function_of(name, file).body
        doc = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
        rest = body[doc:]
        assert len(rest) > 1 or not isinstance(rest[0], ast.Expr | ast.Return), f"{name} only calls another function"


PROMISED = re.compile(r"wait_for_function\(\s*f?[\"'](?:async\b|[^\n]*\.then\()")


def test_no_test_of_a_page_waits_for_a_promise() -> None:
    """`wait_for_function` takes the promise itself for a true value: such a wait is over before it begins."""
    assert PROMISED.search('wait_for_function("async () => !!await caches.match(1)")')
    assert PROMISED.search('wait_for_function(\n    f"{status}.then(s => s.done)"')
    files = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    assert [str(path) for path in files if PROMISED.search(path.read_text())] == []
