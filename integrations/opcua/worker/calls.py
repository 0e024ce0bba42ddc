"""Services with many operations in one call, within the server's limits: OPC 10000-4, 5.8 and 5.10."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from asyncua import Client, ua

from integrations.opcua import messages as m
from integrations.opcua.worker.values import text

MOST = m.BATCH
"""Maximum operations in one call; fewer where the server has a lower limit."""

UNKNOWN_NODE = 0x80340000  # BadNodeIdUnknown

_LIMITS = "Server_ServerCapabilities_OperationLimits_"
_ABOUT = (
    "Server_ServerStatus_BuildInfo_ProductName", "Server_ServerStatus_BuildInfo_SoftwareVersion",
    f"{_LIMITS}MaxNodesPerRead", f"{_LIMITS}MaxMonitoredItemsPerCall",
    f"{_LIMITS}MaxNodesPerTranslateBrowsePathsToNodeIds", "Server_NamespaceArray",
)  # fmt: skip

Asked = TypeVar("Asked")
Got = TypeVar("Got")


class Calls:
    """An open session. Every method raises what asyncua raises."""

    def __init__(self, client: Client) -> None:
        self.session = client.uaclient.session
        self.namespaces: list[str] = []
        self.most_items = MOST
        self._most_read = self._most_paths = MOST

    async def about(self) -> m.Opened:
        """Return the server's product and its limits for one call."""
        # one node a call: its limits are not known yet
        found = [(await self.read([(standard(name), ua.AttributeIds.Value)]))[0] for name in _ABOUT]
        product, version, reads, items, paths, namespaces = (data.Value.Value if data.Value else None for data in found)
        self.namespaces = [text(uri, 4096) for uri in namespaces] if isinstance(namespaces, list) else []
        self._most_read, self.most_items, self._most_paths = map(_limit, (reads, items, paths))
        return m.Opened(text(product), text(version), [text(uri) for uri in self.namespaces[:64]])

    async def read(
        self, asked: Sequence[tuple[ua.NodeId, ua.AttributeIds]], oldest_ms: float = 0.0
    ) -> list[ua.DataValue]:
        """Read one attribute of each node."""

        async def read(part: list[ua.ReadValueId]) -> list[ua.DataValue]:
            both = ua.TimestampsToReturn.Both
            found: list[ua.DataValue] = await self.session.read(
                ua.ReadParameters(MaxAge=oldest_ms, TimestampsToReturn=both, NodesToRead=part)
            )
            return found

        return await in_parts([ua.ReadValueId(node, attribute) for node, attribute in asked], self._most_read, read)

    async def led_to(
        self, asked: Sequence[tuple[ua.NodeId, list[ua.QualifiedName], ua.NodeId]]
    ) -> list[ua.NodeId | int]:
        """Return the nodes that paths lead to (start, names, kind of reference), or the status why there is none."""

        async def translate(part: list[ua.BrowsePath]) -> list[ua.BrowsePathResult]:
            found: list[ua.BrowsePathResult] = await self.session.translate_browsepaths_to_nodeids(part)
            return found

        paths = [
            ua.BrowsePath(start, ua.RelativePath([ua.RelativePathElement(kind, False, True, name) for name in names]))
            for start, names, kind in asked
        ]
        return [
            result.Targets[0].TargetId
            if result.StatusCode.is_good() and result.Targets
            else (int(result.StatusCode.value) or UNKNOWN_NODE)
            for result in await in_parts(paths, self._most_paths, translate)
        ]


async def in_parts(asked: Sequence[Asked], most: int, ask: Callable[[list[Asked]], Awaitable[list[Got]]]) -> list[Got]:
    """Send a request in parts and join the answers. Raises ValueError when the server gives another number of them."""
    got: list[Got] = []
    for at in range(0, len(asked), most):
        part = list(asked[at : at + most])
        answers = await ask(part)
        if len(answers) != len(part):
            raise ValueError("the server answered another number of questions")
        got += answers
    return got


def standard(name: str) -> ua.NodeId:
    """Return a node of namespace 0 by its name in the standard."""
    return ua.NodeId(ua.Int32(getattr(ua.ObjectIds, name)))


def _limit(said: object) -> int:
    return min(MOST, said) if isinstance(said, int) and said > 0 else MOST
