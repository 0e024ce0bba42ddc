"""An integration that finds its devices on a TCP line, tries them, and has a probe. Its other deeds are what a search
must not do."""

import asyncio
import os
import time
from typing import Any

import hub
from hub.sdk.finding import Finder, Found, Lent, Match, Tried
from hub.sdk.session import Access


class Options(hub.Config):
    url: str
    speed: int = 9600
    rs485: str = ""


class Settings(hub.Config):
    unit: int = 1


async def asked(access: Access, url: str, unit: int) -> str:
    reader, writer = await access.network.connect(url)
    try:
        writer.write(f"{unit}\n".encode())
        return (await reader.readline()).decode().strip()
    finally:
        writer.close()


async def probe(config: Options, access: Access) -> str:
    return f"{await asked(access, config.url, 0)} answers in {os.getpid()}"


async def search(config: Options, addresses: str, lent: Lent) -> None:
    units = [int(one) for one in addresses.split(",")]
    for at, unit in enumerate(units):
        lent.progress(at, len(units))
        if said := await asked(lent, config.url, unit):
            known = {device.settings.get("unit"): device.id for device in lent.devices}
            match = Match(settings={"unit": unit}, title=said, why="it says so")
            lent.found(
                Found(
                    address=str(unit),
                    device=f"acme:{unit}",
                    settings={"unit": unit},
                    title=said,
                    matches=(match,),
                    known=known.get(unit, ""),
                )
            )
    lent.progress(len(units), len(units))


async def read(config: Options, settings: Settings, lent: Lent) -> Tried:
    said = await asked(lent, config.url, settings.unit)
    return Tried(values={"temperature": 20.0 + settings.unit}, wrong={"humidity": said})


async def astray(config: Options, addresses: str, lent: Lent) -> None:
    """Do what `addresses` says, which is nothing for a search."""
    match addresses:
        case "lines":
            lent.bus("rs485")
            lent.bus("another")
        case "foreign":
            lent.found(Found(address="1", device="knx:1"))
        case "elsewhere":
            await asked(lent, "tcp://127.0.0.1:9", 1)
        case "spins":
            time.sleep(60)
        case "waits":
            await asyncio.get_running_loop().create_future()
        case "dies":
            os._exit(7)
        case "bug":
            raise KeyError(addresses)
        case _:
            raise hub.NotReady("nobody answers there")


async def run(config: Options, session: hub.Session) -> None:
    await asyncio.get_running_loop().create_future()


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    made: Any = Finder(search, read, addresses="1,2,3", address="a unit", options=("url", "speed"), bus="rs485")
    register("acme_finds", Options, run, device=Settings, probe=probe, finder=made)
    strays: Any = Finder(astray, read, addresses="lines", options=("url",))
    register("acme_strays", Options, run, finder=strays)
