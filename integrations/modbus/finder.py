"""What the pages need to find Modbus devices and to try them; the search itself is imported when somebody asks."""

from __future__ import annotations

from hub.sdk.finding import Finder, Lent, Tried
from hub.sdk.phrases import phrase
from integrations.modbus.settings import Config, DeviceSettings, Register


async def search(config: Config, addresses: str, lent: Lent) -> None:
    """Ask each unit whether it is there, and what it is. Raises NotReady."""
    from integrations.modbus.search import search_units

    await search_units(config, addresses, lent)


async def read(config: Config, settings: DeviceSettings, lent: Lent) -> Tried:
    """Read one device now. Raises NotReady, DecodeError."""
    from integrations.modbus.search import read_now

    return await read_now(config, settings, lent)


FINDER = Finder(
    search,
    read,
    addresses="1-32",
    address=phrase("modbus.finder-address", "Units: 1 to 247, or 255 for a device without units, as in 1-20, 240"),
    title=phrase("modbus.finder-title", "Modbus (meters, inverters, boilers)"),
    options=("host", "port"),
    bus="bus",
    rows=Register,
    setting="registers",
    columns=("address", "metric", "unit", "type", "scale", "table", "word_order"),
)
