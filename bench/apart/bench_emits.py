"""The plugin that `bench/isolation.py` runs: emits as fast as it is let, and ends."""

import hub


class Options(hub.Config):
    reports: int
    readings: int


async def run(config: Options, session: hub.Session) -> None:
    if not config.reports:
        return
    values = [{f"x{n}": 0.5 * turn + n for n in range(config.readings)} for turn in range(100)]
    session.devices.declare("x:1", metrics=tuple(hub.Metric(key=f"x{n}") for n in range(config.readings)))
    for at in range(config.reports):
        await session.emit(hub.Report(device="x:1", values=values[at % 100]))
    await session.emit(durable=True)


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("x", Options, run)
