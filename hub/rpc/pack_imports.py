"""Imports of codecs of others into a running hub: calls `pack.import`, `pack.drafts`, `pack.draft`, `pack.decide` and
`pack.discard`.

A file comes from a browser, so it is treated as hostile. Nothing is installed by an import: its drafts wait until a
person has decided what each value is, and, where no example shows that the codec is right, that it is wanted all the
same.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.core.errors import ConfigError, HubError
from hub.core.metric_catalogue import METRICS
from hub.core.text import phrase
from hub.devices.codecs import Codecs
from hub.devices.packs import Library
from hub.rpc.packs import PackCalls

if TYPE_CHECKING:
    from hub.devices.packs.importing.drafts import Draft, Proposal
    from hub.devices.packs.importing.pending import Pending

IMPORTS = ".imports"
"""Where drafts wait, in the directory of installed packs."""
MAX_IMPORT_BYTES = 4 << 20
MAX_CONTENT_BYTES = 8 << 20
MAX_ENTRIES = 5000
MAX_CODECS = 100
"""Codecs of one file. `ilot pack import` takes a whole repository."""
_ENDINGS = (".zip", ".js", ".mjs", ".cjs", ".json")


class ImportCalls:
    """Calls about imported packs. `packs` installs them; drafts wait in `directory`."""

    def __init__(self, library: Library, packs: PackCalls, directory: Path) -> None:
        self._library, self._packs, self._directory = library, packs, directory
        self._one_at_a_time = asyncio.Lock()

    def calls(self) -> dict[str, Any]:
        return {
            "pack.import": self._import, "pack.drafts": self._drafts, "pack.draft": self._draft,
            "pack.decide": self._decide, "pack.discard": self._discard,
        }  # fmt: skip

    @property
    def _pending(self) -> Pending:
        from hub.devices.packs.importing.pending import Pending  # late, like everything that reads packs

        return Pending(self._directory)

    async def _import(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {archive: base64 of the file, name, vendor, payload: PORT:HEX} with {drafts: [{pack, …}], left_out}.
        Raises HubError."""
        import tempfile

        from hub.devices.packs.importing.run import import_codecs, payload_given
        from hub.devices.packs.importing.sources import Limits

        data = _content(arguments)
        payload = str(arguments.get("payload") or "").strip()
        try:
            payloads = [payload_given(payload)] if payload else []
        except ValueError as error:
            raise HubError(error.args[0]) from error
        async with self._one_at_a_time:
            with tempfile.TemporaryDirectory(prefix="ilot-import-") as scratch:
                file = Path(scratch) / _file_name(str(arguments.get("name") or ""), data)
                await asyncio.to_thread(file.write_bytes, data)
                async with Codecs() as codecs:
                    made = await import_codecs(
                        file,
                        codecs,
                        vendor=str(arguments.get("vendor") or "").strip()[:100],
                        payloads=payloads,
                        limits=Limits(entries=MAX_ENTRIES, content=MAX_CONTENT_BYTES, codecs=MAX_CODECS),
                    )
            for draft in made.drafts:
                await asyncio.to_thread(self._pending.save, draft)
        return {"drafts": [_row(draft) for draft in made.drafts], "left_out": made.left_out}

    async def _drafts(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {} with {drafts: [{pack, title, layout, untested, undecided, …}]}."""
        return {"drafts": await asyncio.to_thread(self._rows)}

    def _rows(self) -> list[dict[str, Any]]:
        pending = self._pending
        return [_row(pending.get(name)) for name in pending.names()]

    async def _draft(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {pack} with what a person decides on: facts, remarks, and each value with a sample and a guess."""
        draft = await asyncio.to_thread(self._pending.get, str(arguments.get("pack", "")))
        known = {**METRICS, **draft.metrics}
        return {
            **_row(draft), "vendor": draft.vendor, "model": draft.model, "mac": draft.mac, "class": draft.listens,
            "licence": draft.licence, "examples": draft.examples, "remarks": draft.remarks,
            "proposed": [_proposed(one, draft) for one in draft.proposals],
            "metrics": sorted(key for key, metric in known.items() if metric.kind != "text" or key in draft.metrics),
        }  # fmt: skip

    async def _decide(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {pack, decisions: [{path, decision, metric, scale}], vendor, model, mac, class, untested, by, dry_run}
        with what `pack.install` answers. Raises HubError."""
        from hub.devices.packs.importing.review import decision_of, reviewed
        from hub.devices.packs.importing.run import pack_of

        pending = self._pending
        draft = await asyncio.to_thread(pending.get, str(arguments.get("pack", "")))
        given = arguments.get("decisions")
        decisions = [
            decision_of(*(str(one.get(key) or "") for key in ("path", "decision", "metric", "scale")))
            for one in (given if isinstance(given, list) else [])
            if isinstance(one, dict)
        ]
        facts = {key: str(arguments.get(key) or "") for key in ("vendor", "model", "mac", "class")}
        draft = reviewed(draft, decisions, facts)
        draft.version = await asyncio.to_thread(self._next_version, draft.name)
        try:
            pack = await asyncio.to_thread(pack_of, draft)
        except ConfigError as error:
            raise HubError(error.problems[0].sentence) from error
        answer = await self._packs.put(pack, arguments)
        if answer["installed"]:
            await asyncio.to_thread(pending.remove, draft.name)
        return answer

    def _next_version(self, name: str) -> int:
        try:
            return self._library.get(name).keys.version + 1
        except ConfigError:
            return 1

    async def _discard(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {pack} with {}: the draft is gone. Raises HubError when there is none."""
        name = str(arguments.get("pack", ""))
        await asyncio.to_thread(self._pending.get, name)
        await asyncio.to_thread(self._pending.remove, name)
        return {}


def _content(arguments: dict[str, Any]) -> bytes:
    try:
        data = base64.b64decode(str(arguments.get("archive", "")), validate=True)
    except (binascii.Error, ValueError):
        raise HubError(phrase("archive-not-base64", "the archive is not base64")) from None
    if len(data) > MAX_IMPORT_BYTES:
        raise HubError(
            phrase("import-file-too-large", "a file to import has {limit} MiB at most", limit=MAX_IMPORT_BYTES >> 20)
        )
    return data


def _file_name(name: str, data: bytes) -> str:
    """Return a safe name for a file of a stranger: letters and digits of its own, and an ending."""
    stem, dot, ending = name.replace("\\", "/").rpartition("/")[2].rpartition(".")
    suffix = f".{ending.lower()}" if dot else ""
    if data.startswith(b"PK\x03\x04"):
        suffix = ".zip"
    if suffix not in _ENDINGS:
        raise HubError(
            phrase("import-file-ending", "a file to import ends in {endings}", endings=[one[1:] for one in _ENDINGS])
        )
    return (re.sub(r"[^A-Za-z0-9]+", "-", stem if dot else name).strip("-")[:80] or "codec") + suffix


def _row(draft: Draft) -> dict[str, Any]:
    return {
        "pack": draft.name, "title": f"{draft.vendor} {draft.model}", "layout": draft.layout,
        "untested": draft.untested, "vectors": len(draft.vectors), "undecided": draft.undecided,
        "values": len(draft.proposals),
    }  # fmt: skip


def _proposed(one: Proposal, draft: Draft) -> dict[str, Any]:
    """Return a proposal with the reading that it would give."""
    from hub.devices.codecs.mapping import Field, apply

    known = {**METRICS, **draft.metrics}
    reading = None
    if one.metric in known:
        field = Field(path=one.path, metric=one.metric, scale=one.scale, offset=one.offset, values=one.values)
        reading = apply({one.path: field}, {one.path: one.sample}, known).values.get(one.metric)
    return {
        "path": one.path, "sample": one.sample, "metric": one.metric, "scale": one.scale, "offset": one.offset,
        "confidence": one.confidence, "why": one.why, "decision": one.decision, "reading": reading,
        "unit": known[one.metric].unit if one.metric in known else "",
    }  # fmt: skip
