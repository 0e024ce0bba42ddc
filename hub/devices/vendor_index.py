"""The signed index that lists and revokes plugins and packs, as this hub took it. Blocking: never on the event loop."""

from __future__ import annotations

from pathlib import Path

from hub.core.errors import AuthFailed, ConfigError
from hub.core.text import phrase, system_error
from hub.protocol.documents.plugin_index import MAX_DOCUMENT, PluginIndex, read_stored_index

INDEX = "index.bin"
"""Its name in the directory of the installed plugins."""


def stored_index(plugins: Path) -> PluginIndex | None:
    """Return the index that this hub has taken, None without one. Raises ConfigError for one that cannot be read:
    nothing may be taken for not revoked then."""
    try:
        with (plugins / INDEX).open("rb") as file:
            return read_stored_index(file.read(MAX_DOCUMENT + 1))
    except FileNotFoundError:
        return None
    except (OSError, AuthFailed) as error:
        said = system_error(error) if isinstance(error, OSError) else str(error)
        raise ConfigError(
            phrase(
                "index-damaged",
                "the index of plugins in {file} cannot be read ({reason}): take it again with `ilot plugin index FILE`",
                file=plugins / INDEX,
                reason=said,
            )
        ) from error
