"""Reading, writing and subscribing: OPC 10000-4, 5.10, 5.12 and 5.13. Methods are never called and nodes never made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from asyncua import Client, ua

from integrations.opcua import messages as m
from integrations.opcua.worker import values
from integrations.opcua.worker.calls import Calls, in_parts
from integrations.opcua.worker.nodes import Nodes

BAD_TYPE, GAP = 0x80740000, 0x80A10000  # BadTypeMismatch, BadSequenceNumberUnknown


class Services:
    """An open session. Every method raises what asyncua raises."""

    def __init__(self, client: Client, timeout_s: float) -> None:
        self.calls = Calls(client)
        self.nodes = Nodes(self.calls)
        self._session = client.uaclient.session
        self._timeout_s = timeout_s
        self._subscription = 0
        self._silence_s = 0.0
        self._items: dict[int, m.Item] = {}

    async def read(self, items: Sequence[m.Item], oldest_ms: float) -> m.Values:
        nodes = [(ua.NodeId.from_string(item.node), ua.AttributeIds.Value) for item in items]
        found = await self.calls.read(nodes, oldest_ms)
        return m.Values([values.change(item, data) for item, data in zip(items, found, strict=True)])

    async def write(self, node: str, kind: str, value: float | int | bool | str) -> m.Statuses:
        try:
            data = values.data_value(kind, value)
        except (ValueError, OverflowError):
            return m.Statuses([BAD_TYPE])
        written = ua.WriteValue(ua.NodeId.from_string(node), ua.AttributeIds.Value, Value=data)
        results = await self._session.write(ua.WriteParameters([written]))
        return m.Statuses([int(status.value) for status in results[:1]])

    async def subscribe(self, asked: m.Subscribe) -> m.Subscribed:
        if self._subscription:
            gone, self._subscription = self._subscription, 0
            await self._session.delete_subscriptions([gone])
        self._items = {}
        parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=asked.publishing_ms,
            RequestedLifetimeCount=asked.lifetime,
            RequestedMaxKeepAliveCount=asked.keepalive,
            MaxNotificationsPerPublish=0,
            PublishingEnabled=True,
            Priority=0,
        )
        made = await self._session.create_subscription(parameters, callback=_ignore)
        self._subscription = made.SubscriptionId
        interval_ms, keepalive = float(made.RevisedPublishingInterval), int(made.RevisedMaxKeepAliveCount)
        self._silence_s = 2 * interval_ms / 1000 * max(1, keepalive) + self._timeout_s
        return m.Subscribed(interval_ms, keepalive)

    async def watch(self, items: Sequence[m.Item]) -> m.Statuses:
        self._items |= {item.handle: item for item in items}  # before the answer: changes may arrive first

        async def create(part: list[m.Item]) -> list[ua.MonitoredItemCreateResult]:
            made: list[ua.MonitoredItemCreateResult] = await self._session.create_monitored_items(
                ua.CreateMonitoredItemsParameters(
                    SubscriptionId=self._subscription,
                    TimestampsToReturn=ua.TimestampsToReturn.Both,
                    ItemsToCreate=[_monitored(item) for item in part],
                )
            )
            return made

        results = await in_parts(items, self.calls.most_items, create)
        return m.Statuses([int(result.StatusCode.value) for result in results])

    async def changes(self) -> AsyncIterator[list[m.Change]]:
        """Yield published changes. Raises TimeoutError when the server is silent for longer than announced,
        UaStatusCodeError when it ends the subscription or has skipped a message."""
        acks: list[ua.SubscriptionAcknowledgement] = []
        expected: int | None = None
        while True:
            async with asyncio.timeout(self._silence_s):
                response = await self._session.publish(acks)
            response.ResponseHeader.ServiceResult.check()
            result, acks = response.Parameters, []
            if result.SubscriptionId != self._subscription:
                continue
            message = result.NotificationMessage
            number = int(message.SequenceNumber)
            if expected is not None and number != expected:
                raise ua.UaStatusCodeError(GAP)
            expected = number  # a keep-alive has the number of the next message
            if message.NotificationData:
                acks = [ua.SubscriptionAcknowledgement(result.SubscriptionId, message.SequenceNumber)]
                expected = 1 if number == 0xFFFFFFFF else number + 1
            if changes := [change for data in message.NotificationData or () for change in self._changes(data)]:
                yield changes

    def _changes(self, data: Any) -> list[m.Change]:
        if isinstance(data, ua.StatusChangeNotification):
            data.Status.check()
            return []
        if not isinstance(data, ua.DataChangeNotification):
            return []
        known = [(self._items.get(one.ClientHandle), one.Value) for one in data.MonitoredItems or ()]
        return [values.change(item, value) for item, value in known if item is not None]


def _monitored(item: m.Item) -> ua.MonitoredItemCreateRequest:
    parameters = ua.MonitoringParameters(
        ClientHandle=item.handle, SamplingInterval=item.sampling_ms, QueueSize=item.queue, DiscardOldest=True
    )
    if item.dead_band:
        absolute = ua.DeadbandType.Absolute
        parameters.Filter = ua.DataChangeFilter(ua.DataChangeTrigger.StatusValue, absolute, item.dead_band)
    node = ua.ReadValueId(ua.NodeId.from_string(item.node), ua.AttributeIds.Value)
    return ua.MonitoredItemCreateRequest(node, ua.MonitoringMode.Reporting, parameters)


def _ignore(_: object) -> None:
    """Ignore the callback: changes come from `changes`."""
