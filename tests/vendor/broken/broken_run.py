"""Registers well and raises when it runs."""

import hub


async def run(config: hub.Config, session: hub.Session) -> None:
    raise ZeroDivisionError("a bug of the vendor's")


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("broken_run", hub.Config, run)
