"""The signed index that lists and revokes: taken when its counter rises, and honoured from then on. Blocking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hub.config.parts.vendors import PluginTrust
from hub.core.disk.atomic_files import write_atomically
from hub.core.errors import ConfigError, StorageError
from hub.core.text import phrase, system_error
from hub.devices.vendor_index import INDEX, stored_index
from hub.operations.plugins.installing import locked
from hub.operations.plugins.offers import Refused
from hub.protocol.documents.plugin_index import MAX_DOCUMENT, PluginIndex, read_index
from hub.protocol.documents.signed_payload import SigningKeys


def take(file: Path, plugins: Path, trust: PluginTrust) -> PluginIndex:
    """Take an index. What it revokes does not start any more. Raises HubError; the former one stays then."""
    try:
        with file.open("rb") as source:
            document = source.read(MAX_DOCUMENT + 1)
    except OSError as error:
        raise StorageError(
            phrase("index-not-read", "{file} cannot be read: {reason}", file=file, reason=system_error(error))
        ) from error
    if trust.index is None:
        raise ConfigError(
            phrase(
                "index-no-keys", "the configuration names nobody who signs an index: `plugins: {{index: {{keys: …}}}}`"
            )
        )
    index = read_index(document, SigningKeys(trust.index.raw, trust.index.threshold))
    with locked(plugins):
        before = _before(plugins)
        if before is not None and index.counter < before.counter + (index != before):
            raise Refused(
                phrase("index-not-newer", "index {counter} is not newer than {before}, which this hub has: it would "
                       "forget what was revoked since", counter=index.counter, before=before.counter)
            )  # fmt: skip
        try:
            write_atomically(plugins / INDEX, document)
        except OSError as error:
            raise StorageError(
                phrase("index-not-written", "the index could not be written: {reason}", reason=system_error(error))
            ) from error
    return index


def _before(plugins: Path) -> PluginIndex | None:
    """Return the one that is here; a damaged one is replaced by any that is signed."""
    try:
        return stored_index(plugins)
    except ConfigError:
        return None


def facts(index: PluginIndex | None, now: float) -> dict[str, Any] | None:
    """Return what people are shown of the index; `stale`: a newer one is due."""
    if index is None:
        return None
    return {
        "counter": index.counter,
        "issued": index.issued,
        "expires": index.expires,
        "stale": now >= index.expires,
        "listed": len(index.listed),
        "revoked": [{"id": one.id, "through": one.through, "reason": one.reason} for one in index.revoked],
    }
