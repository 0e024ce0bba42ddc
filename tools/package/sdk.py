"""The wheel `ilot-sdk`: the part of Îlot that vendors write plugins and packs with, selected as tools/package/sdk.toml
says. Every file of it is the same file of the wheel `ilot`, at the same place.

    python tools/package/sdk.py SOURCE OUT [VERSION]    from a folder with the sources, catalogues compiled
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

DATA = (".typed", ".js", ".json", ".mo", ".yaml")


class Import(NamedTuple):
    """A module that another one names, and whether the other one cannot be loaded without it."""

    module: str
    at_load: bool


class Tree:
    """The modules of `hub` in a folder, and what each imports of them."""

    def __init__(self, source: Path) -> None:
        self.files = {_name(file.relative_to(source)): file for file in sorted((source / "hub").rglob("*.py"))}

    def imports(self, module: str) -> Iterator[Import]:
        """Yield each module of the tree that `module` imports, the packages around it first."""
        file = self.files[module]
        parts = module.split(".")
        around = (".".join(parts[:depth]) for depth in range(1, len(parts)))
        yield from (Import(name, True) for name in around if name in self.files)
        package = parts if file.name == "__init__.py" else parts[:-1]
        for node, at_load in _import_nodes(ast.parse(file.read_text("utf-8"))):
            for name in _named(node, package):
                if name in self.files:
                    yield Import(name, at_load)


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _import_nodes(tree: ast.AST, at_load: bool = True) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Yield each import statement, and whether it runs when the module is loaded."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, at_load
        else:
            late = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            late |= isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            yield from _import_nodes(node, at_load and not late)


def _named(node: ast.Import | ast.ImportFrom, package: list[str]) -> list[str]:
    """The modules that a statement may import: `from a import b` may mean a.b."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    above = package[: len(package) - node.level + 1] if node.level else []
    base = ".".join([*above, *([node.module] if node.module else [])])
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]


def selected(source: Path, rules: dict[str, Any]) -> dict[str, Path]:
    """Module -> file of what the SDK holds. Raises SystemExit when a module of it cannot be loaded without a room that
    is left out, or a root is not there."""
    tree = Tree(source)
    wanted: list[str] = []
    for root in rules["roots"]:
        base = root.removesuffix(".*")
        wanted += [name for name in tree.files if name == base or (base != root and name.startswith(f"{base}."))]
        if base not in tree.files:
            raise SystemExit(f"sdk: there is no module {base}")
    found: dict[str, Path] = {}
    while wanted:
        module = wanted.pop()
        if module in found:
            continue
        found[module] = tree.files[module]
        for one in tree.imports(module):
            # What is in such a room all the same was named as a root.
            if not _is_in(one.module, rules["left_out"]) or (one.at_load and _is_in(module, rules["left_out"])):
                wanted.append(one.module)
            elif one.at_load:
                raise SystemExit(f"sdk: {module} imports {one.module} when it is loaded, and that is left out")
    return dict(sorted(found.items()))


def _is_in(module: str, rooms: list[str]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def files(source: Path, rules: dict[str, Any]) -> list[Path]:
    """Every file of the SDK: the modules, and the data beside them."""
    modules = selected(source, rules).values()
    folders = {file.parent for file in modules}
    data = [file for folder in folders for file in folder.iterdir() if file.suffix in DATA or file.name == "py.typed"]
    data += (source / "hub/locale").rglob("*.mo")
    return sorted({*modules, *data})


def project(ours: dict[str, Any], rules: dict[str, Any], version: str) -> str:
    """The pyproject.toml of `ilot-sdk`: `ours` is that of `ilot`, parsed, and says which versions it needs."""
    known = {}
    for requirement in [
        *ours["dependencies"],
        *(one for more in ours["optional-dependencies"].values() for one in more),
    ]:
        known.setdefault(re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0], requirement)

    def versions(names: list[str]) -> str:
        if unknown := [name for name in names if name not in known]:
            raise SystemExit(f"sdk: pyproject.toml names no version of {', '.join(unknown)}")
        return json.dumps([known[name] for name in names])

    lines = [
        "[build-system]",
        'requires = ["setuptools>=80"]',
        'build-backend = "setuptools.build_meta"',
        "[project]",
        'name = "ilot-sdk"',
        f'version = "{version}"',
        f"description = {json.dumps(rules['description'], ensure_ascii=False)}",
        f"requires-python = {json.dumps(ours['requires-python'])}",
        f"license = {json.dumps(ours['license'])}",
        'license-files = ["LICENSE"]',
        f"dependencies = {versions(rules['dependencies'])}",
        "[project.optional-dependencies]",
        *(f"{extra} = {versions(names)}" for extra, names in rules["extras"].items()),
        "[project.scripts]",
        'ilot = "hub.cli.main:main"',
    ]
    for name, value in ours["entry-points"].get("pytest11", {}).items():
        lines += ["[project.entry-points.pytest11]", f"{name} = {json.dumps(value)}"]
    lines += [
        "[tool.setuptools.packages.find]",
        'include = ["hub*"]',
        "namespaces = true",
        "[tool.setuptools.package-data]",
        f'"*" = {json.dumps(["py.typed", *(f"*{suffix}" for suffix in DATA)])}',
    ]
    return "\n".join(lines) + "\n"


def make(source: Path, out: Path, version: str = "", *, at: float | None = None) -> Path:
    """Build the wheel from the sources of `ilot` and return it. `at` is the time of its files."""
    rules = tomllib.loads((source / "tools/package/sdk.toml").read_text("utf-8"))
    ours = tomllib.loads((source / "pyproject.toml").read_text("utf-8"))["project"]
    version = version or ours["version"]
    with tempfile.TemporaryDirectory(prefix="ilot-sdk-") as scratch:
        tree = Path(scratch) / "sdk"
        for file in files(source, rules):
            target = tree / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
        shutil.copy2(source / "LICENSE", tree)
        (tree / "pyproject.toml").write_text(project(ours, rules, version), "utf-8")
        env = dict(os.environ)
        if at is not None:
            env["SOURCE_DATE_EPOCH"] = f"{at:.0f}"
            subprocess.run(["find", tree, "-exec", "touch", "-d", f"@{at:.0f}", "{}", "+"], check=True)
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, tree]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=scratch, env=env)
        if done.returncode:
            raise SystemExit(f"sdk: {done.stdout[-2000:]}{done.stderr[-4000:]}")
    return out / f"ilot_sdk-{version}-py3-none-any.whl"


if __name__ == "__main__":
    print(make(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), *sys.argv[3:4]))
