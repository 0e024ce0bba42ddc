"""How a package is made: its version, where files go, its manual pages. Nothing is built here."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
NOT_INSTALLED = {"debian", "launcher", "forwarder", "image", "district"}
"""Folders of deploy/ that building reads, or that make something else."""


@pytest.fixture(scope="module", autouse=True)
def beside() -> None:
    """The tool's modules import each other as a script's do."""
    sys.path.append(str(ROOT / "tools/package"))


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tools_package_{name}", ROOT / "tools/package" / f"{name}.py")
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.real("processes")
def test_each_build_is_newer_than_the_one_before_for_dpkg_and_for_pip() -> None:
    release = tool("release")
    versions = [release.version(*one) for one in (("0.1.0", 9), ("0.1.0", 10), ("0.1.0", 1414), ("0.2.0", 1415))]
    for older, newer in pairwise(versions):
        assert Version(older) < Version(newer)
        subprocess.run(["dpkg", "--compare-versions", f"{older}-1", "lt", f"{newer}-1"], check=True)


@pytest.mark.parametrize("base", ["0.1", "0.1.0rc1", "1.2.3.4", ""])
def test_a_version_that_is_not_three_numbers_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="three numbers"):
        tool("release").version(base, 1)


def test_each_folder_of_deploy_is_installed_or_known_not_to_be() -> None:
    folders = {path.name for path in (ROOT / "deploy").iterdir() if path.is_dir() and any(path.iterdir())}
    assert folders <= {*tool("staging").PLACES, *NOT_INSTALLED}


def test_a_file_goes_into_the_package_that_its_name_begins_with() -> None:
    owner = tool("staging").owner
    assert {owner(name) for name in ("ilot-backend.service", "60-ilot-backend.rules")} == {"ilot-backend"}
    assert {owner(name) for name in ("ilot.service", "ilot-radio.path", "60-ilot-radio.rules")} == {"ilot"}


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_no_text_is_a_request_or_an_escape_of_troff(text: str) -> None:
    page = tool("manual").roff(text)
    assert not page.startswith((".", "'"))
    assert page.replace("\\e", "").replace("\\-", "").replace("\\&", "").count("\\") == 0


def test_what_a_distribution_brings_and_nobody_runs_is_left_out(tmp_path: Path) -> None:
    info = tmp_path / "thing-1.dist-info"
    for name in (
        "thing/__init__.py",
        "thing/tests/test_it.py",
        "thing/sub/tests/kept.py",
        "bin/thing",
        "thing-1.dist-info/x",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    lines = ["thing/__init__.py,,", "thing/tests/test_it.py,,", "thing/sub/tests/kept.py,,", "../../bin/thing,,"]
    (info / "RECORD").write_text("".join(f"{line}\n" for line in lines))
    tool("environment").trim(tmp_path, info)
    assert not (tmp_path / "thing/tests").exists()
    assert (tmp_path / "thing/sub/tests/kept.py").exists()
    assert (info / "RECORD").read_text() == "thing/__init__.py,,\nthing/sub/tests/kept.py,,\n"
