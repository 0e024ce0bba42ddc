"""Waits as a script does, with everything else of the hub waiting for it."""

import asyncio
import time

import hub


async def run(config: hub.Config, session: hub.Session) -> None:
    await asyncio.sleep(1)
    time.sleep(2.6)
    await asyncio.sleep(86_400)


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("broken_hold", hub.Config, run)
