"""Words for the two values of a flag: a lamp is on or off on every page, not yes or no. Pure."""

from __future__ import annotations

from hub.page_kit.formatting import YES_NO

_WORDS = {"light": ("lit", "unlit"), "power": ("on", "off"), "running": ("on", "off")}
"""By device class."""


def flag_words(device_class: str) -> tuple[str, str]:
    """Return the keys of the catalogue for true and false."""
    return _WORDS.get(device_class, YES_NO)
