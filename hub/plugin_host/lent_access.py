"""Ways to devices that a probe or a search is lent: `hub.sdk.session.Access`, over the egress and the hub's lines.

It reaches what a session of the same options would, whether the instance is configured yet or not; only it does not
listen.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from hub.config.instances import Instance
from hub.core.clock import SystemClock
from hub.plugin_host.declared_hosts import declared_hosts, texts_of
from hub.plugin_host.manifest import expect_bus, permissions_of
from hub.plugin_host.registry import Plugin, Registry
from hub.plugin_host.serial_buses import Buses, SharedLine
from hub.protocol.documents.trust import Trust
from hub.sdk.session import Http, Network
from hub.store_and_forward.egress import Egress
from hub.store_and_forward.egress_http import EgressHttp
from hub.store_and_forward.egress_network import EgressNetwork

NOBODY = Trust(version=0, owner="", recipients=(), ack_keys=())
"""The word of no owner: a probe from the command line calls no host of the owner's."""


class LentAccess:
    """Implements `hub.sdk.session.Access` for one plugin with the options of an instance."""

    def __init__(self, http: Http, network: Network, buses: Buses, plugin: Plugin, instance: Instance) -> None:
        self.http, self.network = http, network
        self._buses, self._may = buses, permissions_of(plugin)
        self._name, self._named = instance.name or instance.type, frozenset(texts_of(instance.config.model_dump()))

    def bus(self, name: str) -> SharedLine:
        if self._may is not None:
            expect_bus(self._name, self._may, name, configured=name in self._named)
        return self._buses.get(name)


class Lender:
    """Lends ways to devices, by an egress of the hub; without one, by one of its own for the hosts of the options."""

    def __init__(self, registry: Registry, egress: Egress | None = None) -> None:
        self._registry = registry
        self._egress = egress or Egress(NOBODY, SystemClock())

    @contextmanager
    def lent(self, instance: Instance, buses: Buses) -> Iterator[LentAccess]:
        """Lend what the options of an instance name, until the end of the block."""
        whose = f"access.{secrets.token_hex(4)}"  # with a dot, which no name of an instance has
        hosts = declared_hosts([instance], self._registry.permissions)
        now = [replace(host, whose=whose) for host in hosts if not host.listens]
        with self._egress.declared_for_now(now):
            http, network = EgressHttp(self._egress).of(whose), EgressNetwork(self._egress).of(whose)
            yield LentAccess(http, network, buses, self._registry.plugins[instance.type], instance)
