"""Catalogue of translations of a module: its domain, in gettext's word. Pure."""

from __future__ import annotations

import os
import sys

HUB = "hub"


def domain_of(module: str) -> str:
    """Return the catalogue of a module that is imported: "hub", or for a plugin the innermost package around the module
    that has a folder of translations, else the outermost."""
    names = module.partition(":")[0].split(".")
    if names[0] == HUB:
        return HUB
    for depth in range(len(names), 0, -1):
        package = sys.modules.get(".".join(names[:depth]))
        if any(os.path.isdir(os.path.join(one, "locale")) for one in getattr(package, "__path__", ())):
            return names[depth - 1]
    return names[0]
