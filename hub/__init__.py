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

    from hub.core.errors import AuthFailed as AuthFailed
    from hub.core.errors import DecodeError as DecodeError
    from hub.core.errors import LedElsewhere as LedElsewhere
    from hub.core.errors import NotReady as NotReady
    from hub.core.metric_catalogue import METRICS as METRICS
    from hub.core.model import Candidate as Candidate
    from hub.core.model import Command as Command
    from hub.core.model import Decoded as Decoded
    from hub.core.model import Device as Device
    from hub.core.model import Frame as Frame
    from hub.core.model import LastValue as LastValue
    from hub.core.model import Metric as Metric
    from hub.core.model import NeedKey as NeedKey
    from hub.core.model import PackFacts as PackFacts
    from hub.core.model import Position as Position
    from hub.core.model import Proof as Proof
    from hub.core.model import Quality as Quality
    from hub.core.model import Report as Report
    from hub.core.model import Sample as Sample
    from hub.core.model import Series as Series
    from hub.core.model import Signal as Signal
    from hub.core.nesting import shallow_json as shallow_json
    from hub.core.tls import Tls as Tls
    from hub.sdk.addresses import ListenAddress as ListenAddress
    from hub.sdk.addresses import Network as Network
    from hub.sdk.hookspecs import Config as Config
    from hub.sdk.hookspecs import Register as Register
    from hub.sdk.hookspecs import RegisterDecoder as RegisterDecoder
    from hub.sdk.hookspecs import RegisterExporter as RegisterExporter
    from hub.sdk.hookspecs import RegisterNotifier as RegisterNotifier
    from hub.sdk.hookspecs import RegisterUplink as RegisterUplink
    from hub.sdk.hookspecs import hookimpl as hookimpl
    from hub.sdk.http import HttpClient as HttpClient
    from hub.sdk.http_server import Doorway as Doorway
    from hub.sdk.jsonpath import JsonPath as JsonPath
    from hub.sdk.mqtt import MqttClient as MqttClient
    from hub.sdk.notification import Notice as Notice
    from hub.sdk.options import wrong_option as wrong_option
    from hub.sdk.poll_backoff import Patience as Patience
    from hub.sdk.sandboxed_process import JailedWorker as JailedWorker
    from hub.sdk.serial_line import Line as Line
    from hub.sdk.serial_line import open_line as open_line
    from hub.sdk.session import Bus as Bus
    from hub.sdk.session import Message as Message
    from hub.sdk.session import Notices as Notices
    from hub.sdk.session import Session as Session
    from hub.sdk.session import Uplink as Uplink
    from hub.sdk.session import View as View

_HOME = {
    "pydantic": ("HttpUrl",),
    "hub.sdk.http": ("HttpClient",),
    "hub.core.metric_catalogue": ("METRICS",),
    "hub.core.errors": ("AuthFailed", "DecodeError", "LedElsewhere", "NotReady"),
    "hub.sdk.hookspecs": (
        "Config", "Register", "RegisterDecoder", "RegisterExporter", "RegisterNotifier", "RegisterUplink", "hookimpl",
    ),
    "hub.sdk.addresses": ("ListenAddress", "Network"),
    "hub.sdk.http_server": ("Doorway",),
    "hub.sdk.sandboxed_process": ("JailedWorker",),
    "hub.sdk.jsonpath": ("JsonPath",),
    "hub.sdk.serial_line": ("Line", "open_line"),
    "hub.sdk.mqtt": ("MqttClient",),
    "hub.sdk.options": ("wrong_option",),
    "hub.sdk.poll_backoff": ("Patience",),
    "hub.core.model": (
        "Candidate", "Command", "Decoded", "Device", "Frame", "LastValue", "Metric", "NeedKey", "PackFacts", "Position",
        "Proof", "Quality", "Report", "Sample", "Series", "Signal",
    ),
    "hub.core.nesting": ("shallow_json",),
    "hub.sdk.notification": ("Notice",),
    "hub.sdk.session": ("Bus", "Message", "Notices", "Session", "Uplink", "View"),
    "hub.core.tls": ("Tls",),
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
