"""aiohttp's server without its client, and its client all the same for who asks; each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import hub

pytestmark = pytest.mark.real("processes")

SPARED = "import sys; from hub.core.aiohttp_client import spare_client; spare_client(); "
LOADED = "[n for n, m in sys.modules.items() if n.startswith('aiohttp.c') and getattr(m, '__file__', None)]"
SERVE = """
import asyncio
from aiohttp import web

async def main():
    async def answer(request):
        return web.Response(text="there")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    import aiohttp
    async with aiohttp.ClientSession() as session:
        async with session.get(site.name) as reply:
            print(await reply.text())
    await runner.cleanup()

asyncio.run(main())
"""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(hub.__file__).parents[1], check=True
    )
    return done.stdout.strip()


def test_the_server_of_aiohttp_is_there_and_nothing_of_its_client() -> None:
    code = f"from aiohttp import web; web.Application(); print({LOADED})"
    assert "aiohttp.client'" not in run(SPARED + code)
    assert "aiohttp.client'" in run("import sys; " + code)


def test_a_client_asks_a_server_of_the_same_process() -> None:
    assert run(SPARED + SERVE) == "there"


@pytest.mark.parametrize(
    "first",
    [
        "from aiohttp import ClientSession",
        "from aiohttp.client import ClientSession",
        "import aiohttp.connector; from aiohttp import ClientSession",
        "import aiohttp; ClientSession = aiohttp.ClientSession",
        "from aiohttp import web; from aiohttp import *; ClientSession",
    ],
)
def test_whoever_asks_for_the_client_gets_the_real_one_by_each_name(first: str) -> None:
    same = (
        "; import aiohttp, aiohttp.client; "
        "print(isinstance(ClientSession, type), ClientSession is aiohttp.ClientSession is aiohttp.client.ClientSession,"
        " issubclass(aiohttp.TCPConnector, aiohttp.BaseConnector))"
    )
    assert run(SPARED + first + same) == "True True True"


def test_a_name_that_aiohttp_has_not_is_told_as_ever() -> None:
    code = "import aiohttp\ntry:\n    aiohttp.nothing\nexcept AttributeError as error:\n    print(error)"
    assert run(SPARED + code).endswith("has no attribute 'nothing'")
