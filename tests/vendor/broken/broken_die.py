"""Takes the whole process with it, as a library does that calls exit(3)."""

import asyncio
import os

import hub


async def run(config: hub.Config, session: hub.Session) -> None:
    await asyncio.sleep(0.5)
    os._exit(9)


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("broken_die", hub.Config, run)
