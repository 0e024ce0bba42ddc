"""What the pages need to find what speaks on a KNX bus and to try it; the search is imported when somebody asks."""

from __future__ import annotations

from hub.sdk.finding import Finder, Lent, Tried
from hub.sdk.phrases import phrase
from integrations.knx.settings import Config, DeviceSettings


async def search(config: Config, addresses: str, lent: Lent) -> None:
    """Propose the devices of the ETS project, and listen; or ask at typed group addresses. Raises NotReady,
    AuthFailed."""
    from integrations.knx.find import search_bus

    await search_bus(config, addresses, lent)


async def read(config: Config, settings: DeviceSettings, lent: Lent) -> Tried:
    """Ask at the group addresses of a device now. Raises NotReady, AuthFailed."""
    from integrations.knx.find import read_now

    return await read_now(config, settings)


FINDER = Finder(
    search,
    read,
    address=phrase(
        "knx.finder-address",
        "Nothing, to hear who speaks for a minute; or group addresses, with their datapoint types where known: "
        "1/2/3=9.001, 1/2/4",
    ),
    title=phrase("knx.finder-title", "KNX (rooms, lighting, blinds)"),
    options=("host", "port"),
    labels={"host": phrase("knx.finder-host", "IP address or name of the KNX/IP interface")},
)
