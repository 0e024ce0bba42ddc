"""Proposals: a requested change → the texts that the files would have, validated and compared. Writes nothing.

    asked = {"files": {"config.yaml": text}}                              whole texts
          | {"edits": [{"path": ["web", "port"], "value": 9443}, {"path": [...], "remove": true}]}
          | {"revision": "4f2a…"}                                         a version of the history
          | {}                                                            the current files

Blocking: reads files and secrets; call in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from pathlib import PurePosixPath
from typing import Any

from hub.config.instances import Models
from hub.config.load import Loaded, load
from hub.config.positions import Path
from hub.config.source import SECRETS, contained, contents, digest, digests, read
from hub.core.errors import ConfigError, HubError
from hub.core.text import phrase, reason_of

MOST_EDITS = 500

Revisions = Callable[[str], Mapping[str, bytes]]
"""The beginning of a version's name → its texts. Raises HubError."""


class Conflict(HubError):
    """Somebody else changed the file meanwhile."""

    exit_code = 3


@dataclass(slots=True)
class Proposal:
    """A proposed configuration. `texts`: every file of it; `written`: those that differ from the current ones,
    `created` names of those that do not exist yet. `before`: the current texts. `base` and `digest`: of both."""

    before: dict[str, bytes]
    texts: dict[str, bytes]
    written: dict[str, bytes] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    base: str = ""
    digest: str = ""
    diff: str = ""


def current_texts(path: FilePath) -> dict[str, bytes]:
    """Return the readable files of the configuration, at least the first one. Raises ConfigError."""
    try:
        names = list(read(path).files)
    except ConfigError:
        names = [path.name]
    return contents(path, names or [path.name])


def propose(path: FilePath, asked: Mapping[str, Any], revisions: Revisions) -> Proposal:
    """Return the requested change as texts, which need not be valid. Raises ConfigError, Conflict when `asked["base"]`
    is not the digest of the current files."""
    before = current_texts(path)
    base = digest(digests(before))
    said = str(asked.get("base") or "")
    if said and not base.startswith(said):
        raise Conflict(
            phrase(
                "file-changed-meanwhile",
                "{file} was changed meanwhile, by somebody else or by hand: look at what it says now, and try again",
                file=path.name,
            )
        )
    given = _given(path, asked, revisions)
    texts = {**before, **given}
    try:
        names = list(read(path, texts).files)
    except ConfigError:
        names = list(texts)
    if asked.get("files") and (loose := sorted(set(given) - set(names))):
        raise ConfigError(
            phrase("files-not-included", "{files}: no file of this configuration includes it", files=loose)
        )
    texts = {name: texts[name] if name in texts else contents(path, [name])[name] for name in names}
    there = {name: before[name] if name in before else _there(path, name) for name in names}
    written = {name: text for name, text in texts.items() if there[name] != text}
    return Proposal(
        before={**before, **{name: text for name, text in there.items() if text is not None}},
        texts=texts,
        written=written,
        created=[name for name in written if there[name] is None],
        base=base,
        digest=digest(digests(texts)),
        diff=diff(before, texts),
    )


def _there(path: FilePath, name: str) -> bytes | None:
    return contents(path, [name])[name] if (path.parent / name).exists() else None


def _given(path: FilePath, asked: Mapping[str, Any], revisions: Revisions) -> dict[str, bytes]:
    if asked.get("revision"):
        return dict(revisions(str(asked["revision"])))
    if asked.get("edits") is not None:
        from hub.config.editing.amendments import amend

        wanted = [_edit(one) for one in _edits(asked["edits"])]
        try:
            amended = amend(path, wanted)
        except (TypeError, ValueError) as error:  # a value that YAML cannot express
            raise ConfigError(
                phrase("value-not-writable-in-yaml", "this value cannot be written: {reason}", reason=reason_of(error))
            ) from None
        return {name: text.encode() for name, text in amended.after.items()}
    files = asked.get("files") or {}
    if not isinstance(files, dict) or not all(isinstance(text, str) for text in files.values()):
        raise ConfigError(phrase("files-of-wrong-form", "`files` maps names of files to their texts"))
    made = {}
    for name, text in files.items():
        try:
            relative = contained(path.parent, name)
        except ValueError as error:
            raise ConfigError(phrase("file-refused", "{file}: {reason}", file=name, reason=reason_of(error))) from None
        if PurePosixPath(relative).name == SECRETS or relative != name:
            raise ConfigError(
                phrase(
                    "file-not-written-here",
                    "{file} is not written here; secrets are put into {secrets} on the hub itself",
                    file=name,
                    secrets=SECRETS,
                )
            )
        made[name] = _as_there(path.parent / name, text.replace("\r\n", "\n").encode("utf-8", "surrogateescape"))
    return made


def _as_there(path: FilePath, text: bytes) -> bytes:
    """Convert to the line ends of the current file: a browser sends its own, which are no change."""
    try:
        there = path.read_bytes()
    except OSError:
        return text
    if text == there.replace(b"\r\n", b"\n"):
        return there
    return text.replace(b"\n", b"\r\n") if b"\r\n" in there else text


def _edits(asked: Any) -> list[Any]:
    if not isinstance(asked, list) or len(asked) > MOST_EDITS:
        raise ConfigError(phrase("edits-of-wrong-form", "`edits` is a list of at most {most} edits", most=MOST_EDITS))
    return asked


def _edit(asked: Any) -> Any:
    from hub.config.editing.amendments import REMOVED, Edit

    path = asked.get("path") if isinstance(asked, dict) else None
    if not isinstance(path, list) or not path or not all(type(part) in (str, int) for part in path):
        raise ConfigError(
            phrase("edit-without-path", "an edit has a `path`, a list of keys, and a `value`, or `remove: true`")
        )
    where: Path = tuple(path)
    if asked.get("remove"):
        return Edit(where, REMOVED)
    if "value" not in asked:
        raise ConfigError(phrase("edit-without-value", "an edit has a `value`, or `remove: true`"))
    return Edit(where, asked["value"])


def load_proposal(path: FilePath, proposed: Proposal, models: Models) -> Loaded:
    """Load the proposed configuration. Raises ConfigError with every problem."""
    return load(path, models, texts=proposed.texts)


def diff(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> str:
    """Return a unified diff of all files."""
    from difflib import unified_diff  # imported late: a hub runs for months between two changes

    made: list[str] = []
    for name in dict.fromkeys([*before, *after]):
        old, new = _lines(before.get(name)), _lines(after.get(name))
        if old != new:
            made += unified_diff(old, new, name, f"{name} (new)", lineterm="")
    return "".join(f"{line}\n" for line in made)


def _lines(text: bytes | None) -> list[str]:
    return (text or b"").decode("utf-8", "replace").splitlines()
