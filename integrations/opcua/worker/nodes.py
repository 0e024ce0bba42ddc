"""Finds nodes: those named in the configuration, and those found by browsing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from asyncua import ua

from integrations.opcua import messages as m
from integrations.opcua.worker import values
from integrations.opcua.worker.calls import UNKNOWN_NODE, Calls, standard
from integrations.opcua.worker.values import text

READ_BIT, WRITE_BIT = 1, 2  # AccessLevelType, OPC 10000-3, 8.57
BUILT_IN = range(1, 26)  # OPC 10000-6, 5.1.2


class Nodes:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def resolve(self, asked: Sequence[m.Where]) -> m.Nodes:
        found = [self._named(where) for where in asked]  # a node, or the status why there is none
        paths = [at for at, where in enumerate(asked) if where.path]
        for at, node in zip(paths, await self._led_to([asked[at] for at in paths]), strict=True):
            found[at] = node
        described = iter(await self._described([node for node in found if isinstance(node, ua.NodeId)]))
        return m.Nodes([next(described) if isinstance(node, ua.NodeId) else m.Resolved(node) for node in found])

    def _named(self, where: m.Where) -> ua.NodeId | int:
        try:
            node = ua.NodeId.from_string(where.node) if where.node else None
        except ua.UaError:
            return UNKNOWN_NODE
        if not isinstance(node, ua.ExpandedNodeId):
            return UNKNOWN_NODE if node is None else node
        index = self._index(node.NamespaceUri or "")
        return UNKNOWN_NODE if index is None else ua.NodeId(node.Identifier, index, node.NodeIdType)

    def _index(self, namespace: str) -> int | None:
        """Return the index of a namespace as the configuration writes it."""
        if namespace.isdecimal():
            return int(namespace)
        if not namespace:
            return 0
        known = self._calls.namespaces
        return known.index(namespace) if namespace in known else None

    async def _led_to(self, asked: Sequence[m.Where]) -> list[ua.NodeId | int]:
        paths: list[list[ua.QualifiedName] | None] = []
        for where in asked:
            steps = [(self._index(namespace), name) for namespace, name in where.path]
            known = [ua.QualifiedName(name, index) for index, name in steps if index is not None]
            paths.append(known if len(known) == len(steps) else None)
        start, kind = standard("ObjectsFolder"), standard("HierarchicalReferences")
        targets = iter(await self._calls.led_to([(start, path, kind) for path in paths if path is not None]))
        return [UNKNOWN_NODE if path is None else next(targets) for path in paths]

    async def _described(self, nodes: Sequence[ua.NodeId]) -> list[m.Resolved]:
        wanted = (ua.AttributeIds.Value, ua.AttributeIds.DataType, ua.AttributeIds.UserAccessLevel)
        got = await self._calls.read([(node, attribute) for node in nodes for attribute in wanted])
        about = [tuple(got[at : at + 3]) for at in range(0, len(got), 3)]
        variables = [node for node, (_, _, access) in zip(nodes, about, strict=True) if _is_variable(access)]
        properties = await self._properties(variables)
        return [
            _resolved(node, value, data_type, access, next(properties), next(properties))
            if _is_variable(access)
            else m.Resolved(int(access.StatusCode.value) if access.StatusCode else UNKNOWN_NODE)
            for node, (value, data_type, access) in zip(nodes, about, strict=True)
        ]

    async def _properties(self, variables: Sequence[ua.NodeId]) -> Iterator[Any]:
        """Return EngineeringUnits and EURange of each (OPC 10000-8, 5.3.2.3), None for a missing one."""
        names = [ua.QualifiedName(name, 0) for name in ("EngineeringUnits", "EURange")]
        has = standard("HasProperty")
        led = await self._calls.led_to([(node, [name], has) for node in variables for name in names])
        held = iter(await self._calls.read([(n, ua.AttributeIds.Value) for n in led if isinstance(n, ua.NodeId)]))
        found = [next(held) if isinstance(node, ua.NodeId) else None for node in led]
        return iter([data.Value.Value if data is not None and data.Value else None for data in found])

    async def browse(self, node: str, more: bytes) -> m.References:
        """Return the references of a node, or the rest of an earlier answer."""
        if more:
            rest = ua.BrowseNextParameters(ReleaseContinuationPoints=False, ContinuationPoints=[more])
            (result,) = await self._calls.session.browse_next(rest)
        else:
            description = ua.BrowseDescription(
                NodeId=ua.NodeId.from_string(node),
                BrowseDirection=ua.BrowseDirection.Forward,
                ReferenceTypeId=standard("HierarchicalReferences"),
                IncludeSubtypes=True,
                NodeClassMask=ua.NodeClass.Object | ua.NodeClass.Variable,
                ResultMask=ua.BrowseResultMask.All,
            )
            asked = ua.BrowseParameters(RequestedMaxReferencesPerNode=m.REFERENCES, NodesToBrowse=[description])
            (result,) = await self._calls.session.browse(asked)
        result.StatusCode.check()
        found = [self._reference(reference) for reference in (result.References or [])[: m.REFERENCES]]
        return m.References([one for one in found if one.node], bytes(result.ContinuationPoint or b"")[:4096])

    def _reference(self, given: ua.ReferenceDescription) -> m.Reference:
        target, index = given.NodeId, given.BrowseName.NamespaceIndex
        known = self._calls.namespaces
        local = not getattr(target, "ServerIndex", 0)
        node = ua.NodeId(target.Identifier, target.NamespaceIndex, target.NodeIdType)
        return m.Reference(
            values.node_id(node) if local else "",
            text(known[index]) if index < len(known) else "",
            text(given.BrowseName.Name),
            values.localized(given.DisplayName),
            int(given.NodeClass),
        )


def _is_variable(access: ua.DataValue) -> bool:
    """Return whether the node is a variable: only variables have access rights."""
    return access.Value is not None and isinstance(access.Value.Value, int)


def _resolved(
    node: ua.NodeId, value: ua.DataValue, data_type: ua.DataValue, access: ua.DataValue, unit: Any, span: Any
) -> m.Resolved:
    kind, array = "", False
    if value.Value is not None and value.Value.Value is not None:
        kind, _ = values.plain(value.Value, -1)
        kind, array = kind.removesuffix("[]"), kind.endswith("[]")
    else:  # no value now: use the declared type if it is built in
        declared = data_type.Value.Value if data_type.Value else None
        if isinstance(declared, ua.NodeId) and declared.NamespaceIndex == 0 and declared.Identifier in BUILT_IN:
            kind = ua.VariantType(declared.Identifier).name
    rights = int(access.Value.Value)
    name = values.node_id(node)
    unit_id, unit_name, low, high = None, "", None, None
    if isinstance(unit, ua.EUInformation):
        unit_id, unit_name = int(unit.UnitId), text(values.localized(unit.DisplayName), 24)
    if isinstance(span, ua.Range):
        low, high = float(span.Low), float(span.High)
    return m.Resolved(
        0 if name else UNKNOWN_NODE,
        name,
        kind if kind in values.READABLE else "",
        array,
        (1 if rights & READ_BIT else 0) | (2 if rights & WRITE_BIT else 0),
        unit_id,
        unit_name,
        low,
        high,
    )
