"""Drafts that wait for a person, on disk: one file each, `<pack>.json`. Blocking: never on the event loop."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import msgspec

from hub.core.disk.atomic_files import make_directory, write_atomically
from hub.core.errors import HubError, StorageError
from hub.core.nesting import shallow_json
from hub.core.text import from_codes, phrase, system_error, with_codes
from hub.devices.packs.importing.drafts import Draft
from hub.devices.packs.naming import NAME

MOST = 200
"""Drafts that wait at a time."""
MAX_BYTES = 8 << 20


class _Said(msgspec.Struct):
    remarks: list[str]
    reasons: list[str]


class _Kept(msgspec.Struct):
    draft: Draft
    said: dict[str, Any]


class Pending:
    """The drafts in `directory`, which is made with the first of them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def names(self) -> list[str]:
        """Return the packs that wait, sorted."""
        try:
            found = [path.stem for path in self._directory.iterdir() if path.suffix == ".json"]
        except OSError:
            return []
        return sorted(name for name in found if NAME.fullmatch(name))

    def save(self, draft: Draft) -> None:
        """Keep a draft; one of the same name gives way. Raises HubError when too many wait, StorageError."""
        waiting = self.names()
        if draft.name not in waiting and len(waiting) >= MOST:
            raise HubError(
                phrase("drafts-too-many", "{limit} imported packs wait already: decide on some first", limit=MOST)
            )
        try:
            make_directory(self._directory)
            write_atomically(self._path(draft.name), _encoded(draft))
        except OSError as error:
            raise StorageError(
                phrase(
                    "draft-not-kept",
                    "the imported pack {pack} cannot be kept: {reason}",
                    pack=draft.name,
                    reason=system_error(error),
                )
            ) from error

    def get(self, name: str) -> Draft:
        """Return a draft. Raises HubError when there is none."""
        try:
            with self._path(name).open("rb") as file:
                return _decoded(file.read(MAX_BYTES))
        except (OSError, ValueError):
            raise HubError(
                phrase("draft-unknown", "no imported pack {pack!r} waits; import it again", pack=name[:64])
            ) from None

    def remove(self, name: str) -> None:
        with contextlib.suppress(OSError):
            self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        """Raises HubError for what is no name of a pack."""
        if not NAME.fullmatch(name):
            raise HubError(phrase("draft-unknown", "no imported pack {pack!r} waits; import it again", pack=name[:64]))
        return self._directory / f"{name}.json"


def _encoded(draft: Draft) -> bytes:
    """Encode a draft. Its sentences lie apart from the data of strangers, whose keys may look like those of phrases."""
    plain = _plain(draft)
    said = {"remarks": draft.remarks, "reasons": [one.why for one in draft.proposals]}
    return msgspec.json.encode({"draft": plain, "said": with_codes(said)})


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return _plain(msgspec.structs.asdict(value))
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, str) else value


def _decoded(data: bytes) -> Draft:
    kept = msgspec.json.decode(shallow_json(data), type=_Kept)
    said, draft = msgspec.convert(from_codes(kept.said), _Said), kept.draft
    draft.remarks = said.remarks
    draft.proposals = [
        msgspec.structs.replace(one, why=why) for one, why in zip(draft.proposals, said.reasons, strict=True)
    ]
    return draft
