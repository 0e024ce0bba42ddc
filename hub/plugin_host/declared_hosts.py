"""Hosts, listening ports and device files that plugins' options name, as the egress declares them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from hub.config.instances import ExporterInstance, Instance, NotifierInstance
from hub.plugin_host.manifest import (
    Permissions,
    fixed_files,
    fixed_hosts,
    fixed_ports,
    may_listen,
    may_open,
    may_reach,
)
from hub.plugin_host.registry import Registry
from hub.store_and_forward.egress import ANY_ADDRESS, DEVICE, STREAMS, Host

if TYPE_CHECKING:
    from hub.config.load import Loaded

_PORTS = {"http": 80, "https": 443, "esphome": 6053}


def callers(loaded: Loaded, registry: Registry) -> list[Instance | NotifierInstance | ExporterInstance]:
    """Return the instances whose options name hosts for them. Exporters of this distribution open their own sockets."""
    others = [one for one in loaded.exporters if not registry.plugins[one.name].shipped]
    return [*loaded.integrations, *loaded.notifiers, *others]


def declared_hosts(
    instances: Iterable[Instance | NotifierInstance | ExporterInstance],
    may: Callable[[str], Permissions | None] = lambda _: None,
) -> list[Host]:
    """Return the hosts named in plugins' options, each for its plugin: what its `Session.http` and `Session.network`
    may call, the addresses that it may listen on, and the device files that it may have, as far as the permissions of
    its type (`may`) go.

    A plain http:// address is one the operator wrote explicitly.
    """
    hosts = []
    for instance in instances:
        type_, whose = instance.name, exporters(instance.name)
        if not isinstance(instance, ExporterInstance):
            type_ = instance.type
            whose = instance.name if isinstance(instance, Instance) else notifiers(instance.name)
        permissions = may(type_)
        for text in texts_of(instance.config.model_dump()):
            if text.startswith("/dev/") and (permissions is None or may_open(permissions, text, configured=True)):
                hosts.append(Host(host=text, port=0, whose=whose, stream=DEVICE))
            try:
                parts = urlsplit(text)
                port = parts.port or _PORTS.get(parts.scheme) or STREAMS.get(parts.scheme)
            except ValueError:  # text that merely begins like an address
                continue
            if not port or not parts.hostname or parts.scheme not in _PORTS | STREAMS:
                continue
            named = Host(host=parts.hostname, port=port, plain=parts.scheme == "http", whose=whose)
            if parts.scheme in STREAMS:
                named = replace(named, stream=parts.scheme)
            if permissions is None or may_reach(permissions, parts.hostname, port, configured=True):
                hosts.append(named)
            if parts.scheme in ("tcp", "udp") and (
                permissions is None or may_listen(permissions, parts.scheme, port, configured=True)
            ):
                hosts.append(replace(named, listens=True))
        for name, port in fixed_hosts(permissions):
            hosts += [Host(host=name, port=port, whose=whose, stream=stream) for stream in ("", *STREAMS)]
        for path in fixed_files(permissions):
            hosts.append(Host(host=path, port=0, whose=whose, stream=DEVICE))
        for stream, port in fixed_ports(permissions):
            hosts.append(Host(host=ANY_ADDRESS, port=port, whose=whose, stream=stream, listens=True))
    return hosts


def notifiers(name: str) -> str:
    """Return the name under which a notifier calls hosts: an integration may have the same name, but without a dot."""
    return f"notifier.{name}"


def exporters(name: str) -> str:
    """Return the name under which an exporter calls hosts."""
    return f"exporter.{name}"


def texts_of(value: Any) -> Iterator[str]:
    """Return the texts among the values of options."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple | set):
        for part in value:
            yield from texts_of(part)
    elif isinstance(value, str) or type(value).__name__ in ("HttpUrl", "AnyUrl", "Url"):
        yield str(value)
