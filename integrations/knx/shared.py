"""The open connections of running instances, which a search listens to as well: an interface has few tunnels."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from integrations.knx.link import Hear, Link, Refuse, Said
from integrations.knx.settings import Config

if TYPE_CHECKING:
    from xknx.secure import Keyring

Way = tuple[str, str, int, str]
MOST_WAYS, MOST_ADDRESSES = 8, 4096

_OPEN: dict[Way, Link] = {}
_HEARD: dict[Way, dict[int, Said]] = {}
"""What searches heard last at each group address; it is shown when such a device is tried."""


@asynccontextmanager
async def opened(config: Config, hear: Hear, refuse: Refuse, keyring: Keyring | None) -> AsyncIterator[Link]:
    """Open the connection of an instance. Raises NotReady, AuthFailed."""
    async with Link(config, hear, refuse, keyring) as link:
        _OPEN[way(config)] = link
        try:
            yield link
        finally:
            _OPEN.pop(way(config), None)


@asynccontextmanager
async def borrowed(config: Config) -> AsyncIterator[Link]:
    """Use the connection that is open, or open one for the time of a search. Raises NotReady, AuthFailed."""
    link = _OPEN.get(way(config))
    if link is not None and not link.lost.is_set():
        yield link
        return
    keyring = None
    if config.keyring is not None:
        from integrations.knx import keyring as keyrings

        keyring = await keyrings.load(config.keyring, config.keyring_password.get_secret_value(), {})
    async with opened(config, lambda said: None, lambda address, error: None, keyring) as link:
        yield link


def way(config: Config) -> Way:
    """Return what two instances do not share."""
    return (config.connection, config.host.lower(), config.port, config.multicast_group)


def note(config: Config, said: Said) -> None:
    """Remember the last value at a group address."""
    heard = _HEARD.setdefault(way(config), {})
    if said.payload is not None and (said.address in heard or len(heard) < MOST_ADDRESSES):
        heard[said.address] = said
    while len(_HEARD) > MOST_WAYS:
        del _HEARD[next(iter(_HEARD))]


def last(config: Config, address: int) -> Said | None:
    """Return what was heard last at a group address."""
    return _HEARD.get(way(config), {}).get(address)
