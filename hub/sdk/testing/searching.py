"""Stand-in for the hub in a search for devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hub.core.errors import AuthFailed
from hub.core.model import Device
from hub.sdk.finding import Finder, Found, Offer, Tried, expect_found, expect_tried
from hub.sdk.session import Bus
from hub.sdk.testing.http import FakeHttp
from hub.sdk.testing.network import FakeNetwork


class FakeLent:
    """Stand-in for the hub in a search (`hub.sdk.finding.Lent`): `reported` holds what was found, by address, and
    `steps` how far it was. What the hub refuses is refused here. A probe may be given it too: it is an `Access`.

    await lent.search(finder, config, "1-5"), then lent.reported["3"].matches
    """

    def __init__(
        self,
        *,
        buses: Mapping[str, Bus] | None = None,
        packs: Iterable[Offer] = (),
        devices: Iterable[Device] = (),
        http: FakeHttp | None = None,
        network: FakeNetwork | None = None,
    ) -> None:
        self.http, self.network = http or FakeHttp(), network or FakeNetwork()
        self._buses = dict(buses or {})
        self.packs, self.devices = tuple(packs), tuple(devices)
        self.reported: dict[str, Found] = {}
        self.steps: list[tuple[int, int]] = []

    def bus(self, name: str) -> Bus:
        """See `Lent`."""
        if name not in self._buses:
            raise AuthFailed(f"no bus {name!r} is configured")
        return self._buses[name]

    def progress(self, done: int, total: int) -> None:
        """See `Lent`."""
        self.steps.append((done, total))

    def found(self, one: Found) -> None:
        """See `Lent`."""
        expect_found(one)
        self.reported[one.address] = one

    async def search(self, finder: Finder[Any], config: Any, addresses: str = "") -> dict[str, Found]:
        """Search as the hub does, and return what was found, by address."""
        await finder.search(config, addresses or finder.addresses, self)
        return self.reported

    async def read(self, finder: Finder[Any], config: Any, settings: Any) -> Tried:
        """Read a device once as the hub does."""
        tried = await finder.read(config, settings, self)
        expect_tried(tried)
        return tried
