"""An OPC UA server on 127.0.0.1 whose endpoints, and those of its session, name another machine, 127.0.0.2: half of all
servers name themselves by what nobody else knows, so that it is no attempt, and the hub never dials what they say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest import mock

import pytest
from asyncua import Server, ua

from integrations.opcua import Config, link, run
from tests.ports import free_port

from ...serving import start_server

pytestmark = pytest.mark.real("network, processes")

NAMESPACE = "urn:test:elsewhere"


@asynccontextmanager
async def misnamed(other: int) -> AsyncIterator[str]:
    """Its true address."""
    server = Server()
    await server.init()
    url = f"opc.tcp://127.0.0.1:{free_port()}/"
    server.set_endpoint(url)
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(NAMESPACE)
    boiler = await server.nodes.objects.add_object(index, "Boiler")
    await boiler.add_variable(index, "FlowTemperature", 55.0)
    honest = server.iserver.get_endpoints

    async def elsewhere(*arguments: Any, **more: Any) -> Any:
        found = await honest(*arguments, **more)
        for endpoint in found:
            endpoint.EndpointUrl = f"opc.tcp://127.0.0.2:{other}/"
            endpoint.Server.DiscoveryUrls = [endpoint.EndpointUrl]
        return found

    server.iserver.get_endpoints = elsewhere  # type: ignore[method-assign]
    async with server:
        yield url


async def test_a_server_is_dialled_where_the_configuration_says_whatever_its_endpoints_say(
    session: Any, start: Any
) -> None:
    visits: list[int] = []

    async def visited(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(1)
        writer.close()

    victim = await start_server(visited, "127.0.0.2", 0)
    async with victim, misnamed(victim.sockets[0].getsockname()[1]) as url:
        with mock.patch.object(link, "dialled", wraps=link.dialled) as dialled:
            session.put("opcua:boiler", {"/Boiler/FlowTemperature": {"metric": "flow_temperature"}}, NAMESPACE)
            start(run(Config(url=url, security="none", publishing=0.2), session))  # type: ignore[arg-type]
            await session.reported("flow_temperature", 55.0)
        assert dialled.await_count >= 2
        assert {(call.args[0].host, call.args[0].port) for call in dialled.await_args_list} == {
            ("127.0.0.1", int(url.rstrip("/").rpartition(":")[2]))
        }
        assert visits == []
        assert session.drops == []
