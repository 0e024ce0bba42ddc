"""Facts of a plugin for people: who ships it, where it runs, and what it may do."""

from __future__ import annotations

from typing import Any

from hub.core.text import Phrase, phrase
from hub.plugin_host.manifest import NOTHING, Permissions, permissions_of, widened
from hub.plugin_host.registry import Plugin

HUB, PROCESS, UNPROTECTED = "hub", "process", "unprotected"
"""Where it runs: in the hub's own process, as its distribution has it · in a process of its own · of somebody else, in
the hub's process with all the hub's rights, by the operator's word."""
_NO_MANIFEST = phrase("plugin-without-manifest", "no manifest: only what its own options name")


def about(plugin: Plugin, *, apart: bool) -> dict[str, Any]:
    """Return {distribution, version, shipped, runs, may, owner, contact, end_of_support}. `may` has a sentence for each
    permission, and none for a plugin of this distribution; the last three are of its manifest, "" without one."""
    manifest = plugin.manifest
    return {
        "distribution": plugin.distribution,
        "version": plugin.version,
        "shipped": plugin.shipped,
        "runs": PROCESS if apart else HUB if plugin.shipped else UNPROTECTED,
        "may": allowed(permissions_of(plugin)),
        "owner": manifest.owner if manifest else "",
        "contact": manifest.security_contact if manifest else "",
        "end_of_support": manifest.end_of_support if manifest else "",
    }


def allowed(permissions: Permissions | None) -> list[Phrase]:
    """Return a sentence for each thing that it may do."""
    if permissions is None:
        return []
    if permissions is NOTHING:
        return [_NO_MANIFEST]
    return list(widened(Permissions(data_classes=()), permissions))
