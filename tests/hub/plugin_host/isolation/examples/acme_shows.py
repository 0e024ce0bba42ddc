"""An exporter: sends what it is shown to a neighbour, and tells in its state what it saw."""

import asyncio
import os
from datetime import timedelta

import hub
from hub.sdk.exporter import ExporterView, RegisterExporter


class Options(hub.Config):
    url: str = ""
    does: str = "shows"


async def run(config: Options, view: ExporterView) -> None:
    if config.does == "dies":
        os._exit(7)
    if config.does == "loops":
        loops = [aiter(view.changes(timedelta(seconds=60))) for _ in range(20)]
        await asyncio.gather(*(anext(loop) for loop in loops))
    view.state.put(
        "saw",
        {
            "hub": view.hub,
            "before": view.state.get("saw") is not None,
            "series": sorted([one.id, one.name, one.metric.unit] for one in view.series()),
            "values": sorted([one.series, one.value] for one in view.values()),
            "pulse": view.pulse(),
        },
    )
    rounds = 0
    async for changed in view.changes(timedelta(seconds=0.2)):
        rounds += 1
        view.state.put(f"round{rounds}", sorted([one.series, one.value] for one in changed))
        if config.url:
            _, writer = await view.network.connect(config.url)
            writer.write("".join(f"{one.series}={one.value}\n" for one in changed).encode())
            writer.close()


@hub.hookimpl
def register_exporters(register: RegisterExporter) -> None:
    register("acme_shows", Options, run)
