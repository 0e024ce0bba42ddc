"""The API of exporters: plugins that show the hub's live values to a neighbour. Protocols and messages only. Pure.

from hub.sdk.exporter import ExporterView, RegisterExporter
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Protocol, TypeVar

from hub.core.model import LastValue, Series
from hub.sdk.options import Config
from hub.sdk.session import Http, Network, State

__all__ = ["ExporterView", "LastValue", "RegisterExporter", "RunExporter", "Series"]

C = TypeVar("C", bound=Config)


class ExporterView(Protocol):
    """Read-only view of the hub, given to an exporter beside its configuration. Readings that privacy rules keep in
    memory only are left out; for an exporter that this distribution does not ship, also those of a privacy class that
    its manifest does not name."""

    @property
    def name(self) -> str:
        """Name of this exporter in the configuration."""
        ...

    @property
    def hub(self) -> str:
        """The hub's id, `hub-…`."""
        ...

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """Log of this exporter: each line carries its name."""
        ...

    @property
    def state(self) -> State:
        """Small values of this exporter's own that outlive the process."""
        ...

    @property
    def http(self) -> Http:
        """Requests to the hosts that this exporter's options name; in a process of its own the only way to them."""
        ...

    @property
    def network(self) -> Network:
        """Other connections to these hosts, and ports to listen on; in a process of its own the only ones."""
        ...

    def series(self) -> list[Series]:
        """Every series with a value since the hub started."""
        ...

    def values(self) -> list[LastValue]:
        """The last value of each series."""
        ...

    def pulse(self) -> dict[str, float]:
        """The hub's own counters since it started: reports, readings, written_readings, written_bytes, acked."""
        ...

    def changes(self, interval: timedelta = timedelta(seconds=1)) -> AsyncIterator[list[LastValue]]:
        """Yield the values that changed, at most once an `interval`. The first list holds every value there is."""
        ...


RunExporter = Callable[[C, ExporterView], Awaitable[None]]


class RegisterExporter(Protocol):
    """`register(name, Config, run)` adds an exporter."""

    def __call__(self, name: str, config: type[C], run: RunExporter[C]) -> None:
        """Raises PluginError when `config` is no subclass of `hub.Config`."""
        ...
