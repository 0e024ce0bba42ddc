"""Optional libraries that the options of a plugin need, and which of them are not installed."""

from __future__ import annotations

from importlib.util import find_spec

from hub.core.errors import PluginError
from hub.core.text import Phrase, phrase
from hub.sdk.options import Config


def missing(config: object) -> list[str]:
    """Return the libraries that a plugin with these options would import and cannot. Nothing is imported."""
    return [name for name in config.libraries() if not _installed(name)] if isinstance(config, Config) else []


def lack(config: object) -> Phrase | None:
    """Return what is missing, with its remedy, as one sentence; None where nothing is."""
    if not (names := missing(config)):
        return None
    return phrase(
        "library-missing",
        "not installed: {libraries}; `apt install --reinstall ilot`, or in an environment of your own "
        "`pip install {packages}`",
        libraries=names,
        packages=" ".join(name.replace("_", "-") for name in names),
    )


def expect(config: object) -> None:
    """Raise PluginError when a library is missing: the operator installs it, which is no bug of the plugin."""
    if (said := lack(config)) is not None:
        raise PluginError(said)


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
