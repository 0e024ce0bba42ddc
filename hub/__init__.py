"""Îlot's plugin API. Everything a plugin may import is here, and nothing else is.

    import hub

    async def run(config, session): ...

    @hub.hookimpl
    def register_integrations(register): register("acme_thermo", AcmeThermo, run)

Names are looked up on first use, so that importing one submodule of the core costs only that module.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import HttpUrl as HttpUrl

    from hub.calling import HttpClient as HttpClient
    from hub.catalogue import METRICS as METRICS
    from hub.errors import AuthFailed as AuthFailed
    from hub.errors import DecodeError as DecodeError
    from hub.errors import LedElsewhere as LedElsewhere
    from hub.errors import NotReady as NotReady
    from hub.hookspecs import Config as Config
    from hub.hookspecs import Register as Register
    from hub.hookspecs import RegisterDecoder as RegisterDecoder
    from hub.hookspecs import RegisterExporter as RegisterExporter
    from hub.hookspecs import RegisterNotifier as RegisterNotifier
    from hub.hookspecs import RegisterUplink as RegisterUplink
    from hub.hookspecs import hookimpl as hookimpl
    from hub.kit.addresses import ListenAddress as ListenAddress
    from hub.kit.addresses import Network as Network
    from hub.kit.doorway import Doorway as Doorway
    from hub.kit.jailed import JailedWorker as JailedWorker
    from hub.kit.jsonpath import JsonPath as JsonPath
    from hub.kit.lines import Line as Line
    from hub.kit.lines import open_line as open_line
    from hub.kit.mqtt import MqttClient as MqttClient
    from hub.kit.options import wrong_option as wrong_option
    from hub.kit.patience import Patience as Patience
    from hub.model import Candidate as Candidate
    from hub.model import Command as Command
    from hub.model import Decoded as Decoded
    from hub.model import Device as Device
    from hub.model import Frame as Frame
    from hub.model import LastValue as LastValue
    from hub.model import Metric as Metric
    from hub.model import NeedKey as NeedKey
    from hub.model import PackFacts as PackFacts
    from hub.model import Position as Position
    from hub.model import Proof as Proof
    from hub.model import Quality as Quality
    from hub.model import Report as Report
    from hub.model import Sample as Sample
    from hub.model import Series as Series
    from hub.model import Signal as Signal
    from hub.nesting import shallow_json as shallow_json
    from hub.notice import Notice as Notice
    from hub.session import Bus as Bus
    from hub.session import Message as Message
    from hub.session import Notices as Notices
    from hub.session import Session as Session
    from hub.session import Uplink as Uplink
    from hub.session import View as View
    from hub.tls import Tls as Tls

_HOME = {
    "pydantic": ("HttpUrl",),
    "hub.calling": ("HttpClient",),
    "hub.catalogue": ("METRICS",),
    "hub.errors": ("AuthFailed", "DecodeError", "LedElsewhere", "NotReady"),
    "hub.hookspecs": (
        "Config", "Register", "RegisterDecoder", "RegisterExporter", "RegisterNotifier", "RegisterUplink", "hookimpl",
    ),
    "hub.kit.addresses": ("ListenAddress", "Network"),
    "hub.kit.doorway": ("Doorway",),
    "hub.kit.jailed": ("JailedWorker",),
    "hub.kit.jsonpath": ("JsonPath",),
    "hub.kit.lines": ("Line", "open_line"),
    "hub.kit.mqtt": ("MqttClient",),
    "hub.kit.options": ("wrong_option",),
    "hub.kit.patience": ("Patience",),
    "hub.model": (
        "Candidate", "Command", "Decoded", "Device", "Frame", "LastValue", "Metric", "NeedKey", "PackFacts", "Position",
        "Proof", "Quality", "Report", "Sample", "Series", "Signal",
    ),
    "hub.nesting": ("shallow_json",),
    "hub.notice": ("Notice",),
    "hub.session": ("Bus", "Message", "Notices", "Session", "Uplink", "View"),
    "hub.tls": ("Tls",),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted(_MODULE_OF)  # noqa: PLE0605 - computed so that the table above stays the only list


def __getattr__(name: str) -> Any:
    try:
        module = _MODULE_OF[name]
    except KeyError:
        raise AttributeError(f"the plugin API has no {name!r}; it has: {', '.join(__all__)}") from None
    value = globals()[name] = getattr(import_module(module), name)
    return value


def __dir__() -> list[str]:
    return __all__
