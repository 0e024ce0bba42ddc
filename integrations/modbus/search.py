"""Search of a host or a line for its units, and what each may be: by identification, signs of packs, and SunSpec.

MODBUS Application Protocol V1.1b3: a unit is there when it answers a read of register 0, if only with an exception of
its own; function 43/14 (§6.21) asks for maker and product. Reads only, one request at a time, between those of the
polls: a unit that is not there costs them `PRESENCE_S`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pydantic import ValidationError

import hub
from hub.sdk.finding import Found, Lent, Match, Offer, Tried
from hub.sdk.phrases import phrase
from integrations.modbus.asking import Asker
from integrations.modbus.faults import Refused, Silent
from integrations.modbus.lines import borrowed
from integrations.modbus.once import Read, tried
from integrations.modbus.packs import Sign
from integrations.modbus.plan import Request
from integrations.modbus.settings import Config, DeviceSettings
from integrations.modbus.sunspec import Points, discover

PRESENCE_S, ANSWER_S = 0.5, 1.5
"""Seconds to wait for a unit that may not be there, and for one that is."""
GATEWAY = (0x0A, 0x0B)
"""Exceptions by which a gateway says that it does not reach the unit."""
UNITS = range(1, 248)
DIRECT = 255
MAKER, PRODUCT = (0,), (1, 4, 5)
"""Objects of an identification: vendor name; product code, product name, model name."""
SHORTEST = 4
"""Characters of a model's name that are told from an accident."""


async def search_units(config: Config, addresses: str, lent: Lent) -> None:
    """Ask each unit whether it is there, and what it is. Raises NotReady, HubError for units that cannot be."""
    asked = units(addresses)
    signs = [(offer, sign) for offer in lent.packs for sign in _signs(offer)]
    async with borrowed(config, lent.bus) as asker:
        for number, unit in enumerate(asked):
            lent.progress(number, len(asked))
            if await _present(asker, unit):
                for one in await _unit(asker, config, unit, lent, signs):
                    lent.found(one)
        lent.progress(len(asked), len(asked))


async def read_now(config: Config, settings: DeviceSettings, lent: Lent) -> Tried:
    """Read one device now. Raises HubError."""
    async with borrowed(config, lent.bus) as asker:

        async def asked(request: Request) -> list[int]:
            return await asker.read(settings.unit, request, attempts=2)

        return await tried(asked, settings)


def units(text: str) -> list[int]:
    """Return the units that a person typed: `1-20, 240`. Raises HubError."""
    found: dict[int, None] = {}
    for part in re.split(r"[,;\s]+", re.sub(r"\s*(?:-|–|…|\.\.+)\s*", "-", text.strip())):
        match = re.fullmatch(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", part)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        inside = [unit for unit in range(low, high + 1) if unit in UNITS or unit == DIRECT]
        if not inside or len(inside) != high - low + 1:
            raise hub.NotReady(
                phrase(
                    "modbus.units-wrong",
                    "{text!r} names no units: they are 1 to 247, or 255, as in `1-20, 240`",
                    text=text[:40],
                )
            )
        found |= dict.fromkeys(inside)
    return list(found)


async def _present(asker: Asker, unit: int) -> bool:
    try:
        await asker.read(unit, Request("holding", 0, 1, ()), within_s=PRESENCE_S)
    except Silent:
        return False
    except Refused as refused:
        return refused.code not in GATEWAY
    except hub.DecodeError:
        return True  # something answers, however badly
    return True


async def _unit(
    asker: Asker, config: Config, unit: int, lent: Lent, signs: Sequence[tuple[Offer, Sign]]
) -> list[Found]:
    async def asked(request: Request) -> list[int]:
        return await asker.read(unit, request, within_s=ANSWER_S)

    said = await _identification(asker, unit)
    maker, product = (" ".join(said[key] for key in keys if said.get(key)) for keys in (MAKER, PRODUCT))
    title = f"{maker} {product}".strip()[:100]
    base: dict[str, object] = {"unit": unit}
    known = [device for device in lent.devices if device.settings.get("unit", 1) == unit]
    matches = [
        *_by_name(lent.packs, maker, product, base, title),
        *await _by_signs(asker, unit, signs, base),
    ]
    sunspec = await _by_sunspec(asked, unit)
    seen = {match.pack: match for match in reversed(matches)}
    found = [match for match in matches if seen.pop(match.pack, None) is not None]
    first = Found(
        address=str(unit),
        device=f"modbus:{_slug(title or (found[0].title if found else config.host or config.bus))}-{unit}",
        settings=dict(base),
        title=title or (sunspec[0].title if sunspec else ""),
        matches=(*found, *sunspec[:1]),
        known=next((device.id for device in known if device.settings.get("sunspec_part", 1) == 1), ""),
    )
    if sunspec and not title:
        first = _renamed(first, sunspec[0])
    others = [
        _renamed(
            Found(
                address=f"{unit}/{number}",
                device=f"modbus:unit-{unit}-{number}",
                settings=dict(base),
                title=match.title,
                matches=(match,),
                known=next((one.id for one in known if one.settings.get("sunspec_part", 1) == number), ""),
            ),
            match,
            f"-{number}",
        )
        for number, match in enumerate(sunspec[1:], 2)
    ]
    return [first, *others]


def _renamed(one: Found, match: Match, end: str = "") -> Found:
    slug = _slug(match.title)
    return Found(
        address=one.address,
        device=f"modbus:{slug}-{one.settings['unit']}{end}" if slug else one.device,
        settings=one.settings,
        title=one.title,
        matches=one.matches,
        known=one.known,
    )


async def _identification(asker: Asker, unit: int) -> Mapping[int, str]:
    try:
        return await asker.identification(unit, within_s=ANSWER_S)
    except (Silent, hub.DecodeError):  # few devices know this function
        return {}


def _by_name(packs: Iterable[Offer], maker: str, product: str, base: Mapping[str, object], title: str) -> list[Match]:
    """Return the packs whose model stands in the identification, then those of the same maker."""
    models, makers = list[Match](), list[Match]()
    for offer in packs:
        name = _same(offer.vendor.split()[0])
        if any(len(_same(model)) >= SHORTEST and _same(model) in _same(product) for model in offer.models):
            why = phrase("modbus.match-by-identification", "it says that it is {title}", title=title)
            models.append(_match(offer, base, why))
        elif maker and len(name) >= SHORTEST and name in _same(maker):
            why = phrase(
                "modbus.match-by-maker", "it says that it is of {maker}, but not which model", maker=maker[:60]
            )
            makers.append(_match(offer, base, why))
    return [*models, *makers]


async def _by_signs(
    asker: Asker, unit: int, signs: Sequence[tuple[Offer, Sign]], base: Mapping[str, object]
) -> list[Match]:
    """Return the packs of which a sign is seen; each register is asked once."""
    read: dict[tuple[str, int, int], list[int]] = {}
    found: list[Match] = []
    for offer, sign in signs:
        place = (sign.table, sign.address, sign.length)
        if place not in read:
            try:
                read[place] = await asker.read(unit, Request(*place, ()), within_s=ANSWER_S)
            except (Silent, hub.DecodeError):
                read[place] = []
        if sign.fits(read[place]):
            why = phrase(
                "modbus.match-by-sign",
                "its register {address} says that it is this model",
                address=sign.address,
            )
            found.append(_match(offer, base, why))
    return found


async def _by_sunspec(asked: Read, unit: int) -> list[Match]:
    try:
        found = await discover(asked)
    except (Silent, hub.DecodeError):
        return []
    matches = []
    for number, part in enumerate(found.parts, 1):
        points = Points(part)
        if points.models:
            settings = {"unit": unit, "sunspec": True, **({"sunspec_part": number} if number > 1 else {})}
            why = phrase("modbus.match-by-sunspec", "it describes its own values (SunSpec)")
            matches.append(Match(settings=settings, title=part.title[:100], why=why))
    return matches


def _signs(offer: Offer) -> list[Sign]:
    try:
        return [Sign(**one) for one in offer.signs]
    except (TypeError, ValidationError):  # `ilot pack test` says what is wrong
        return []


def _match(offer: Offer, base: Mapping[str, object], why: str) -> Match:
    return Match(settings=dict(base), pack=offer.pack, title=f"{offer.vendor} {offer.models[0]}"[:100], why=why)


def _same(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-")
