"""The language of this shell, for commands that print sentences. Reads the environment."""

from __future__ import annotations

import os
import re

from hub.i18n.catalogues import ENGLISH, languages


def language() -> str:
    """Return the language of this shell where there is a catalogue of it, else "en". POSIX.1-2024, XBD 8.2: LC_ALL,
    else LC_MESSAGES, else LANG."""
    given = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    asked = re.split(r"[_.@]", next((one for one in given if one), ""))[0]
    return asked if asked in languages() else ENGLISH
