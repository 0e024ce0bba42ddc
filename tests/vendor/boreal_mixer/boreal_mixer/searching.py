"""Finds the units behind a gateway for the pages, and tries one before it is saved."""

from __future__ import annotations

from hub.sdk.finding import Finder, Found, Lent, Tried
from hub.sdk.phrases import phrase
from hub.sdk.session import Access

from boreal_mixer.connection import opened
from boreal_mixer.lines import LIST, get, units, values
from boreal_mixer.options import Gateway, Unit


async def search(config: Gateway, addresses: str, lent: Lent) -> None:
    """Report each unit that the gateway lists. Raises HubError."""
    read = {device.settings_as(Unit).unit: device.id for device in lent.devices}
    async with opened(lent, config.url) as line:
        listed = units(await line.ask(LIST))
    for done, number in enumerate(listed, 1):
        lent.found(
            Found(
                address=str(number),
                device=f"boreal:{number}",
                settings={"unit": number},
                known=read.get(number, ""),
            )
        )
        lent.progress(done, len(listed))


async def read(config: Gateway, settings: Unit, lent: Lent) -> Tried:
    """What a unit says now. Raises HubError."""
    async with opened(lent, config.url) as line:
        _, said = values(await line.ask(get(settings.unit)))
    return Tried(values=said)


async def probe(config: Gateway, ways: Access) -> str:
    """How many units the gateway lists. Raises HubError."""
    async with opened(ways, config.url) as line:
        count = len(units(await line.ask(LIST)))
    return phrase(
        "boreal_mixer.answers", "{count} [unit|units] behind the gateway", count=count
    )


FINDER = Finder(
    search,
    read,
    options=("url",),
    title=phrase("boreal_mixer.line", "Boreal gateway"),
)
