"""The language of this shell, for commands that print sentences. Reads the environment."""

from __future__ import annotations

import os


def language() -> str:
    """Return "fr" or "en". POSIX.1-2024, XBD 8.2: LC_ALL, else LC_MESSAGES, else LANG."""
    said = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return "fr" if next((one for one in said if one), "").startswith("fr") else "en"
