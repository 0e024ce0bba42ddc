"""What the pages need to find BACnet devices and to read them once; the search is imported when somebody asks."""

from __future__ import annotations

from hub.sdk.finding import Finder, Lent, Tried
from hub.sdk.phrases import phrase
from integrations.bacnet.settings import Config, DeviceSettings


async def search(config: Config, addresses: str, lent: Lent) -> None:
    """Ask who is there, and each for its objects. Raises NotReady, AuthFailed."""
    from integrations.bacnet.find import search_network

    await search_network(config, addresses, lent)


async def read(config: Config, settings: DeviceSettings, lent: Lent) -> Tried:
    """Read the objects of one device now. Raises NotReady, AuthFailed, DecodeError."""
    from integrations.bacnet.find import read_now

    return await read_now(config, settings)


FINDER = Finder(
    search,
    read,
    address=phrase(
        "bacnet.finder-address",
        "Address of a controller, as 192.168.10.20; the broadcast address of the network, as 192.168.10.255, for all; "
        "or the number of a device",
    ),
    title=phrase("bacnet.finder-title", "BACnet/IP (controllers of heating and ventilation)"),
    options=("address", "port"),
    labels={
        "address": phrase("bacnet.finder-own-address", "This hub's own IP address there, 0.0.0.0 for all"),
        "port": phrase("bacnet.finder-port", "UDP port"),
    },
)
