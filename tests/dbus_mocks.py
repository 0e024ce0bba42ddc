"""python3-dbusmock on a bus of a test's own, by the system's Python: the mock is a Debian package, not one of ours."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

SYSTEM_PYTHON = "/usr/bin/python3"


@asynccontextmanager
async def mocked(bus: str, service: str, *words: str) -> AsyncIterator[MessageBus]:
    """Run a mock of a service, by the words of its command line, and yield a connection once it owns its name."""
    process = await asyncio.create_subprocess_exec(
        SYSTEM_PYTHON,
        "-m",
        "dbusmock",
        "--system",
        *words,
        env={"PATH": os.environ["PATH"], "DBUS_SYSTEM_BUS_ADDRESS": bus},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    control = await MessageBus(bus_address=bus).connect()
    try:
        while True:
            ping = Message(destination=service, path="/", interface="org.freedesktop.DBus.Peer", member="Ping")
            if (await control.call(ping)).message_type is MessageType.METHOD_RETURN:
                break
            if process.returncode is not None:
                assert process.stderr is not None
                pytest.fail((await process.stderr.read()).decode())
            await asyncio.sleep(0.02)
        yield control
    finally:
        control.disconnect()
        if process.returncode is None:
            process.terminate()
        await process.communicate()
