"""Carries out what the child of an exporter says, by the exporter's view in the hub.

It is shown the values of the privacy classes that its manifest names, and no others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

from msgspec.structs import replace

from hub.core.errors import PluginError
from hub.core.model import LastValue, Series
from hub.core.text import phrase
from hub.plugin_host.exporter_view import LiveView
from hub.plugin_host.isolation import wire
from hub.plugin_host.isolation.calls import Calls, Say
from hub.plugin_host.isolation.served_access import AccessServed
from hub.plugin_host.isolation.wire_base import Hostile
from hub.plugin_host.isolation.wire_roles import PAGE, ViewChanges, ViewPart, ViewPulse
from hub.plugin_host.manifest import Permissions
from hub.plugin_host.serial_buses import Buses, SharedLine
from hub.sdk.session import Http, Network

MOST_LOOPS = 16
LEAST_S = 0.1
"""Shortest time between two looks at what has changed."""
_NO_LINES = Buses({})


class ExporterAccess:
    """An exporter's ways out: hosts, and no serial line."""

    def __init__(self, view: LiveView) -> None:
        self._view = view

    @property
    def http(self) -> Http:
        return self._view.http

    @property
    def network(self) -> Network:
        return self._view.network

    def bus(self, name: str) -> SharedLine:
        return _NO_LINES.get(name)


class ViewServed:
    """The view of one run of an isolated exporter. `say` sends its process a message. `may` is None for an exporter of
    this distribution, which sees every class."""

    def __init__(self, view: LiveView, may: Permissions | None, say: Say) -> None:
        self.calls = Calls(say)
        self.timezone = ""
        self._view, self._may = view, may
        self._access = AccessServed(ExporterAccess(view), self.calls)
        self._loops: dict[int, tuple[AsyncIterator[list[LastValue]], list[LastValue]]] = {}
        self._shown: dict[str, bool] = {}  # series → whether it is of a class that may be shown
        self._series: list[Series] = []  # as the pages that are asked for show them
        self._values: list[LastValue] = []

    def begin(self, start: wire.Start) -> wire.Start:
        return replace(start, hub=self._view.hub, state=self._view.state.all())

    async def take(self, message: wire.Up, size: int) -> None:
        """Carry out what the child says. Raises Hostile for what it may not say, PluginError for what ends its run."""
        if size > wire.most_of(message):
            raise Hostile(f"{type(message).__name__} of {size} bytes")
        match message:
            case ViewPart(n):
                self.calls.number(n)
                self.calls.answer(n, lambda: self._part(message))
            case ViewPulse(n):
                self.calls.number(n)
                self.calls.answer(n, self._view.pulse)
            case ViewChanges(n):
                self.calls.number(n)
                self.calls.begin(n, size, self._changes(message))
            case wire.CycleEnd(loop):
                self._loops.pop(loop, None)  # a call that was cancelled has ended it already
            case wire.Put(key, value):
                self._view.state.put(key, value)
            case wire.Cancel(n):
                self.calls.cancel(n)
            case _ if not self._access.take(message, size):
                raise Hostile(f"{type(message).__name__} is nothing for an exporter")

    async def close(self) -> None:
        await self.calls.close()
        await self._access.close()
        self._loops.clear()

    def _part(self, call: ViewPart) -> tuple[list[Series], list[LastValue]]:
        page = slice(call.begin, call.begin + PAGE)
        if call.values:
            if not call.begin:
                self._values = self._allowed(self._view.values())
            return [], self._values[page]
        if not call.begin:
            self._series = [one for one in self._view.series() if self._may_show(one)]
        return self._series[page], []

    async def _changes(self, call: ViewChanges) -> tuple[list[LastValue], bool]:
        if call.loop not in self._loops:
            if len(self._loops) >= MOST_LOOPS:
                raise PluginError(
                    phrase("plugin-too-many-views", "more than {most} loops at once wait for values", most=MOST_LOOPS)
                )
            changes = self._view.changes(timedelta(seconds=max(LEAST_S, min(call.seconds, 86_400.0))))
            self._loops[call.loop] = changes, []
        changes, waiting = self._loops[call.loop]
        try:
            while not waiting:
                waiting += self._allowed(await anext(changes))
        except BaseException:
            self._loops.pop(call.loop, None)  # its iterator is over
            raise
        page = waiting[:PAGE]
        del waiting[:PAGE]
        return page, bool(waiting)

    def _allowed(self, values: list[LastValue]) -> list[LastValue]:
        if self._may is None:
            return values
        if any(one.series not in self._shown for one in values):
            self._shown = {one.id: self._may_show(one) for one in self._view.series()}
        return [one for one in values if self._shown.get(one.series)]

    def _may_show(self, series: Series) -> bool:
        return self._may is None or series.metric.privacy in self._may.data_classes
