"""The wheel `ilot-sdk`: what is in it, that it loads without the rest, and that a vendor gets on with it alone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import ZipFile

import pytest

from hub.cli import distribution
from hub.core.errors import HubError

from .conftest import environment, said

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def rules() -> dict[str, Any]:
    return tomllib.loads((ROOT / "tools/package/sdk.toml").read_text())


def loaded(file: Path, sdk: ModuleType) -> Iterator[str]:
    """The packages of others that a module imports when it is loaded."""
    for node, at_load in sdk._import_nodes(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        for name in names if at_load else ():
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top != "hub" and not getattr(node, "level", 0):
                yield top


BROUGHT = {"paho": "aiomqtt", "pydantic_core": "pydantic"}
"""Packages that come with another one."""


def test_every_package_that_a_module_of_it_needs_is_one_that_it_names(sdk: ModuleType, rules: dict[str, Any]) -> None:
    """Those of an extra are needed by a module of that name alone, which says so when it is imported."""
    optional = {"hub.sdk.mqtt": "mqtt", "hub.sdk.http_handler": "http-server", "hub.sdk.pytest_plugin": "dev"}
    distributions = packages_distributions()
    for module, file in sdk.selected(ROOT, rules).items():
        allowed = {*rules["dependencies"], *rules["extras"].get(optional.get(module, ""), ())}
        for package in loaded(file, sdk):
            names = {name.lower() for name in distributions[package]} | {package.replace("_", "-")}
            assert names & allowed or BROUGHT.get(package) in allowed, f"{module} imports {package}"


def test_a_module_that_needs_a_room_of_the_hub_when_it_is_loaded_ends_the_build(
    sdk: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "hub/app").mkdir(parents=True)
    for name, text in (
        ("", ""),
        ("app/", ""),
        ("late", "def f():\n    from hub import app\n"),
        ("early", "import hub.app"),
    ):
        (tmp_path / "hub" / (f"{name}__init__.py" if name in ("", "app/") else f"{name}.py")).write_text(text)
    assert list(sdk.selected(tmp_path, {"roots": ["hub.late"], "left_out": ["hub.app"]})) == ["hub", "hub.late"]
    for wrong in ("hub.early", "hub.*"):
        with pytest.raises(SystemExit, match=r"hub\.early imports hub\.app when it is loaded"):
            sdk.selected(tmp_path, {"roots": [wrong], "left_out": ["hub.app"]})
    with pytest.raises(SystemExit, match=r"there is no module hub\.gone"):
        sdk.selected(tmp_path, {"roots": ["hub.gone"], "left_out": []})


@pytest.mark.real("processes")
def test_each_file_of_it_is_the_hubs_own_and_two_builds_are_equal(
    sdk: ModuleType, sdk_wheel: Path, tmp_path: Path
) -> None:
    with ZipFile(sdk_wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith("hub/")]
        assert {"hub/py.typed", "hub/sdk/session.py", "hub/locale/fr/LC_MESSAGES/hub.mo"} <= {*names}
        assert not [name for name in names if name.split("/")[1] in ("app", "web", "store_and_forward")]
        for name in names:
            assert archive.read(name) == (ROOT / name).read_bytes()
        facts = archive.read("ilot_sdk-0.1.7.dist-info/METADATA").decode()
        assert "Name: ilot-sdk\nVersion: 0.1.7\n" in facts
    assert sdk_wheel.stat().st_size < 1_000_000
    again = sdk.make(ROOT, tmp_path, "0.1.7", at=1767225600)
    assert again.read_bytes() == sdk_wheel.read_bytes()


def test_two_versions_of_the_same_files_in_one_environment_are_told(tmp_path: Path) -> None:
    (tmp_path / "ilot_sdk-0.1.7.dist-info").mkdir()
    distribution.expect_one(tmp_path)
    (tmp_path / "ilot-0.1.7.dist-info").mkdir()
    distribution.expect_one(tmp_path)
    (tmp_path / "ilot-0.1.7.dist-info").rename(tmp_path / "ilot-0.1.8.dist-info")
    with pytest.raises(HubError, match=r"ilot 0\.1\.8 and ilot-sdk 0\.1\.7 share files"):
        distribution.expect_one(tmp_path)


@pytest.mark.long("fetches the SDK's packages from the registry into an environment of its own")
def test_a_vendor_gets_on_with_the_wheel_and_the_registry_alone(sdk_wheel: Path, tmp_path: Path) -> None:
    binaries, env = environment(tmp_path / "venv")
    fetched = subprocess.run(
        [binaries / "pip", "install", "--quiet", sdk_wheel],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if fetched.returncode:
        pytest.skip(f"the registry gives nothing here: {fetched.stderr[-300:]}")
    assert said(env, tmp_path, "ilot", "--version") == "ilot 0.1.7\n"
    assert "command of a hub" in said(env, tmp_path, "ilot", "run", code=2)
    assert "command of a hub" in said(env, tmp_path, "ilot", "pack", "install", ".", code=2)
    (site,) = (tmp_path / "venv/lib").glob("python3.*/site-packages")
    (site / "ilot-0.1.6.dist-info").mkdir()  # a hub of another version in the same environment
    assert "uninstall both and install one" in said(env, tmp_path, "ilot", "new", "--help", code=2)
    (site / "ilot-0.1.6.dist-info").rmdir()
    said(env, tmp_path, "ilot", "new", "pack", "acme-thermo")
    assert "1 of 1 vectors pass" in said(env, tmp_path, "ilot", "pack", "test", "acme-thermo")
    said(env, tmp_path, "ilot", "new", "integration", "acme_thermo")
    folder = tmp_path / "ilot-acme-thermo"
    said(env, folder, "pip", "install", "--quiet", "--editable", ".[dev]")
    (block,) = re.findall(r"```sh\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    for line in block.splitlines()[3:]:
        said(env, folder, *line.split())
    listed = said(env, folder, "pip", "list", "--format", "freeze")
    assert "ilot_sdk" in listed.replace("-", "_")
    assert not [name for name in ("aiohttp", "apsw", "playwright", "bacpypes3") if name in listed]
    missing = said(env, tmp_path, "python", "-c", LOADS)
    assert {*missing.split()} <= {"hub.sdk.http_handler", "hub.sdk.mqtt"}, missing  # their extras say what they need


LOADS = """
import importlib, pkgutil, hub
for one in pkgutil.walk_packages(hub.__path__, "hub."):
    try:
        one.name.endswith("__main__") or importlib.import_module(one.name)
    except ModuleNotFoundError:
        print(one.name)
"""
