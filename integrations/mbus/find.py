"""Search of a bus for meters that a person adds, and one reading of such a meter. Only requests are sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import hub
from hub.sdk.finding import Found as Device
from hub.sdk.finding import Lent, Match, Offer, Tried
from hub.sdk.phrases import phrase
from integrations.mbus.decode import medium
from integrations.mbus.header import Identity
from integrations.mbus.master import Master, Silent, secondary
from integrations.mbus.poll import read_meter
from integrations.mbus.readings import present, states
from integrations.mbus.search import Found, Search
from integrations.mbus.settings import DeviceSettings
from integrations.mbus.shared import Shared, borrowed

if TYPE_CHECKING:
    from integrations.mbus import Config

ALL = "*"
_MEDIA = {
    0x02: phrase("mbus.medium-electricity", "electricity"), 0x03: phrase("mbus.medium-gas", "gas"),
    0x04: phrase("mbus.medium-heat", "heat"), 0x06: phrase("mbus.medium-warm-water", "warm water"),
    0x07: phrase("mbus.medium-water", "water"), 0x0C: phrase("mbus.medium-heat", "heat"),
    0x0D: phrase("mbus.medium-heat-and-cold", "heat and cold"), 0x16: phrase("mbus.medium-cold-water", "cold water"),
}  # fmt: skip
"""The usual ones in words that are translated."""


async def search_bus(config: Config, text: str, lent: Lent) -> None:
    """Ask the addresses that a person typed, one at a time between the polls. Raises NotReady, AuthFailed."""
    addresses, numbers = wanted(text)
    async with borrowed(config) as shared:
        seen: set[str] = set()
        for search in _searches(config, shared, addresses, numbers):
            while not search.done:
                async with shared.turn:
                    found = await search.step()
                lent.progress(search.questions, search.questions + search.left)
                if found is not None and found.device not in seen:
                    seen.add(found.device)
                    lent.found(_described(found, lent))


async def read_now(config: Config, settings: DeviceSettings, lent: Lent) -> Tried:
    """Read one meter. Raises NotReady when it is silent, AuthFailed, DecodeError."""
    async with borrowed(config) as shared:
        master = Master(shared.line, timeout=config.timeout.total_seconds(), retries=config.retries)
        async with shared.turn:
            try:
                messages = await read_meter(master, "", settings)
            except Silent:
                raise hub.NotReady(phrase("mbus.meter-silent", "it does not answer")) from None
    records = [record for message in messages for record in message.parsed.records]
    now = present(records, messages[0].identity, settings.records)
    return Tried(values={**now.values, **states(messages[0].status)})


def wanted(text: str) -> tuple[list[int], list[str]]:
    """Return the primary addresses that a person typed, and the beginnings of meters' numbers. Raises NotReady."""
    addresses: dict[int, None] = {}
    numbers: dict[str, None] = {}
    for part in re.split(r"[,;\s]+", re.sub(r"\s*(?:-|–|…|\.\.+)\s*", "-", text.strip())):
        if part == ALL:
            numbers[""] = None
        elif re.fullmatch(r"[0-9]{8}", part):
            numbers[part] = None
        elif match := re.fullmatch(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", part):
            low, high = int(match[1]), int(match[2] or match[1])
            if not 0 <= low <= high <= 250:
                raise _not_understood(part)
            addresses |= dict.fromkeys(range(low, high + 1))
        else:
            raise _not_understood(part)
    return list(addresses), list(numbers)


def _not_understood(part: str) -> hub.NotReady:
    return hub.NotReady(
        phrase(
            "mbus.addresses-wrong",
            "{text!r} is no address: 0 to 250, as in 1-20; the 8 digits of a meter's label; or * for all by their own",
            text=part[:40],
        )
    )


def _searches(config: Config, shared: Shared, addresses: list[int], numbers: list[str]) -> Iterator[Search]:
    from integrations.mbus import search_master

    master = search_master(config, shared.line)
    if addresses:
        yield Search(master, primary=True, addresses=addresses)
    if numbers:
        yield Search(master, primary=False, numbers=numbers)


def _described(found: Found, lent: Lent) -> Device:
    who, number = found.message.identity, found.address
    own = found.device.removeprefix("mbus:")
    by_own = {"meter": own} if secondary(found.device) is not None else {}
    settings: dict[str, object] = {"address": number} if number else dict(by_own)
    matches = [*_matches(who, settings, lent.packs)] if settings else []
    return Device(
        address=own if number is None else str(number),
        device=found.device,
        settings=settings,
        title=_title(who),
        matches=tuple(matches),
        known=next((one.id for one in lent.devices if _same(one, found)), ""),
    )


def _matches(who: Identity | None, settings: dict[str, object], packs: Iterable[Offer]) -> Iterator[Match]:
    if who is None:
        why = phrase("mbus.match-without-identity", "it answers, and does not say who it is")
    else:
        known: str = _MEDIA.get(who.medium) or medium(who)
        why = phrase(
            "mbus.match-by-itself", "it describes its own values, and says that it measures: {medium}", medium=known
        )
    yield Match(settings=settings, title=_title(who), why=why)
    for offer in packs:
        if who is not None and who.manufacturer and offer.vendor.upper().startswith(who.manufacturer):
            by_maker = phrase(
                "mbus.match-by-maker", "it says that it is of {maker}, but not which model", maker=who.manufacturer
            )
            yield Match(
                settings=settings, pack=offer.pack, title=f"{offer.vendor} {offer.models[0]}"[:100], why=by_maker
            )


def _title(who: Identity | None) -> str:
    return "" if who is None else f"{who.manufacturer} {who.id}".strip()


def _same(device: hub.Device, found: Found) -> bool:
    own = found.device.removeprefix("mbus:")
    same_address = found.address is not None and device.settings.get("address") == found.address
    return device.id == found.device or device.settings.get("meter") == own or same_address
