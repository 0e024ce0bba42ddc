"""Secrets: `!secret name` → its value, which is never printed.

A value comes from the environment (`ILOT_SECRET_<NAME>`: capitals, anything else than letters and digits as `_`) or
from `secrets.yaml` beside the first file: a flat mapping of names to text, on which others have no right. Every value
there is text as written, quoted or not: a key of digits keeps its zeros. Blocking: never on the event loop.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from pydantic import SecretStr

from hub.config.positions import SECRET_NAME, Finding, Path, Positions, SecretRef
from hub.config.pydantic_findings import nearest
from hub.config.source import SECRETS, load_bytes
from hub.core.errors import ConfigError, Problem
from hub.core.text import phrase, reason_of

PREFIX = "ILOT_SECRET_"

_PLAIN_LINE = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9_.-]{0,63}): +(?:([A-Za-z0-9][A-Za-z0-9_.+/=-]*)|'([^']*)'|\"([^\"\\]*)\") *(?: #.*)?"
)


class Secret(SecretStr):
    """A value from `!secret`; its repr and str show stars. `get_secret_value()` returns it."""


class Vault:
    """Secrets of one configuration, read on first use."""

    def __init__(self, directory: FilePath, environ: Mapping[str, str] | None = None) -> None:
        self.path = directory / SECRETS
        self._environ = os.environ if environ is None else environ
        self._file: dict[str, str] | None = None
        self._unreadable = False
        self.problems: list[Problem] = []

    def get(self, name: str) -> Secret | None:
        """Return the secret, None when there is none of that name."""
        value = self._environ.get(environment_name(name)) or self._from_file().get(name)
        return Secret(value) if value else None

    def missing(self, ref: SecretRef, path: Path) -> list[Finding]:
        """Return the finding for a missing secret; none when the whole file could not be read."""
        if self._unreadable:
            return []
        message = phrase(
            "secret-missing",
            "the secret '{name}' is neither in {file} nor in {variable}",
            name=ref.name,
            file=self.path,
            variable=environment_name(ref.name),
        )
        return [Finding(path, message, nearest(ref.name, self._from_file()))]

    def _from_file(self) -> dict[str, str]:
        if self._file is None:
            self._file = {}
            if not os.path.lexists(self.path):  # no file: all secrets may come from the environment
                return self._file
            try:
                self._file = read_secrets(load_bytes(self.path, private=True), str(self.path))
            except ValueError as error:
                self.problems.append(Problem(reason_of(error), file=str(self.path)))
                self._unreadable = True
            except ConfigError as error:
                self.problems.extend(error.problems)
                self._unreadable = True
        return self._file


def stamp(directory: FilePath, environ: Mapping[str, str] | None = None) -> bytes:
    """Return a digest of the sources of all secrets: it changes when a secret, or whether it can be read, does."""
    path = directory / SECRETS
    made = hashlib.sha256()
    try:
        made.update(load_bytes(path, private=True) if os.path.lexists(path) else b"none")
    except ValueError as error:
        made.update(b"!" + str(error).encode())
    of_process = os.environ if environ is None else environ
    for name in sorted(one for one in of_process if one.startswith(PREFIX)):
        made.update(f"\0{name}={of_process[name]}".encode("utf-8", "surrogateescape"))
    return made.digest()


def environment_name(name: str) -> str:
    return PREFIX + re.sub(r"[^A-Z0-9]", "_", name.upper())


def read_secrets(content: bytes, file: str) -> dict[str, str]:
    """Return names and values of a secrets file. Raises ConfigError; no message holds any of the text. Pure."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            [Problem(phrase("text-not-utf8", "not UTF-8 text (byte {byte})", byte=error.start), file=file)]
        ) from None
    plain = read_plain(text)
    return plain if plain is not None else _read_yaml(text, file)


def read_plain(text: str) -> dict[str, str] | None:
    """Return the secrets when every line is a simple `name: value`, so that no YAML parser is needed (importing one
    costs a start-up more than all the rest of this package); None otherwise. Pure."""
    secrets: dict[str, str] = {}
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line.isprintable():
            return None
        if not line.strip(" ") or line.startswith("#"):
            continue
        match = _PLAIN_LINE.fullmatch(line)
        if match is None or match[1] in secrets:
            return None
        value = match[2] or match[3] or match[4]
        if not value:
            return None
        secrets[match[1]] = value
    return secrets


def _read_yaml(text: str, file: str) -> dict[str, str]:
    from hub.config.document import Document

    positions, findings = Positions(), list[Finding]()
    data = Document(positions, findings, set(), literal=True).read(text, file)
    for name, value in _entries(data, findings):
        spot = positions.keys[(name,)]
        if not SECRET_NAME.fullmatch(name):
            findings.append(
                Finding(
                    (),
                    phrase("secret-name-of-wrong-form", "the name of a secret is letters, digits, '_', '-' and '.'"),
                    spot=spot,
                )
            )
        elif not isinstance(value, str):
            findings.append(
                Finding((), phrase("secret-not-text", "the secret '{name}' must be one text", name=name), spot=spot)
            )
        elif not value:
            findings.append(Finding((), phrase("secret-empty", "the secret '{name}' is empty", name=name), spot=spot))
    if findings:
        raise ConfigError(positions.problems(findings))
    return dict(data or {})


def _entries(data: Any, findings: list[Finding]) -> list[tuple[str, Any]]:
    if isinstance(data, dict):
        return list(data.items())
    if data is not None:
        findings.append(
            Finding((), phrase("secrets-file-of-wrong-form", "a secrets file holds lines of 'name: value'"))
        )
    return []


def reveal(data: Any, vault: Vault, findings: list[Finding], broken: set[Path], path: Path = ()) -> Any:
    """Return a copy of `data` with a Secret in the place of every SecretRef. A missing one becomes None, a finding, and
    a broken path."""
    if isinstance(data, SecretRef):
        secret = vault.get(data.name)
        if secret is None:
            findings.extend(vault.missing(data, path))
            broken.add(path)
        return secret
    if isinstance(data, dict):
        return {key: reveal(value, vault, findings, broken, (*path, key)) for key, value in data.items()}
    if isinstance(data, list):
        return [reveal(value, vault, findings, broken, (*path, index)) for index, value in enumerate(data)]
    return data
