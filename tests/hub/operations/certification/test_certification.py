"""Certification: each rule that a machine judges by reading finds what breaks it, and a report is its signer's."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

import hub
from hub.cli.certify import _Teller
from hub.core.errors import AuthFailed, ConfigError
from hub.devices.packs.library import SHIPPED
from hub.operations.certification import contract, contract_child, examination, rules, sources
from hub.operations.certification.examination import examine
from hub.operations.certification.project import Project, read_project
from hub.operations.certification.report import Judged, Report, sign, verify
from hub.operations.certification.rules import RULES, rules_of
from hub.protocol.documents.signed_payload import SigningKeys
from hub.sdk.testing.contract import CONTRACT, Verdict

PYPROJECT = """
[project]
name = "ilot-acme"
version = "1.0"
license = "MIT"
[project.entry-points."hub.plugins"]
acme = "acme"
"""
MANIFEST = """
id: acme
version: "1.0"
api: {from: 1, to: 1}
owner: Acme SAS, Lyon
security_contact: security@acme.example
vendor_country: FR
languages: [en, fr]
end_of_support: 2099-12-31
permissions:
  device_schemes: [acme]
  data_classes: [technical]
"""
NOW = 1_800_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "acme").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "README.md").write_text("# Acme\n")
    (tmp_path / "acme" / "__init__.py").write_text("import asyncio\n\nimport hub\nfrom hub.sdk.phrases import phrase\n")
    (tmp_path / "acme" / "ilot-plugin.yaml").write_text(MANIFEST)
    return tmp_path


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs code of the project has tests of its own."""
    monkeypatch.setattr(contract, "verdicts", lambda project, names: ())
    monkeypatch.setattr(examination, "_passes", lambda project, tool, *words: ())


def failed(folder: Path) -> dict[str, str]:
    report = examine(read_project(folder), now=NOW)
    return {one.rule: " / ".join(one.problems) for one in report.judged if one.outcome == "failed"}


def test_a_right_project_passes_every_rule_that_reads_it(folder: Path) -> None:
    assert failed(folder) == {}


def write(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("breaks", "rule", "said"),
    [
        (write("pyproject.toml", PYPROJECT.replace('license = "MIT"', "")), "distribution", "lacks project.license"),
        (write("pyproject.toml", PYPROJECT.replace("1.0", "")), "distribution", "lacks project.version"),
        (write("pyproject.toml", "[project]\nname = 'a'\n"), "distribution", "entry point in the group hub.plugins"),
        (lambda folder: (folder / "acme/ilot-plugin.yaml").unlink(), "manifest", "cannot be read"),
        (write("acme/ilot-plugin.yaml", MANIFEST.replace('"1.0"', '"1.1"')), "manifest", "of version 1.1"),
        (write("acme/ilot-plugin.yaml", MANIFEST + "speed: 9\n"), "manifest", "speed"),
        (write("acme/ilot-plugin.yaml", MANIFEST.replace("2099", "2026")), "supported", "365 days"),
        (lambda folder: (folder / "README.md").unlink(), "readme", "no README"),
        (lambda folder: (folder / "tests").rmdir(), "own-tests", "put the tests there"),
        (write("acme/x.py", "from hub.pipeline import pipeline\n"), "public-api", "x.py line 1 imports hub.pip"),
        (write("acme/x.py", "from hub import core\n"), "public-api", "hub.core"),
        (write("acme/x.py", "def f():\n    import hub.web.site\n"), "public-api", "line 2 imports hub.web.site"),
        (write("acme/x.py", "import subprocess\n"), "confined", "subprocess does not work"),
        (write("acme/x.py", "import requests.sessions\n"), "confined", "session.http"),
        (write("acme/x.py", "async def f(): await asyncio.open_connection('a', 1)\n"), "confined", "session.network"),
        (write("acme/x.py", "def (:\n"), "public-api", "invalid syntax"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_found_and_said(
    folder: Path, breaks: Callable[[Path], object], rule: str, said: str
) -> None:
    breaks(folder)
    assert said in failed(folder)[rule]


@pytest.mark.parametrize(
    ("code", "out", "err", "said"),
    [
        (0, b"3 passed in 0.1s\n", b"", ""),
        (0, b"2 passed, 1 skipped in 0.1s\n", b"a library warns\n", "tests are skipped: 2 passed, 1 skipped in 0.1s"),
        (1, b"assert 1 == 2\n1 failed\n", b"a library warns\n", "pytest: assert 1 == 2 / 1 failed"),
        (4, b"no tests ran\n", b"warns\nERROR: no such option\n", "pytest: no tests ran / ERROR: no such option"),
        (1, b"", b"No module named pytest\n", "pytest: No module named pytest"),
    ],
)
def test_what_the_tests_of_a_vendor_say_is_told_without_what_libraries_warn_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: int, out: bytes, err: bytes, said: str
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(contract, "verdicts", lambda project, names: ())
    done = subprocess.CompletedProcess([], code, out, err)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    (found,) = examination._own_tests(read_project(folder), date(2026, 1, 1)) if said else ("",)
    assert found == said


def test_what_stands_in_the_way_of_many_rules_is_said_in_full_once(capsys: pytest.CaptureFixture[str]) -> None:
    teller = _Teller()
    for rule, problems in (("a", ("no World",)), ("b", ("no World",)), ("c", ("late",)), ("d", ())):
        teller.tell(Judged(rule=rule, asks="…", outcome="failed" if problems else "passed", problems=problems))
    said = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in said if line.startswith("    ")] == ["no World", "as above", "late"]


def test_a_socket_of_the_session_may_be_used() -> None:
    right = "async def f(made): return await asyncio.open_connection(sock=made), asyncio.start_server(g, sock=made)\n"
    assert list(sources.own_ways_out(right, "x.py")) == []


@given(st.text())
def test_no_text_is_more_than_a_syntax_error(text: str) -> None:
    for look in (sources.private_imports, sources.own_ways_out):
        try:
            list(look(text, "x.py"))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            assert isinstance(error, SyntaxError | ValueError)  # noqa: PT017


@pytest.mark.real("processes")
def test_a_project_without_its_contract_is_not_certified(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(examination, "_passes", lambda project, tool, *words: ())
    found = failed(folder)
    assert set(found) == set(CONTRACT)
    assert "defines no class of hub.sdk.testing.contract.World" in found["units-valid"]


@pytest.mark.parametrize(
    ("outcomes", "together"),
    [
        (("passed", "passed"), "passed"), (("passed", "failed"), "failed"), (("exempt", "failed"), "failed"),
        (("exempt", "passed"), "passed"), (("exempt", "exempt"), "exempt"),
    ],
)  # fmt: skip
def test_a_plugin_of_several_integrations_keeps_the_contract_in_each(outcomes: tuple[str, ...], together: str) -> None:
    verdicts = {
        f"World{n}": Verdict(test="loop-free", outcome=one, problems=("late",) if one == "failed" else (), why="")  # type: ignore[arg-type]
        for n, one in enumerate(outcomes)
    }
    assert contract_child.together("loop-free", verdicts).outcome == together


def test_every_contract_test_is_a_rule_of_plugins_and_of_what_ships() -> None:
    for kind in ("plugin", "shipped"):
        assert set(CONTRACT) <= {rule.name for rule in rules_of(kind)}  # type: ignore[arg-type]
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_the_digest_changes_with_any_file_and_not_with_what_tools_leave(folder: Path) -> None:
    first = read_project(folder).digest()
    (folder / ".mypy_cache").mkdir()
    (folder / ".mypy_cache" / "x").write_text("x")
    assert read_project(folder).digest() == first
    (folder / "README.md").write_text("# Acme!\n")
    assert read_project(folder).digest() != first


def test_a_directory_of_neither_a_plugin_nor_a_pack_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"neither pyproject\.toml nor pack\.yaml"):
        read_project(tmp_path)


def test_files_without_an_end_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.operations.certification.project._MOST_FILES", 3)
    with pytest.raises(ConfigError, match="directory of one plugin"):
        examine(read_project(folder), now=NOW)


# Packs.


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    name = next(one for one in sorted(SHIPPED.iterdir()) if (one / "codec.js").is_file())
    shutil.copytree(name, tmp_path / name.name)
    return tmp_path / name.name


@pytest.mark.real("processes")
def test_a_pack_whose_vectors_pass_is_certified(pack: Path) -> None:
    report = examine(read_project(pack), now=NOW)
    assert report.certified
    assert f"version: {report.version}\n" in (pack / "pack.yaml").read_text()


def test_a_pack_without_an_example_and_one_that_cannot_be_read_are_not(pack: Path) -> None:
    shutil.rmtree(pack / "vectors")
    assert "vectors" in failed(pack)
    (pack / "pack.yaml").write_text("format: [")
    assert {"pack-valid", "vectors", "decided"} <= failed(pack).keys()


# Reports.

KEY, OTHER = Ed25519PrivateKey.from_private_bytes(b"k" * 32), Ed25519PrivateKey.from_private_bytes(b"o" * 32)
PASSED = Judged(rule="readme", asks="it has a README", outcome="passed")
REPORT = Report(
    name="ilot-acme", version="1.0", kind="plugin", digest="ab" * 32, rules=rules.VERSION, by="0.2", at=NOW,
    seconds=12.5, judged=(PASSED,),
)  # fmt: skip


def public(key: Ed25519PrivateKey) -> SigningKeys:
    return SigningKeys((key.public_key().public_bytes_raw(),))


def test_a_signed_report_is_read_back_by_the_key_of_its_signer_alone() -> None:
    document = sign(REPORT, [KEY])
    assert verify(document, public(KEY)) == REPORT
    with pytest.raises(AuthFailed):
        verify(document, public(OTHER))


@given(st.data())
def test_no_byte_of_a_signed_report_can_be_changed(data: st.DataObject) -> None:
    document = bytearray(sign(REPORT, [KEY]))
    at = data.draw(st.integers(0, len(document) - 1))
    document[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(AuthFailed):
        verify(bytes(document), public(KEY))


@given(st.binary())
def test_what_is_no_report_is_refused(document: bytes) -> None:
    with pytest.raises(AuthFailed):
        verify(document, public(KEY))


@pytest.mark.parametrize(
    ("judged", "certified"),
    [
        ((PASSED,), True),
        ((), False),
        ((PASSED, msgspec.structs.replace(PASSED, outcome="failed")), False),
        ((PASSED, msgspec.structs.replace(PASSED, outcome="exempt", why="no peer")), True),
    ],
)
def test_one_rule_that_failed_is_enough(judged: tuple[Judged, ...], certified: bool) -> None:
    assert msgspec.structs.replace(REPORT, judged=judged).certified is certified


def test_a_shipped_integration_is_read_from_its_directory(tmp_path: Path) -> None:
    root = Path(hub.__file__).parent.parent
    project = read_project(root / "integrations" / "modbus", tmp_path)
    assert (project.kind, project.module) == ("shipped", "integrations.modbus")
    assert isinstance(project, Project)
    found = {file for file, _ in project.sources()}
    assert "__init__.py" in found
