"""French of an option, kept beside its English in the model. Pure.

    interval: timedelta = Field(
        default=timedelta(seconds=30),
        description="Time between two polls of a device",
        json_schema_extra=french("Temps entre deux lectures d'un appareil", title="Intervalle"),
    )

It reaches the pages through the JSON Schema of the model, so that a plugin which the hub does not import has it too.
"""

from __future__ import annotations

from typing import Any

KEY = "french"
"""The keyword of the schema: {"help": …, "title": …}, each of them may be missing."""
LONGEST = {"title": 100, "help": 2000}
"""Characters that are shown of what a third-party plugin says."""


def french(help: str = "", *, title: str = "") -> dict[str, Any]:
    """Return the French title and help of an option, for `json_schema_extra`. Without a title it has that of
    the other options of its name, which `hub.web.words.options.titles` lists."""
    return {KEY: {name: text for name, text in (("help", help), ("title", title)) if text}}


def french_of(schema: object) -> dict[str, str]:
    """{"help", "title"} that the schema of an option says, as far as it is text."""
    said = schema.get(KEY) if isinstance(schema, dict) else None
    if not isinstance(said, dict):
        return {}
    return {name: text[:most] for name, most in LONGEST.items() if isinstance(text := said.get(name), str) and text}
