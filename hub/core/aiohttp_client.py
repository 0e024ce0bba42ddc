"""aiohttp without its client, until somebody asks for that. Measured on x86-64 with Python 3.13: 3 MiB.

A hub uses the server of aiohttp for its pages; what it calls itself, it calls with h11 (docs/adr/0047). But the package
imports its client too, with a cookie jar, a resolver and TLS contexts. Here their modules are stood for while the
package is imported, and each name that the package takes from them is a `_Name`. Whoever asks the package or such a
module for one afterwards, a plugin with a client of its own for instance, gets the real one.

Its server takes more than it uses too: see `import_server`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from hub.core.later import Later

_PACKAGE = "aiohttp"
_CLIENT = (
    "client", "client_middleware_digest_auth", "client_middlewares", "connector", "cookiejar", "resolver", "tracing",
)  # fmt: skip
"""Modules that aiohttp's client alone takes; no part of its server imports one of them."""
_PLAIN = frozenset(f"{_PACKAGE}.{one}" for one in ("helpers", "web_protocol", "web_request", "web_routedef", "web_ws"))
"""Modules of the server whose classes of attrs are no more than dataclasses can be."""


class _Name:
    """Stands in the package for what is there under a name in a module of the client."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def real(self) -> Any:
        return getattr(_module(self.module), self.name)


class _Package(ModuleType):
    """The package aiohttp, which gets a name of the client when it is asked for it."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if isinstance(found, _Name):
            found = found.real()
            setattr(self, name, found)
        return found

    def __getattr__(self, name: str) -> Any:
        if name in _CLIENT:
            return _module(f"{_PACKAGE}.{name}")
        raise AttributeError(f"module {_PACKAGE!r} has no attribute {name!r}")


class _Module(ModuleType):
    """A module of the client that is not imported yet."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        package = sys.modules.get(_PACKAGE)
        if package is None or not getattr(package.__spec__, "_initializing", False):
            return getattr(_module(self.__name__), name)
        package.__class__ = _Package
        return _Name(self.__name__, name)


class _Attrs(Later):
    """Stands for attrs."""

    def s(self, *given: Any, **named: Any) -> Callable[[type], type]:
        """Return what makes a class: `attr.s` for whoever is not aiohttp's server."""
        if given or not named.get("auto_attribs") or sys._getframe(1).f_globals.get("__name__") not in _PLAIN:
            made: Callable[[type], type] = self._real().s(*given, **named)
            return made
        return dataclass(**{name: one for name, one in named.items() if name != "auto_attribs"})


def spare_client() -> None:
    """Call it before aiohttp is imported; later it does nothing."""
    if _PACKAGE not in sys.modules:
        for name in _CLIENT:
            sys.modules.setdefault(f"{_PACKAGE}.{name}", _Module(f"{_PACKAGE}.{name}"))


def import_server() -> None:
    """Import aiohttp's server. What it imports for functions that are hardly ever called is stood for meanwhile, and
    only then: each of these modules is imported when such a function is called, or by whoever else wants it."""
    if f"{_PACKAGE}.web" in sys.modules:
        return
    importlib.import_module("email")
    _Attrs.stand_for("attr")
    Later.stand_for_object("email.policy", "HTTP")
    Later.stand_for("html", "escape")
    Later.stand_for("idna")
    try:
        importlib.import_module(f"{_PACKAGE}.web")
    finally:
        for name in ("attr", "email.policy", "html", "idna"):
            if isinstance(stand := sys.modules[name], Later):
                stand.step_aside()


def _module(name: str) -> ModuleType:
    """Import the client for good; returns the module of this name."""
    importlib.import_module(_PACKAGE)  # all of the package first: a part of it would be imported with stand-ins
    for one in _CLIENT:
        if isinstance(sys.modules.get(f"{_PACKAGE}.{one}"), _Module):
            del sys.modules[f"{_PACKAGE}.{one}"]
    return importlib.import_module(name)
