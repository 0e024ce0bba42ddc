"""Does not end when it is told."""

import asyncio

import hub


async def run(config: hub.Config, session: hub.Session) -> None:
    while True:
        try:
            await asyncio.sleep(86_400)
        except asyncio.CancelledError:
            continue


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("broken_stay", hub.Config, run)
