"""A line that a technicien adds: one more integration that searches its own devices, with its serial line. Pure.

As with a zone, this call can do nothing else: it names an integration of an installed type with the few options that
say where its line is, and changes nothing that is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from hub.config.model import Core
from hub.core.errors import ConfigError
from hub.core.text import phrase

MOST_OPTIONS = 8


def new_line(config: Core, arguments: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """Return the name of the new integration and the edits that add it, from {type, options, bus}: `bus` holds the
    port of a serial line that is new, or the name of one. Raises ConfigError."""
    kind, options, bus = str(arguments.get("type") or ""), arguments.get("options"), arguments.get("bus")
    if not kind or not isinstance(options, dict) or not isinstance(bus, dict) or len(options) > MOST_OPTIONS:
        raise ConfigError(phrase("line-without-options", "a line has a type, and says where it goes"))
    name = _free(kind, {*config.integrations})
    value = {**({} if name == kind else {"type": kind}), **options}
    edits: list[dict[str, Any]] = []
    if port := bus.get("port"):
        if any(known.port == port for known in config.buses.values()):
            raise ConfigError(phrase("line-port-taken", "{port} is a line of this hub already", port=port))
        made = _free("rs485", {*config.buses})
        value = {key: made if key == bus.get("option") else one for key, one in value.items()}
        edits.append(
            {"path": ["buses", made], "value": {key: one for key, one in bus.items() if key not in ("option", "name")}}
        )
    return name, [*edits, {"path": ["integrations", name], "value": value}]


def _free(name: str, taken: set[str]) -> str:
    return name if name not in taken else next(made for n in count(2) if (made := f"{name}-{n}") not in taken)
