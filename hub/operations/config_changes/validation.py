"""Validation of the files on the disk. The result is cached until something that it depends on changes.

It depends on every file that the first one includes, whether it exists or not, on the secrets, and on the installed
packs; a change of the plugins themselves needs a restart of the hub. The running configuration was validated before:
while its files are unchanged they are not parsed again, since the YAML parser stays in memory once it has run.

Blocking: call in a thread; one validation runs at a time, and concurrent callers get the same result.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import NamedTuple

from hub.config import secrets
from hub.config.build import build
from hub.config.instances import Models
from hub.config.load import Loaded, validated
from hub.config.positions import Finding
from hub.config.positions import Path as At
from hub.config.secrets import Vault, reveal
from hub.config.source import contents, digest, digests, includes_unchanged, read_all
from hub.core.errors import ConfigError, Problem


class ValidationResult(NamedTuple):
    """`texts`: the readable files; `problems`: everything that is wrong with them."""

    texts: dict[str, bytes]
    problems: list[Problem]


class _CachedResult(NamedTuple):
    asked: dict[str, str]
    around: Hashable
    names: list[str]
    digest: str
    problems: list[Problem]


class FileValidator:
    """Validator of the files on the disk. `running` returns the running configuration."""

    def __init__(self, path: Path, models: Models, running: Callable[[], Loaded]) -> None:
        self._path, self._models, self._running = path, models, running
        self._known: _CachedResult | None = None
        self._one = threading.Lock()

    def __call__(self) -> ValidationResult:
        """Validate. Raises ConfigError when the first file cannot be read at all."""
        with self._one:
            around = (secrets.stamp(self._path.parent), self._models.packs_stamp())
            return self._again(around) or self._of_running(around) or self._anew(around)

    def _again(self, around: Hashable) -> ValidationResult | None:
        known = self._known
        if known is None or known.around != around or not includes_unchanged(self._path, known.asked):
            return None
        try:
            texts = contents(self._path, known.names)
        except ConfigError:
            return None
        return ValidationResult(texts, known.problems) if digest(digests(texts)) == known.digest else None

    def _of_running(self, around: Hashable) -> ValidationResult | None:
        """Return the result without a parser when the files are the running ones; None where a parser has to find the
        lines."""
        running = self._running()
        if not running.asked or not includes_unchanged(self._path, running.asked):
            return None
        texts = contents(self._path, running.files)
        if digest(digests(texts)) != running.digest:
            return None
        found: list[Finding] = []
        broken: set[At] = set()
        vault = Vault(self._path.parent)
        built, wrong = build(reveal(running.data, vault, found, broken), self._models, broken)
        if built is None or found or wrong or vault.problems:
            return None
        self._known = _CachedResult(dict(running.asked), around, list(texts), running.digest, [])
        return ValidationResult(texts, [])

    def _anew(self, around: Hashable) -> ValidationResult:
        source = read_all(self._path)
        problems = source.problems
        if not source.fatal:
            try:
                validated(source, self._models)
            except ConfigError as error:
                problems = error.problems
        names = list(source.files) or [self._path.name]
        texts = contents(self._path, names)
        self._known = _CachedResult(source.asked, around, names, digest(digests(texts)), problems)
        return ValidationResult(texts, problems)
