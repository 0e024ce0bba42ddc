"""A vendor's project on the disk: distribution, manifest and sources of a plugin; or a pack. Nothing of it runs."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from hub.core.errors import ConfigError
from hub.core.text import phrase, reason_of
from hub.operations.certification.rules import Kind

PACK = "pack.yaml"
PROJECT = "pyproject.toml"
GROUP = "hub.plugins"
_LARGEST = 1 << 20
_MOST_FILES = 2000
_LEFT_OUT = ("__pycache__", ".git", ".venv", "build", "dist", ".mypy_cache", ".pytest_cache", ".ruff_cache")


class Project(msgspec.Struct, frozen=True):
    """What is examined. `module`: the package or module of the plugin; `root`: the directory that its imports begin at;
    `tests`: the directory of its tests; `facts`: table `project` of pyproject.toml."""

    kind: Kind
    name: str
    version: str
    path: Path
    root: Path
    tests: Path
    module: str = ""
    facts: dict[str, Any] = {}

    def sources(self) -> Iterator[tuple[str, str]]:
        """Yield (file, text) of each source file of the plugin. Raises ConfigError for one that is none."""
        for file in self.files():
            if file.suffix == ".py" and self._is_own(file):
                try:
                    yield str(file.relative_to(self.path)), file.read_text("utf-8")
                except (OSError, UnicodeDecodeError) as error:
                    raise _unreadable(file, error) from error

    def _is_own(self, file: Path) -> bool:
        top = self.module.partition(".")[0]
        inside = file.relative_to(self.root if self.kind == "plugin" else self.path)
        return self.kind == "shipped" or inside.parts[0] in (top, f"{top}.py")

    def files(self) -> list[Path]:
        """Return the files of the project in order. Raises ConfigError when there are too many."""
        found = sorted(
            file
            for file in self.path.rglob("*")
            if file.is_file() and not file.is_symlink() and not _is_left_out(file.relative_to(self.path))
        )
        if len(found) > _MOST_FILES:
            raise ConfigError(
                phrase(
                    "project-too-many-files",
                    "{path} has {count} files, and {most} are the most: is it the directory of one plugin?",
                    path=self.path,
                    count=len(found),
                    most=_MOST_FILES,
                )
            )
        return found

    def digest(self) -> str:
        """Return the SHA-256 over the names and contents of its files, as hexadecimal: what the report is about."""
        whole = hashlib.sha256()
        for file in self.files():
            name, content = str(file.relative_to(self.path)).encode(), hashlib.sha256(file.read_bytes()).digest()
            whole.update(len(name).to_bytes(4, "big") + name + content)
        return whole.hexdigest()


def read_project(path: Path, tests: Path | None = None) -> Project:
    """Read what `path` is: a directory with a pack, a distribution, or an integration that ships with the hub (whose
    `tests` lie elsewhere). Raises ConfigError, naming what is missing."""
    path = path.resolve()
    if (path / PACK).is_file():
        return Project("pack", path.name, "", path, path, path)
    if (path / PROJECT).is_file():
        return _plugin(path, tests)
    if tests is not None and (path / "__init__.py").is_file():
        root = path.parent.parent
        return Project("shipped", path.name, "", path, root, tests.resolve(), f"{path.parent.name}.{path.name}")
    raise ConfigError(
        phrase(
            "project-is-none",
            "{path} has neither pyproject.toml nor pack.yaml: give the directory of a plugin or of a pack",
            path=path,
        )
    )


def _plugin(path: Path, tests: Path | None) -> Project:
    file = path / PROJECT
    try:
        if file.stat().st_size > _LARGEST:
            raise ValueError(phrase("file-too-large-to-read", "it is too large"))
        facts = tomllib.loads(file.read_text("utf-8")).get("project", {})
        entries = dict(facts.get("entry-points", {}).get(GROUP, {}))
        name, version = str(facts.get("name", "")), str(facts.get("version", ""))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise _unreadable(file, error) from error
    module = next(iter(entries.values()), "")
    root = path / "src" if (path / "src").is_dir() else path
    return Project(
        "plugin", name or path.name, version, path, root, (tests or path / "tests").resolve(),
        str(module).partition(":")[0], facts,
    )  # fmt: skip


def _unreadable(file: Path, error: Exception) -> ConfigError:
    return ConfigError(phrase("project-file-unreadable", "{file}: {reason}", file=file, reason=reason_of(error)))


def _is_left_out(file: Path) -> bool:
    return any(part in _LEFT_OUT or part.endswith(".egg-info") for part in file.parts)
