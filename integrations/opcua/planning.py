"""Plan of a session: the nodes of each device, subscribed to or polled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pydantic import ValidationError

import hub
from hub.sdk.options import wrong_option
from hub.sdk.phrases import phrase, reason_of
from integrations.opcua import messages as m
from integrations.opcua import status
from integrations.opcua.addresses import where
from integrations.opcua.decode import Point, point
from integrations.opcua.link import Link, Refusal
from integrations.opcua.settings import Config, DeviceSettings, NodeSettings

KEEPALIVE_S = 10.0
"""Interval in seconds of a subscription's keep-alives, and so the time after which a dead server is noticed."""

LIFETIME = 6
"""Unanswered keep-alives after which a server drops the subscription of a hub that died."""

_FILTERS = {0x80440000, 0x80450000, 0x808E0000}
"""BadMonitoredItemFilterUnsupported, BadFilterNotAllowed, BadDeadbandFilterInvalid."""


class Wanted(NamedTuple):
    """A node as named in the configuration."""

    device: str
    address: str
    node: NodeSettings
    place: m.Where


class Trouble(NamedTuple):
    """Why a node gives no reading."""

    wanted: Wanted
    error: hub.DecodeError


class Plan:
    """The nodes of one session. `points` by handle; `polled`: those not in the subscription; `troubles`: nodes without
    readings."""

    def __init__(self) -> None:
        self.points: dict[int, Point] = {}
        self.polled: set[int] = set()
        self.troubles: list[Trouble] = []
        self.notes: list[str] = []

    def item(self, handle: int, config: Config, *, dead_band: bool = True) -> m.Item:
        read = self.points[handle]
        node = read.node
        sampling = node.sampling or config.publishing
        return m.Item(
            handle,
            read.id,
            -1 if node.element is None else node.element,
            node.dead_band / abs(read.scale) if dead_band else 0.0,
            sampling.total_seconds() * 1000,
            node.queue,
        )

    def items(self, handles: Iterable[int], config: Config) -> Iterator[list[m.Item]]:
        return m.batches([self.item(handle, config) for handle in handles])

    def find(self, device: str, metric: str) -> tuple[int, Point] | None:
        """Return handle and node of a reading."""
        found = ((h, p) for h, p in self.points.items() if (p.device, p.metric.key) == (device, metric))
        return next(found, None)


def wanted(devices: Iterable[hub.Device], config: Config) -> tuple[list[Wanted], dict[str, str]]:
    """Return the nodes of every device with valid settings, and the errors of the others."""
    nodes: list[Wanted] = []
    wrong: dict[str, str] = {}
    for device in devices:
        try:
            settings = device.settings_as(DeviceSettings)
        except ValidationError as error:
            wrong[device.id] = wrong_option(error)
            continue
        for address, node in settings.nodes.items():
            nodes.append(Wanted(device.id, address, node, where(address, settings.namespace)))
    for one in nodes[config.max_items :]:
        wrong.setdefault(
            one.device,
            phrase(
                "opcua.too-many-nodes",
                "more than {most} nodes are read from this server: raise max_items",
                most=config.max_items,
            ),
        )
    return nodes[: config.max_items], wrong


async def made(link: Link, config: Config, nodes: Iterable[Wanted], first_handle: int) -> Plan:
    """Resolve the nodes, and subscribe to them where that is wanted and possible. Raises NotReady, and Refusal when the
    server refuses a mandatory service."""
    plan = Plan()
    waiting = list(nodes)
    for places in m.batches([one.place for one in waiting]):
        found = await link.ask(m.Resolve(places), m.Nodes)
        if len(found.nodes) != len(places):
            raise Refusal(0x80070000, "BadDecodingError")
        for one, node in zip(waiting[: len(places)], found.nodes, strict=True):
            if node.status >= 0x80000000:
                plan.troubles.append(Trouble(one, _error(node.status, "")))
                continue
            try:
                plan.points[first_handle + len(plan.points)] = point(one.device, one.address, one.node, node)
            except hub.DecodeError as error:
                plan.troubles.append(Trouble(one, error))
        del waiting[: len(places)]
    plan.polled = set(plan.points)
    if config.subscribe and plan.points:
        await _subscribe(link, config, plan)
    return plan


async def _subscribe(link: Link, config: Config, plan: Plan) -> None:
    interval_s = config.publishing.total_seconds()
    keepalive = max(1, round(KEEPALIVE_S / interval_s))
    try:
        await link.ask(m.Subscribe(interval_s * 1000, keepalive, LIFETIME * keepalive), m.Subscribed)
    except Refusal as error:
        plan.notes.append(
            phrase(
                "opcua.no-subscription",
                "{peer} gives no subscription, its nodes are polled every {seconds:g} s: {reason}",
                peer=link.peer,
                seconds=config.interval.total_seconds(),
                reason=reason_of(error),
            )
        )
        return
    for items in plan.items(list(plan.points), config):
        codes = await _watch(link, items)
        again = [item for item, code in zip(items, codes, strict=True) if item.dead_band and _base(code) in _FILTERS]
        if again:
            plan.notes.append(
                phrase(
                    "opcua.nodes-without-dead-band",
                    "{peer} knows no dead band for {count} [node|nodes]: it reports every change of [it|them]",
                    peer=link.peer,
                    count=len(again),
                )
            )
            plain = [plan.item(item.handle, config, dead_band=False) for item in again]
            later = dict(zip((item.handle for item in plain), await _watch(link, plain), strict=True))
            codes = [later.get(item.handle, code) for item, code in zip(items, codes, strict=True)]
        plan.polled -= {item.handle for item, code in zip(items, codes, strict=True) if code < 0x80000000}
    if plan.polled:
        plan.notes.append(
            phrase(
                "opcua.nodes-not-watched",
                "{peer} does not watch {count} of its nodes: [it is|they are] polled",
                peer=link.peer,
                count=len(plan.polled),
            )
        )


async def _watch(link: Link, items: list[m.Item]) -> list[int]:
    """Return one status for each item; when the whole call is refused, its status for all."""
    try:
        told = await link.ask(m.Watch(items), m.Statuses)
    except Refusal as error:
        return [error.code | 0x80000000] * len(items)
    return told.codes if len(told.codes) == len(items) else [0x80070000] * len(items)


def _error(code: int, name: str) -> hub.DecodeError:
    return hub.DecodeError(status.fault(code).reason, status.told(code, name))


def _base(code: int) -> int:
    return code & 0xFFFF0000
