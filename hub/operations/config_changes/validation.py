"""What is wrong with the files as they lie there: judged when something that the judgement depends on is another, and
told again as long as nothing is.

It depends on every file that the first one includes, be it there or not, on the secrets, and on what packs are
installed; a change of the plugins themselves is a new start of the hub. What runs was judged before: where its files
lie there unchanged they are not parsed again, since the YAML parser stays in memory once it has run.

Blocking: call in a thread; one judgement is made at a time, and whoever asks meanwhile gets the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import NamedTuple

from hub.config import secrets
from hub.config.build import build
from hub.config.instances import Models
from hub.config.load import Loaded, judged
from hub.config.positions import Finding
from hub.config.positions import Path as At
from hub.config.secrets import Vault, reveal
from hub.config.source import as_asked, contents, digest, digests, survey
from hub.core.errors import ConfigError, Problem


class Judged(NamedTuple):
    """`texts`: the files as they lie there, as far as they can be read; `problems`: all that is wrong with them."""

    texts: dict[str, bytes]
    problems: list[Problem]


class _Known(NamedTuple):
    asked: dict[str, str]
    around: Hashable
    names: list[str]
    digest: str
    problems: list[Problem]


class Judging:
    """`running` gives the configuration that runs."""

    def __init__(self, path: Path, models: Models, running: Callable[[], Loaded]) -> None:
        self._path, self._models, self._running = path, models, running
        self._known: _Known | None = None
        self._one = threading.Lock()

    def __call__(self) -> Judged:
        """Raises ConfigError when the first file cannot be read at all."""
        with self._one:
            around = (secrets.stamp(self._path.parent), self._models.packs_stamp())
            return self._again(around) or self._of_running(around) or self._anew(around)

    def _again(self, around: Hashable) -> Judged | None:
        known = self._known
        if known is None or known.around != around or not as_asked(self._path, known.asked):
            return None
        try:
            texts = contents(self._path, known.names)
        except ConfigError:
            return None
        return Judged(texts, known.problems) if digest(digests(texts)) == known.digest else None

    def _of_running(self, around: Hashable) -> Judged | None:
        """Without a parser: right as it runs, or somebody has to look for the lines."""
        running = self._running()
        if not running.asked or not as_asked(self._path, running.asked):
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
        self._known = _Known(dict(running.asked), around, list(texts), running.digest, [])
        return Judged(texts, [])

    def _anew(self, around: Hashable) -> Judged:
        source = survey(self._path)
        problems = source.problems
        if not source.fatal:
            try:
                judged(source, self._models)
            except ConfigError as error:
                problems = error.problems
        names = list(source.files) or [self._path.name]
        texts = contents(self._path, names)
        self._known = _Known(source.asked, around, names, digest(digests(texts)), problems)
        return Judged(texts, problems)
