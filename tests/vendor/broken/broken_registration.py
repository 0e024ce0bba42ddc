"""Raises in its hook, after having registered something."""

import hub


async def run(config: hub.Config, session: hub.Session) -> None: ...


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("broken_registration", hub.Config, run)
    raise KeyError("region")
