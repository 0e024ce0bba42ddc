"""Îlot's plugin API: what an integration needs. More, said to be less stable, is in `hub.sdk`.

    import hub

    async def run(config: AcmeThermo, session: hub.Session) -> None: ...

    @hub.hookimpl
    def register_integrations(register: hub.Register) -> None:
        register("acme_thermo", AcmeThermo, run)

The names of this module, a session and the hooks end only with a version that a release before it named
(docs/reference/plugin-api.txt); other names of `hub.sdk` may change with any release, with a line in the changelog.
Exporters, notifiers and transports are written with `hub.sdk` as well. Names are looked up on first use, so that
importing one submodule of the core costs only that module.
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
    from hub.core.errors import PluginError as PluginError
    from hub.core.metric_catalogue import METRICS as METRICS
    from hub.core.model import Candidate as Candidate
    from hub.core.model import Command as Command
    from hub.core.model import Decoded as Decoded
    from hub.core.model import Device as Device
    from hub.core.model import Frame as Frame
    from hub.core.model import Metric as Metric
    from hub.core.model import NeedKey as NeedKey
    from hub.core.model import Position as Position
    from hub.core.model import Proof as Proof
    from hub.core.model import Quality as Quality
    from hub.core.model import Report as Report
    from hub.core.model import Sample as Sample
    from hub.core.model import Signal as Signal
    from hub.core.model import Value as Value
    from hub.sdk.hookspecs import Register as Register
    from hub.sdk.hookspecs import RegisterDecoder as RegisterDecoder
    from hub.sdk.hookspecs import hookimpl as hookimpl
    from hub.sdk.options import Config as Config
    from hub.sdk.session import Commands as Commands
    from hub.sdk.session import Devices as Devices
    from hub.sdk.session import Reply as Reply
    from hub.sdk.session import Session as Session
    from hub.sdk.session import State as State

_HOME = {
    "hub.core.errors": ("AuthFailed", "DecodeError", "LedElsewhere", "NotReady", "PluginError"),
    "hub.core.metric_catalogue": ("METRICS",),
    "hub.core.model": (
        "Candidate",
        "Command",
        "Decoded",
        "Device",
        "Frame",
        "Metric",
        "NeedKey",
        "Position",
        "Proof",
        "Quality",
        "Report",
        "Sample",
        "Signal",
        "Value",
    ),
    "hub.sdk.hookspecs": ("Register", "RegisterDecoder", "hookimpl"),
    "hub.sdk.options": ("Config",),
    "hub.sdk.session": ("Commands", "Devices", "Reply", "Session", "State"),
    "pydantic": ("HttpUrl",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

_FORMER = {
    "Bus": "hub.sdk.session.Bus",
    "Doorway": "hub.sdk.http_server.HttpServer",
    "HttpClient": "hub.sdk.http.HttpClient",
    "JailedWorker": "hub.sdk.sandboxed_process.SandboxedProcess",
    "JsonPath": "hub.sdk.jsonpath.JsonPath",
    "LastValue": "hub.sdk.exporter.LastValue",
    "Line": "hub.sdk.serial_line.SerialLine",
    "ListenAddress": "hub.sdk.addresses.ListenAddress",
    "Message": "hub.sdk.transport.Message",
    "MqttClient": "hub.sdk.mqtt.MqttClient",
    "Network": "hub.sdk.addresses.Network",
    "Notice": "hub.sdk.notification.Notification",
    "Notices": "hub.sdk.notification.Notifications",
    "PackFacts": "hub.sdk.session.PackFacts",
    "Patience": "hub.sdk.poll_backoff.PollBackoff",
    "RegisterExporter": "hub.sdk.exporter.RegisterExporter",
    "RegisterNotifier": "hub.sdk.notification.RegisterNotifier",
    "RegisterUplink": "hub.sdk.transport.RegisterTransport",
    "Series": "hub.sdk.exporter.Series",
    "Tls": "hub.sdk.tls.Tls",
    "Uplink": "hub.sdk.transport.Transport",
    "View": "hub.sdk.exporter.ExporterView",
    "open_line": "hub.sdk.serial_line.open_serial_line",
    "shallow_json": "hub.sdk.nesting.shallow_json",
    "wrong_option": "hub.sdk.options.wrong_option",
}
"""Names that stood here before, and where they stand now. They are read, with a warning, until the version that
`hub.sdk.deprecations` says."""

__all__ = sorted(_MODULE_OF)  # noqa: PLE0605 - computed so that the table above stays the only list


def __getattr__(name: str) -> Any:
    if name in _FORMER:
        return _former(name)
    try:
        module = _MODULE_OF[name]
    except KeyError:
        raise AttributeError(f"the plugin API has no {name!r}; it has: {', '.join(__all__)}") from None
    value = globals()[name] = getattr(import_module(module), name)
    return value


def _former(name: str) -> Any:
    """A name that has moved. The warning names the caller's line each time, so the value is not kept here."""
    import warnings

    from hub.sdk.deprecations import FORMER_NAMES

    module, _, new = _FORMER[name].rpartition(".")
    text = f"hub.{name} is now {module}.{new}; the old name ends with {FORMER_NAMES}"
    warnings.warn(text, DeprecationWarning, stacklevel=3)
    return getattr(import_module(module), new)


def __dir__() -> list[str]:
    return __all__
