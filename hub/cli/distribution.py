"""Which distribution of Îlot is here: `ilot`, the whole of it, or `ilot-sdk`, the part for vendors."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from hub.core.errors import HubError
from hub.core.text import Phrase, phrase


@cache
def is_whole() -> bool:
    """Return whether a hub can run here."""
    return find_spec("hub.app") is not None


def is_here(module: str) -> bool:
    """Return whether a module of the whole is here."""
    return is_whole() or find_spec(module) is not None


def not_in_sdk(command: str) -> Phrase:
    """Return what is said of a command that the SDK has not."""
    return phrase("command-of-hub", "{name!r} is a command of a hub: `ilot-sdk` has no hub, `ilot` has", name=command)


def expect_one(site: Path | None = None) -> None:
    """Raise HubError where both distributions lie in one environment and are of two versions: they share files, and
    nobody can say which file is of which."""
    site = Path(__file__).resolve().parents[2] if site is None else site
    sdk = [_version(record) for record in site.glob("ilot_sdk-*.dist-info")]
    whole = [_version(record) for record in site.glob("ilot-[0-9]*.dist-info")] if sdk else sdk
    if whole and sdk != whole:
        raise HubError(
            phrase(
                "sdk-beside-hub",
                "ilot {hub} and ilot-sdk {sdk} share files, and both are in {folder}: uninstall both and install one; "
                "`ilot` has all that `ilot-sdk` has",
                hub=whole[0],
                sdk=sdk[0],
                folder=site,
            )
        )


def _version(record: Path) -> str:
    return record.name.removesuffix(".dist-info").partition("-")[2]
