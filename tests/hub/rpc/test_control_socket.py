from __future__ import annotations

import asyncio
import os
import socket

import pytest

from hub.core.errors import HubError, NotReady
from hub.core.text import code_of, phrase, reason_of
from hub.rpc.control_socket import CallRefused, call, serving


async def ask(path, name, **arguments):
    return await asyncio.to_thread(call, path, name, **arguments)


async def echo(arguments):
    return arguments


async def fails(arguments):
    raise HubError("that makes no sense")


async def bug(arguments):
    raise ZeroDivisionError("oops")


CALLS = {"echo": echo, "fails": fails, "bug": bug}


async def test_a_call_goes_there_and_back(tmp_path):
    async with serving(tmp_path / "hub.sock", CALLS):
        assert await ask(tmp_path / "hub.sock", "echo", a=1, b="é") == {"a": 1, "b": "é"}


async def test_the_path_may_be_longer_than_a_socket_address(tmp_path):
    deep = tmp_path / ("d" * 90) / ("e" * 90)
    deep.mkdir(parents=True)
    async with serving(deep / "hub.sock", CALLS):
        assert await ask(deep / "hub.sock", "echo", n=1) == {"n": 1}
    assert not (deep / "hub.sock").exists()


async def test_errors_come_back_with_their_exit_code(tmp_path):
    async with serving(tmp_path / "hub.sock", CALLS):
        with pytest.raises(CallRefused, match="makes no sense") as refused:
            await ask(tmp_path / "hub.sock", "fails")
        assert refused.value.exit_code == 2
        with pytest.raises(CallRefused, match="ZeroDivisionError"):
            await ask(tmp_path / "hub.sock", "bug")
        with pytest.raises(CallRefused, match="it has bug, echo, fails") as refused:
            await ask(tmp_path / "hub.sock", "nonsense")
        assert refused.value.exit_code == 2


async def test_no_hub_there_is_said_with_the_remedy(tmp_path):
    with pytest.raises(NotReady, match="ilot run"):
        await ask(tmp_path / "hub.sock", "echo")


async def test_garbage_gets_an_answer_and_the_next_caller_is_served(tmp_path):
    path = tmp_path / "hub.sock"
    async with serving(path, CALLS):
        reader, writer = await asyncio.open_unix_connection(path)
        for line in (b"\x00\xff\n", b"[]\n", b'{"call": 1}\n', b"{}\n"):
            writer.write(line)
            assert b'"code":2' in await reader.readline()
        writer.write(b"x" * 3_000_000)
        writer.close()
        assert await ask(path, "echo", n=1) == {"n": 1}


async def test_the_socket_is_for_its_owner_alone_and_replaces_a_stale_one(tmp_path):
    path = tmp_path / "hub.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    async with serving(path, CALLS):
        assert os.stat(path).st_mode & 0o777 == 0o600
        assert await ask(path, "echo", n=1) == {"n": 1}


async def test_sentences_come_with_code_and_parameters_for_the_readers_language(tmp_path):
    away = phrase("device-away", "{device} is away", device="meter 1")

    async def says(arguments):
        return {"problems": [away, "plain"]}

    async def refuses(arguments):
        raise HubError(away)

    async with serving(tmp_path / "hub.sock", {"says": says, "refuses": refuses}):
        answer = await ask(tmp_path / "hub.sock", "says")
        assert answer == {"problems": ["meter 1 is away", "plain"]}
        assert (answer["problems"][0].code, answer["problems"][0].params) == (away.code, away.params)
        with pytest.raises(CallRefused) as refused:
            await ask(tmp_path / "hub.sock", "refuses")
        assert code_of(reason_of(refused.value)) == "device-away"
