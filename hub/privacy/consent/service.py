"""The consent service: calls of `ilot privacy` and the pages.

A withdrawal is one transaction (consent ended, key destroyed, erasure ordered, audited); the path of a reading knows
before the call returns, so that the next report is dropped. Then the backend is informed
(`hub.privacy.erasure_requests`), and the home's data on this hub are erased: that this is pending is written with the
withdrawal, so that a kill or a refusing disk delays it but does not lose it.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import date, datetime, time
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from hub.core.actor import asker
from hub.core.calls import Call
from hub.core.clock import Clock
from hub.core.errors import HubError
from hub.core.model import Device
from hub.core.text import phrase, reason_of
from hub.privacy.consent.model import Consent, ConsentRefused, Erasure
from hub.privacy.consent.tables import ConsentTables, Traces
from hub.privacy.rules_engine import Privacy
from hub.privacy.rules_engine.policy import IDENTIFIERS
from hub.privacy.rules_engine.pseudonyms import group_name

PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
EARLIEST = date(2000, 1, 1)
"""Earliest date of a form."""
NOT_THEN = phrase("consent-date-wrong", "a consent is dated between 2000 and now")
AGAIN_S = 60.0
"""Seconds between retries of pending erasures."""

_log = logging.getLogger("hub.privacy")


class ConsentEffects(NamedTuple):
    """What follows when a consent begins or ends. `recompile(zone)`: its devices are treated by other rules from now
    on. `forget` erases this hub's data of devices and returns the amounts by part. `ordered` is called when an erasure
    is pending at the backend."""

    recompile: Callable[[str], None]
    forget: Callable[[list[Device]], Awaitable[dict[str, int]]]
    ordered: Callable[[], None]


class ConsentService:
    """The consents of one hub.

    `homes`: zone → its name; `devices` lists those of a zone, `device` looks one up; `timezone` returns the IANA zone
    of dates on forms.
    """

    def __init__(
        self,
        memory: ConsentTables,
        privacy: Privacy,
        clock: Clock,
        *,
        homes: Mapping[str, str],
        devices: Callable[[str], Iterable[Device]],
        device: Callable[[str], Device | None],
        effects: ConsentEffects,
        timezone: Callable[[], str],
    ) -> None:
        self._tables, self._privacy, self._clock = memory, privacy, clock
        self._homes, self._devices, self._device = homes, devices, device
        self._effects, self._timezone = effects, timezone
        self._erasing = asyncio.Lock()  # serialises erasures on this hub
        self._erasure_pending = True  # an earlier run may have been killed before it had erased

    async def run(self) -> None:
        """Retry erasures that an earlier run, or a refusing disk, left pending."""
        while True:
            if self._erasure_pending:
                try:
                    await self.settle()
                except HubError as error:
                    _log.warning(
                        phrase(
                            "local-erasure-waits",
                            "what is to be erased on this hub is not erased yet: {reason}",
                            reason=reason_of(error),
                        )
                    )
            await self._clock.sleep(AGAIN_S)

    async def settle(self) -> None:
        """Erase what is pending on this hub. Raises HubError."""
        async with self._erasing:
            if traces := await self._tables.traces():
                await self._erased(traces)
            self._erasure_pending = False

    async def load(self) -> None:
        """Load the pseudonym keys. Call before the plugins start. Keys of homes that keep data without a consent, and
        of the hub itself, are created at the first start."""
        for (zone, purpose), key in (await self._tables.load(self._wanted())).items():
            self._privacy.consents.begin(zone, purpose, key)

    async def reconfigure(self, homes: Mapping[str, str]) -> None:
        """Apply other zones or rules while the hub runs, creating keys they need. Raises StorageError."""
        self._homes = homes
        wanted = [key for key in self._wanted() if self._privacy.consents.key(*key) is None]
        made = await self._tables.load(wanted)
        for zone, purpose in wanted:  # only these: a consent may have been withdrawn meanwhile
            self._privacy.consents.begin(zone, purpose, made[zone, purpose])

    def _wanted(self) -> list[tuple[str, str]]:
        return [("", IDENTIFIERS), *((zone, IDENTIFIERS) for zone in self._homes if self._hides(zone))]

    def _hides(self, zone: str) -> bool:
        keyed = any(rule.keyed and (not rule.zones or zone in rule.zones) for rule in self._privacy.rules)
        return keyed or self._privacy.dwelling(zone)

    def calls(self) -> dict[str, Call]:
        """Return the handlers.

        consent.give {person, purpose, zone, date, by, dry_run} · consent.list {person} · consent.access {person} ·
        consent.withdraw {person, purpose, by, dry_run} · device.erase {device, by, dry_run}. `date`: the day on the
        form, 2026-11-28, by default today. The first three return the `timezone` of days.
        """
        return {
            "consent.give": self._give, "consent.list": self._list, "consent.access": self._access,
            "consent.withdraw": self._withdraw, "device.erase": self._erase,
        }  # fmt: skip

    async def _give(self, arguments: dict[str, Any]) -> Any:
        person, purpose, zone = (str(arguments.get(name, "")) for name in ("person", "purpose", "zone"))
        _known_person(person)
        if zone not in self._homes:
            raise ConsentRefused(
                phrase("zone-not-configured", "there is no zone {zone!r} in the configuration", zone=zone)
            )
        asked = {rule.consent for rule in self._privacy.rules if rule.consent and zone in rule.zones}
        if purpose not in asked:
            if asked:
                raise ConsentRefused(
                    phrase(
                        "consent-of-another-purpose",
                        "no privacy rule of zone {zone} asks for consent {purpose!r}: they ask for {asked}",
                        zone=zone,
                        purpose=purpose,
                        asked=sorted(asked),
                    )
                )
            raise ConsentRefused(
                phrase(
                    "no-rule-asks-consent",
                    "no privacy rule of zone {zone} asks for consent {purpose!r}: none does",
                    zone=zone,
                    purpose=purpose,
                )
            )
        now = self._clock.now()
        given = now if arguments.get("date") is None else self._midnight(str(arguments["date"]))
        if given > now:
            raise ConsentRefused(NOT_THEN)
        for one in await self._tables.consents(person):
            if one.ended is None and (one.purpose, one.zone) == (purpose, zone):
                raise ConsentRefused(
                    phrase(
                        "consent-given-already",
                        "{person} has agreed to {purpose} for {zone} already",
                        person=person,
                        purpose=purpose,
                        zone=zone,
                    )
                )
        by = asker(arguments)
        consent = Consent(n=0, person=person, purpose=purpose, zone=zone, given=given, recorded=now, by=by)
        if not arguments.get("dry_run"):
            key = await self._tables.give(consent)
            self._privacy.consents.begin(zone, purpose, key)
            self._effects.recompile(zone)
        return {
            **msgspec.to_builtins(consent), "devices": [device.id for device in self._devices(zone)],
            "timezone": self._timezone(),
        }  # fmt: skip

    def _midnight(self, day: str) -> float:
        """Return the start of a day at the hub's site: the client's clock may be in another zone."""
        try:
            on = date.fromisoformat(day)
        except ValueError:
            raise ConsentRefused(
                phrase("date-expected", "expected a date like 2026-11-28, not {day!r}", day=day[:20])
            ) from None
        if on < EARLIEST:
            raise ConsentRefused(NOT_THEN)
        return datetime.combine(on, time(), ZoneInfo(self._timezone())).timestamp()

    async def _list(self, arguments: dict[str, Any]) -> Any:
        consents = await self._tables.consents(str(arguments.get("person") or ""))
        erasures = await self._tables.erasures()
        return {
            "consents": [self._with_home(one) for one in consents],
            "erasures": [msgspec.to_builtins(one) for one in erasures],
            "timezone": self._timezone(),
            "asked": [
                {"rule": rule.name, "purpose": rule.consent, "for": rule.purpose, "zones": sorted(rule.zones)}
                for rule in self._privacy.rules
                if rule.consent
            ],
        }

    async def _access(self, arguments: dict[str, Any]) -> Any:
        """Return what this hub knows of a person: where the readings are, under which name, and who has them."""
        person = str(arguments.get("person", ""))
        consents = await self._tables.consents(person)
        if not consents:
            raise ConsentRefused(
                phrase(
                    "person-not-known",
                    "nothing is known of {person!r}; `ilot privacy list` shows who there is",
                    person=person,
                )
            )
        homes = []
        for held in consents:
            key = self._privacy.consents.key(held.zone, held.purpose)
            if held.ended is None and key is not None:
                devices = list(self._devices(held.zone))
                homes.append({
                    "zone": held.zone, "name": self._homes.get(held.zone, ""), "purpose": held.purpose,
                    "group": group_name(key, held.zone),
                    "devices": [{"device": one.id, "name": one.name, "place": one.place} for one in devices],
                })  # fmt: skip
        erasures = [msgspec.to_builtins(one) for one in await self._tables.erasures() if one.person == person]
        return {"person": person, "consents": [self._with_home(one) for one in consents], "homes": homes,
                "erasures": erasures, "timezone": self._timezone()}  # fmt: skip

    async def _withdraw(self, arguments: dict[str, Any]) -> Any:
        person, purpose = str(arguments.get("person", "")), str(arguments.get("purpose") or "")
        consents = await self._tables.consents(person)
        keys = list(
            dict.fromkeys(
                (one.zone, one.purpose) for one in consents if one.ended is None and purpose in ("", one.purpose)
            )
        )
        if not keys:
            if purpose:
                raise ConsentRefused(
                    phrase(
                        "consent-not-given-for-purpose",
                        "{person!r} has no consent to {purpose} that still holds; `ilot privacy list` shows it",
                        person=person,
                        purpose=purpose,
                    )
                )
            raise ConsentRefused(
                phrase(
                    "consent-not-given",
                    "{person!r} has no consent that still holds; `ilot privacy list` shows it",
                    person=person,
                )
            )
        devices = {device.id: device for zone, _ in keys for device in self._devices(zone)}
        answer: dict[str, Any] = {
            "person": person, "withdrawn": [{"zone": zone, "purpose": purpose} for zone, purpose in keys],
            "devices": sorted(devices),
        }  # fmt: skip
        if arguments.get("dry_run"):
            return answer
        why, traces = f"withdrawn by {person}", [(one.id, one.place) for one in devices.values()]
        async with self._erasing:
            erasures = await self._tables.end(person, keys, self._clock.now(), asker(arguments), why, traces)
            for zone, ended in keys:
                self._privacy.consents.end(zone, ended)
                self._effects.recompile(zone)
            return {**answer, **self._announce(erasures), "erased": await self._erased(traces)}

    async def _erase(self, arguments: dict[str, Any]) -> Any:
        """Erase personal data of one device, known or not: here, and at the backend until now."""
        device = str(arguments.get("device", ""))
        if not device or len(device) > 153:
            raise ConsentRefused(phrase("device-id-expected", "name a device: scheme:identifier"))
        if arguments.get("dry_run"):
            return {"device": device}
        known = self._device(device)
        place = known.place if known is not None else ""
        async with self._erasing:
            erasure = await self._tables.erase_device(device, place, self._clock.now(), asker(arguments))
            return {"device": device, **self._announce([erasure]), "erased": await self._erased([(device, place)])}

    async def _erased(self, traces: Traces) -> dict[str, int]:
        """Erase data on this hub and mark it as done; returns the amounts by part."""
        before, self._erasure_pending = self._erasure_pending, True
        gone = await self._effects.forget([Device(id=device, integration="", place=place) for device, place in traces])
        await self._tables.erased(traces)
        self._erasure_pending = before
        return gone

    def _announce(self, erasures: list[Erasure]) -> dict[str, Any]:
        self._effects.ordered()
        return {"erasures": [one.id for one in erasures]}

    def _with_home(self, consent: Consent) -> dict[str, Any]:
        return {**msgspec.to_builtins(consent), "home": self._homes.get(consent.zone, "")}


def _known_person(person: str) -> None:
    if not PERSON.fullmatch(person):
        raise ConsentRefused(
            phrase(
                "person-reference-expected",
                "a person is a reference of yours, not a name: letters, digits, '_', '-' and '.', at most 64, "
                "like loc-0042",
            )
        )
