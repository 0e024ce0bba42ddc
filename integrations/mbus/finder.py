"""What the pages need to find meters on a bus and to read them once; the search is imported when somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.sdk.finding import Finder, Lent, Tried
from hub.sdk.phrases import phrase
from integrations.mbus.settings import DeviceSettings

if TYPE_CHECKING:
    from integrations.mbus import Config


async def search(config: Config, addresses: str, lent: Lent) -> None:
    """Look for meters at primary addresses, or by their own. Raises NotReady, AuthFailed."""
    from integrations.mbus.find import search_bus

    await search_bus(config, addresses, lent)


async def read(config: Config, settings: DeviceSettings, lent: Lent) -> Tried:
    """Read one meter now. Raises NotReady, AuthFailed, DecodeError."""
    from integrations.mbus.find import read_now

    return await read_now(config, settings, lent)


FINDER: Finder[Config] = Finder(
    search,
    read,
    addresses="1-250",
    address=phrase(
        "mbus.finder-address",
        "Primary addresses as in 1-20, the number on a meter's label (8 digits), or * for every meter by its own "
        "number",
    ),
    title=phrase("mbus.finder-title", "M-Bus (meters of heat, water, gas and electricity)"),
    options=("port", "baudrate", "parity"),
    labels={
        "port": phrase("mbus.finder-port", "Serial port, or tcp://address:port of a converter"),
        "baudrate": phrase("mbus.finder-baudrate", "Speed (Bd)"),
        "parity": phrase("mbus.finder-parity", "Parity (E even, N none)"),
    },
)
