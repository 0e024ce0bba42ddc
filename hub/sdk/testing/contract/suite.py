"""The contract tests by name, and the report of all of them for one integration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from hub.sdk.testing.contract.checks import flood_held_back, ids_stable, nothing_left, outage_told_once, units_valid
from hub.sdk.testing.contract.report import ContractReport, Verdict
from hub.sdk.testing.contract.running import Missing
from hub.sdk.testing.contract.secrets import redacted
from hub.sdk.testing.contract.stalls import loop_free
from hub.sdk.testing.contract.texts import complete
from hub.sdk.testing.contract.world import World


async def _texts(world: World) -> list[str]:
    return complete(world)


CONTRACT: Mapping[str, Callable[[World], Awaitable[list[str]]]] = {
    "texts-complete": _texts,
    "ids-stable": ids_stable,
    "nothing-left": nothing_left,
    "outage-told-once": outage_told_once,
    "loop-free": loop_free,
    "units-valid": units_valid,
    "secrets-redacted": redacted,
    "flood-held-back": flood_held_back,
}
"""The contract tests: name → what returns the problems that it finds."""


async def check(world: World, test: str) -> Verdict:
    """Make one contract test. Raises KeyError for a name that is none of `CONTRACT`."""
    run = CONTRACT[test]
    if test in world.exempt:
        return Verdict(test=test, outcome="exempt", why=world.exempt[test])
    try:
        problems = await run(world)
    except Missing as error:
        problems = [str(error)]
    return Verdict(test=test, outcome="failed" if problems else "passed", problems=tuple(problems))


def examine(world: World, tests: Iterable[str] = tuple(CONTRACT)) -> ContractReport:
    """Make these contract tests, each in an event loop of its own, and return the report. It does not raise for what
    the integration does: that is a problem in the report."""
    made = []
    for test in tests:
        try:
            made.append(asyncio.run(check(world, test)))
        except Exception as error:  # the world or the integration broke: it is not certified
            made.append(Verdict(test=test, outcome="failed", problems=(f"{type(error).__name__}: {error}",)))
    return ContractReport(integration=world.registered().name, module=world.module, verdicts=tuple(made))
