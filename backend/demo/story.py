"""Events in the simulated town, one thing after another, and begins anew when all is over.

a bin fills          the cleaning crew is told, takes it, empties it; the hub ends the alert
the river rises      the water service is told; the operator takes it; the river falls
a feeder fails       lamps of a cabinet go out: one incident, not eight
somebody knocks      three schools' hubs refuse sign-ins within minutes: one incident of security
a hub is silent      the library's hub says nothing more, and is back at the end
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import aiohttp

from backend.city.dispatch.plan import Person, Plan, Route, Service, Shift, Step
from backend.demo import town
from backend.demo.hubs import SimulatedHub
from backend.demo.phone import Phone, path_of
from hub.core.errors import HubError
from hub.core.text import Phrase, phrase, reason_of

Say = Callable[[Phrase], None]
Values = dict[str, dict[str, float | bool]]
ROUND_S = 420.0
BIN = "lorawan:marche-3"


def plan(webhook: str) -> Plan:
    """Return who is told of what: a crew of each service, at any hour, by its phone, which here is an address of this
    machine."""
    crews = [
        Person(id=f"equipe-{one}", name=f"Équipe {name}", service=one, account=f"equipe-{one}",
               webhook=f"{webhook}/{one}")
        for one, name in town.SERVICES.items()
    ]  # fmt: skip
    chain = (Step(channels=("webhook",)),)
    rules = {"proprete": ("bins",), "voirie": ("lighting",), "eaux": ("river",)}
    routes = [Route(id=one, service=one, rules=of, chain=chain, crew=True) for one, of in rules.items()]
    return Plan(
        services=tuple(Service(id=one, name=name) for one, name in town.SERVICES.items()),
        people=tuple(crews),
        rota=tuple(Shift(service=one.service, people=(one.id,)) for one in crews),
        routes=(*routes, Route(id="tout", service="batiments", chain=chain)),
    )


class _Event(NamedTuple):
    at_s: float
    do: Callable[[], Awaitable[bool | None]]
    """False: not yet, to be tried again at the next step."""


class Story:
    """The events of one round over the hubs of the town, by site. `messages`: alert → link of what a crew was told."""

    def __init__(
        self,
        hubs: Mapping[str, SimulatedHub],
        crew: Phone,
        operator: Phone,
        messages: Mapping[str, str],
        say: Say,
        pace: float,
    ) -> None:
        self.changed: Values = {}
        self._hubs, self._crew, self._operator, self._messages, self._say = hubs, crew, operator, messages, say
        self._pace = pace
        self._trouble = ""
        self._alerts: dict[str, tuple[SimulatedHub, str]] = {}
        self._left: list[_Event] = []
        self._began = 0.0

    async def step(self) -> None:
        """Do what is due."""
        if not self._left:
            self._began, self._left = time.monotonic(), self._events()
        while self._left and time.monotonic() >= self._began + self._left[0].at_s / self._pace:
            event = self._left.pop(0)
            if await event.do() is False:
                self._left.insert(0, event)
                return

    def _events(self) -> list[_Event]:
        return [
            _Event(10, self._bin_fills), _Event(35, lambda: self._work("taken")),
            _Event(60, lambda: self._work("on-site")), _Event(85, self._bin_is_emptied), _Event(110, self._river_rises),
            _Event(130, self._river_is_taken), _Event(150, self._feeder_fails), _Event(190, self._somebody_knocks),
            _Event(230, self._falls_silent), _Event(300, self._river_falls), _Event(330, self._feeder_is_back),
            _Event(370, self._is_over), _Event(ROUND_S, self._nothing),
        ]  # fmt: skip

    async def _bin_fills(self) -> None:
        self.changed[BIN] = {"fill_level": 100.0}
        await self._raise("bin", "bacs-marche", "bins", "bac-marche-3", "warning", device=BIN, place="bac-marche-3",
                          integration="lorawan", value="100 %", text="Bin full: bac-marche-3",
                          text_fr="Bac plein : bac-marche-3")  # fmt: skip
        self._say(phrase("demo-bin-full", "a bin at the market is full: the cleaning crew is told"))

    async def _work(self, state: str) -> bool:
        """Have the crew open the link that its phone was sent, and press the button there."""
        _, alert = self._alerts["bin"]
        link = self._messages.get(alert)
        if link is None or not await self._pressed(self._crew, path_of(link), state):
            return False
        self._say(phrase("demo-crew", "the cleaning crew: {state}", state=state))
        return True

    async def _pressed(self, phone: Phone, path: str, button: str) -> bool:
        try:
            await phone.press(path, button)
        except (HubError, aiohttp.ClientError, TimeoutError) as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                self._say(phrase("demo-phone-trouble", "a phone reaches nothing: {reason}", reason=reason_of(error)))
            return False
        self._trouble = ""
        return True

    async def _bin_is_emptied(self) -> bool:
        self.changed[BIN] = {"fill_level": 2.0}
        if not await self._work("done"):
            return False
        await self._clear("bin")
        self._say(phrase("demo-bin-emptied", "the bin is emptied, and its alert over"))
        return True

    async def _river_rises(self) -> None:
        self.changed["sdi:river"] = {"water_level": 2.71}
        self.changed["modbus:meteo"] = {"precipitation": 11.2, "pressure": 992.0}
        await self._raise("river", "pont-vieux", "river", "aubette", "critical", device="sdi:river", place="aubette",
                          integration="modbus", value="2.71 m", text="The Aubette is at 2.71\N{NO-BREAK SPACE}m",
                          text_fr="L'Aubette est à 2,71\N{NO-BREAK SPACE}m")  # fmt: skip
        self._say(phrase("demo-river-rises", "the river is at 2.71 m: the water service is told"))

    async def _river_is_taken(self) -> bool:
        hub, alert = self._alerts["river"]
        path = f"/alerts/{hub.hub}/{alert}"
        try:
            listed = path in (await self._operator.open("/alerts")).links
        except (HubError, aiohttp.ClientError, TimeoutError):
            listed = False
        if not listed or not await self._pressed(self._operator, path, "take"):
            return False
        self._say(phrase("demo-river-taken", "the operator takes the alert of the river"))
        return True

    async def _feeder_fails(self) -> None:
        hub = self._hubs["eclairage-gare"]
        for one in hub.site.devices:
            self.changed[one.subject.device] = {"light": False, "power": 0.0}
        await self._raise("feeder", "eclairage-gare", "lighting", "feeder", "warning", text="No power at the cabinet",
                          text_fr="Armoire hors tension", value="0 W")  # fmt: skip
        self._say(phrase("demo-feeder", "a feeder fails: the lamps by the station are out"))

    async def _somebody_knocks(self) -> None:
        for n, site in enumerate(("ecole-jean-jaures", "ecole-marie-curie", "ecole-victor-hugo")):
            await self._raise(f"knock-{n}", site, "security", "doors", "warning", value="214",
                              text="214 refused sign-ins from the building's network",
                              text_fr="214 connexions refusées depuis le réseau du bâtiment")  # fmt: skip
        self._say(phrase("demo-knocks", "somebody knocks at the hubs of three schools: one incident"))

    async def _falls_silent(self) -> None:
        self._hubs["mediatheque"].silent = True
        self._say(phrase("demo-silent", "the library's hub says nothing more"))

    async def _river_falls(self) -> None:
        self.changed.pop("sdi:river", None)
        self.changed.pop("modbus:meteo", None)
        await self._clear("river")

    async def _feeder_is_back(self) -> None:
        for one in self._hubs["eclairage-gare"].site.devices:
            self.changed.pop(one.subject.device, None)
        await self._clear("feeder")

    async def _is_over(self) -> None:
        self.changed.clear()
        self._hubs["mediatheque"].silent = False
        for name in [one for one in self._alerts if one.startswith("knock-")]:
            await self._clear(name)

    async def _nothing(self) -> None:
        """End a round."""

    async def _raise(self, name: str, site: str, rule: str, key: str, severity: str, **about: str) -> None:
        hub = self._hubs[site]
        self._alerts[name] = hub, await hub.raise_alert(rule, key, severity, **about)

    async def _clear(self, name: str) -> None:
        hub, alert = self._alerts.pop(name)
        await hub.clear(alert)
