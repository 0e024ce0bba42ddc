"""Commissioning in progress: expected devices and the progress of each. Stored in the store.

A row is one physical device: scanned, typed in, or with an unreadable label. It counts from then on, so that "18/20" is
of all that were brought, not of those that worked. A row is durable before it is answered: another phone, or the hub
after a power cut, continues where the last one stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.core.actor import asker
from hub.core.clock import Clock
from hub.core.errors import HubError
from hub.core.store import Store
from hub.core.text import phrase
from hub.i18n.catalogues import translate
from hub.onboarding.adoption import commissioning_list, positions, report
from hub.onboarding.adoption.commissioning_list import (
    MOST,
    MOST_PLANS,
    OPTIONAL,
    STEPS,
    CommissioningList,
    CommissioningRow,
)
from hub.onboarding.adoption.engine import MAX_REQUESTS as TOGETHER
from hub.onboarding.adoption.engine import WRONG, Adoption, Row
from hub.onboarding.adoption.place_proposals import WaitingPlaces
from hub.onboarding.adoption.remedies import GREEN, colour, remedy
from hub.onboarding.adoption.resolve import ResolutionContext, identify, zone_of
from hub.protocol.device_labels.device_request import DeviceRequest, checked
from hub.protocol.device_labels.label import Unreadable, shown

LOOK_S = 10.0

Where = Callable[[list[str]], Awaitable[dict[str, str]]]
Call = Callable[[dict[str, Any]], Awaitable[Any]]

UNREADABLE_LABEL = phrase("label-not-readable", "its label cannot be read")
PLACE_OPEN = phrase("row-place-open", "where is it? Its zone has places that wait for a device")
NO_PLACE = "no-place"
"""Reason of a row whose place somebody has to choose."""


class CommissioningService:
    """Service behind the commissioning calls. `status_of` returns a device's status, `flush` stores first reports. The
    composition root may set: `replace` to put another device in a place, `where` for devices heard at other hubs, which
    asks the district when due, `facts` for additional contents of a report; None: not available."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        adoption: Adoption,
        context: ResolutionContext,
        status_of: Callable[[str], dict[str, Any]],
        flush: Callable[[], Awaitable[None]],
        identity: Ed25519PrivateKey,
    ) -> None:
        self._store, self._clock, self._adoption, self._context = store, clock, adoption, context
        self._status_of, self._flush, self._identity = status_of, flush, identity
        self._turn = asyncio.Lock()
        self.where: Where | None = None
        self.replace: Call | None = None
        self.facts: Callable[[], Awaitable[dict[str, Any]]] | None = None
        self._listing: CommissioningList | None = None
        self._elsewhere: dict[str, str] = {}

    def reconfigure(self, context: ResolutionContext) -> None:
        """Apply the configuration."""
        self._context = context

    async def run(self) -> None:
        """Ask periodically where silent devices are."""
        while True:
            await self._clock.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Update where silent devices are; unknown without an answer of the district."""
        listing = await self._load()
        lost = [row["device"] for row in self._rows(listing) if row["device"] and row["colour"] != GREEN]
        if self.where is None or not lost or listing.ended is not None:
            self._elsewhere = {}
            return
        with suppress(HubError):  # keep the former answer
            self._elsewhere = await self.where(lost)

    def calls(self) -> dict[str, Any]:
        changes = {
            "scan": self._scan, "place": self._place, "unreadable": self._unreadable, "retry": self._retry,
            "replace": self._replaced, "forget": self._forget, "step": self._step, "pin": self._pin, "end": self._end,
            "begin": self._begin, "expect": self._expect, "position": self._position, "outline": self._outline,
        }  # fmt: skip
        return {
            "roster.show": self._show, "roster.report": self._report,
            **{f"roster.{name}": self._alone(work) for name, work in changes.items()},
        }  # fmt: skip

    def _alone(self, work: Call) -> Call:
        """Serialise a call: two phones may scan at once."""

        async def call(arguments: dict[str, Any]) -> Any:
            async with self._turn:
                return await work(arguments)

        return call

    async def _report(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {by} with {report, body, identity, signature}: see `hub.onboarding.adoption.report`."""
        facts = await self.facts() if self.facts is not None else {}
        shown_now = await self._show({})
        return report.sign(report.build(shown_now, facts, self._clock.now(), asker(arguments)), self._identity)

    async def _show(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer with {began, by, ended, steps, skipped, optional, rows, expected, green, pins, outlines, positions}.
        Each row: the fields of `CommissioningRow`, `colour`, its status (`state`, `why`, `en`, `fr`, `first_heard`),
        its `remedy` ({name, do, action}) unless it is green, and `places` ([{place, name, kind, device}]) while its
        place is to be chosen."""
        listing = await self._load()
        rows = self._rows(listing)
        self._propose(rows, listing)
        await self._flush()  # a device shown as green must be so after a power cut
        return {
            "began": listing.began, "by": listing.by, "ended": listing.ended, "rows": rows, "expected": len(rows),
            "green": sum(1 for row in rows if row["colour"] == GREEN), "optional": OPTIONAL,
            "skipped": {step: msgspec.to_builtins(at) for step, at in listing.skipped.items()},
            "pins": msgspec.to_builtins(listing.pins),
            "outlines": msgspec.to_builtins(listing.outlines), "positions": msgspec.to_builtins(listing.spots),
            "steps": {step: msgspec.to_builtins(listing.steps.get(step)) for step in STEPS},
        }  # fmt: skip

    def _rows(self, listing: CommissioningList) -> list[dict[str, Any]]:
        return [self._row(line) for line in listing.lines.values()]

    def _row(self, line: CommissioningRow) -> dict[str, Any]:
        known = self._context.devices.get(line.device) if line.device else None
        stands = self._status_of(line.device) if known is not None else {}
        why = stands.get("why", "") if known is not None else line.why or "no-key"
        found = colour(stands.get("state", ""), why, known=known is not None)
        what = None if found == GREEN else remedy(why, self._elsewhere.get(line.device, ""))
        place = known.place if known is not None else line.place
        at = self._context.places.get(place)
        return {
            "n": line.n, "how": line.how, "at": line.at, "by": line.by, "device": line.device, "label": line.label,
            "name": line.name, "place": place, "zone": at.zone if at else line.zone, "colour": found, "why": why,
            "place_name": at.name if at else "", "state": stands.get("state", "unknown"),
            "first_heard": stands.get("first_heard"),
            "en": stands.get("en", line.en), "fr": stands.get("fr", line.fr),
            "remedy": what.as_dict() if what else None,
        }  # fmt: skip

    async def _scan(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {label | device, key?, place?, zone?, name?, pack?, instead?, how, by} with {row, known}: the device
        is expected from now on, and admitted if possible; `instead`: the device whose place it takes. Scanned again,
        the same row is tried again. Raises HubError when it names no device at all."""
        told = _texts(arguments, "label", "device", "key", "place", "zone", "name", "pack")
        request = msgspec.convert({name: text for name, text in told.items() if text}, DeviceRequest)
        checked(msgspec.structs.replace(request, key=""))  # bounds the stored fields; the key is checked later
        whom = await identify(request, self._context)
        listing = await self._load()
        former = next((line for line in listing.lines.values() if line.device == whom.device), None)
        instead = str(arguments.get("instead") or "")
        if instead and (replaced := self._context.devices.get(instead)) is not None:
            told["place"] = replaced.place
        keyless = told["label"] if whom.label is None or whom.label.key is None else ""
        line = CommissioningRow(
            n=former.n if former else listing.next,
            how=str(arguments.get("how") or "manual")[:16],
            at=former.at if former else self._clock.now(),
            by=asker(arguments),
            device=whom.device,
            label=shown(keyless, 300),
            place=told["place"] or (former.place if former else ""),
            zone=told["zone"] or (former.zone if former else ""),
            name=shown(told["name"] or (former.name if former else "")),
        )
        if instead and self.replace is not None and self._context.devices.get(whom.device) is None:
            key = told["key"] or await self._adoption.key_of(whom)
            await self.replace({"old": instead, "new": whom.device, "key": key, "by": asker(arguments)})
        row = self._row(await self._admit(line, told, listing))
        self._propose([row], listing)
        return {"row": row, "known": former is not None}

    async def _place(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {n, place, instead?, by} with {row}: the place of a row, by its id or its name. One that is there is
        taken; else the row's own takes the name, or a new one is made. `instead`: see `_scan`. Raises HubError."""
        listing, place = await self._load(), str(arguments.get("place") or "").strip()
        line = self._line(listing, arguments)
        if not line.device or self._context.devices.get(line.device) is None:
            again = {"label": line.label, "device": line.device, "place": place, "zone": line.zone, "how": line.how}
            return await self._scan({**again, **arguments, "n": None})
        spoke = self._status_of(line.device).get("first_heard") is not None
        found = await self._adoption.name_place(line.device, place, spoke=spoke, by=asker(arguments))
        done = msgspec.structs.replace(line, place=found.id, by=asker(arguments))
        await self._keep(done, listing)
        return {"row": self._row(done)}

    async def _admit(
        self, line: CommissioningRow, told: dict[str, str], listing: CommissioningList
    ) -> CommissioningRow:
        """Add the device of a row if possible, and save the row."""
        device = self._context.devices.get(line.device)
        if device is None:
            (kept,) = await self._with_kept_place([line])
            request = self._request(kept, told, self._taken(listing), self._waiting_places(listing))
            if request is None:
                line = self._without_place(kept)
            else:
                (row,) = await self._adoption.add([request], dry_run=False, update=False, by=line.by)
                line = self._judged(kept, row, request.place)
        else:
            line = msgspec.structs.replace(line, place=device.place, why="", en="", fr="")
        await self._keep(line, listing)
        return line

    async def _with_kept_place(self, lines: list[CommissioningRow]) -> list[CommissioningRow]:
        """Return rows with the place and the zone that an inventory or a table has of them, where they have none."""
        bare = [line.device for line in lines if not line.place]
        kept = await self._adoption.details(bare) if bare else {}
        return [
            msgspec.structs.replace(line, place=one.place, zone=zone_of(one.zone, self._context) or line.zone)
            if not line.place and (one := kept.get(line.device)) is not None and one.place
            else line
            for line in lines
        ]

    def _request(
        self, line: CommissioningRow, told: dict[str, str], taken: set[str], waiting: WaitingPlaces
    ) -> DeviceRequest | None:
        """Return a row as a request, None where its place is to be chosen. A row without a place gets one that is not
        in `taken`, and takes it, where its zone has none that waits for a device."""
        place = line.place
        if not place and waiting.of(line.zone, line.device):
            return None
        place = place or self._free(line.zone, taken)
        taken.add(place)
        return DeviceRequest(
            label=told.get("label") or line.label,
            device=line.device,
            key=told.get("key", ""),
            place=place,
            zone="" if self._context.places.alike(place) else line.zone,
            name=line.name,
            pack=told.get("pack", ""),
        )

    def _waiting_places(self, listing: CommissioningList) -> WaitingPlaces:
        taken = {row["place"] for row in self._rows(listing)}
        return WaitingPlaces(self._context, taken, self._status_of)

    def _propose(self, rows: Sequence[dict[str, Any]], listing: CommissioningList) -> None:
        """Add to rows without a place those that are proposed."""
        waiting = None
        for row in rows:
            if row["why"] == NO_PLACE:
                waiting = waiting or self._waiting_places(listing)
                row["places"] = msgspec.to_builtins(waiting.of(row["zone"], row["device"]))

    @staticmethod
    def _without_place(line: CommissioningRow) -> CommissioningRow:
        said = PLACE_OPEN
        return msgspec.structs.replace(line, why=NO_PLACE, en=str(said), fr=str(translate(said, "fr")))

    @staticmethod
    def _judged(line: CommissioningRow, row: Row, place: str) -> CommissioningRow:
        if row.state != WRONG:
            return msgspec.structs.replace(line, place=row.place, zone=row.zone, why="", en="", fr="")
        why = "no-key" if row.column in ("app_key", "key") else "wrong"
        return msgspec.structs.replace(line, place=place, why=why, en=row.en, fr=row.fr)

    def _taken(self, listing: CommissioningList) -> set[str]:
        return {place.id for place in self._context.places} | {line.place for line in listing.lines.values()}

    @staticmethod
    def _free(zone: str, taken: set[str]) -> str:
        """Return a free place of that zone: zone-1, zone-2, …"""
        if not zone:
            return ""
        return next(name for n in range(1, MOST * 2) if (name := f"{zone[:56]}-{n}") not in taken)

    async def _unreadable(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {note, zone?, by} with {row}: a device with an unreadable label counts all the same."""
        listing = await self._load()
        line = CommissioningRow(
            n=listing.next,
            how="unreadable",
            at=self._clock.now(),
            by=asker(arguments),
            why="unreadable",
            label=shown(str(arguments.get("note") or "")),
            zone=str(arguments.get("zone") or "")[:64],
            en=str(UNREADABLE_LABEL),
            fr=str(translate(UNREADABLE_LABEL, "fr")),
        )
        await self._keep(line, listing)
        return {"row": self._row(line)}

    async def _retry(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {by} with {tried, added}: rows that are not admitted, tried again, since an inventory may have
        arrived. All at once: each change of the list is written whole, and synced."""
        listing, by, added = await self._load(), asker(arguments), 0
        lines = [
            msgspec.structs.replace(line, by=by)
            for line in listing.lines.values()
            if line.device and self._context.devices.get(line.device) is None
        ]
        taken, waiting = self._taken(listing), self._waiting_places(listing)
        for first in range(0, len(lines), TOGETHER):
            some = lines[first : first + TOGETHER]
            some = await self._with_kept_place(some)
            requests = {line.n: self._request(line, {}, taken, waiting) for line in some}
            placed = [line for line in some if requests[line.n] is not None]
            wanted = [request for request in requests.values() if request is not None]
            rows = await self._adoption.add(wanted, dry_run=False, update=False, by=by)
            done = [
                self._judged(line, row, request.place) for line, row, request in zip(placed, rows, wanted, strict=True)
            ]
            done += [self._without_place(line) for line in some if requests[line.n] is None]
            new = sum(not line.why for line in done)
            self._put(done, listing)
            await self._save(listing, by, {"roster": "retry", "tried": len(done), "added": new})
            added += new
        return {"tried": len(lines), "added": added}

    async def _expect(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {devices, by} with {expected}: devices that an inventory added are expected too."""
        listing = await self._load()
        there, lines = {line.device for line in listing.lines.values()}, list[CommissioningRow]()
        for name in arguments.get("devices") or ():
            device = self._context.devices.get(str(name))
            if device is not None and device.id not in there:
                there.add(device.id)
                lines.append(
                    CommissioningRow(
                        n=listing.next + len(lines),
                        how="inventory",
                        at=self._clock.now(),
                        by=asker(arguments),
                        device=device.id,
                        place=device.place,
                        name=device.name,
                    )
                )
        if lines:  # all at once: each change of the list is written whole, and synced
            self._put(lines, listing)
            said = {"roster": "expect", "devices": len(lines)}
            await self._save(listing, asker(arguments), said)
        return {"expected": len(lines)}

    async def _replaced(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {n, label | device, key?, by} with {row}: put another device in the place of a row's, by one scan. Its
        key is the label's, the given one, or the inventory's. Raises HubError."""
        listing = await self._load()
        line = self._line(listing, arguments)
        told = _texts(arguments, "label", "device", "key")
        whom = await identify(DeviceRequest(label=told["label"], device=told["device"]), self._context)
        twin = next((one for one in listing.lines.values() if one.device == whom.device and one.n != line.n), None)
        if twin is not None:
            raise Unreadable(
                "two-rows",
                phrase(
                    "device-in-another-row",
                    "{device} is expected already, in another row: take that one away first",
                    device=whom.device,
                ),
                column="device",
            )
        if self._context.devices.get(line.device) is None:  # no device is there yet: change the row's device
            fresh = msgspec.structs.replace(line, device=whom.device, label="", why="", by=asker(arguments))
            done = await self._admit(fresh, told, listing)
            return {"row": self._row(done)}
        if self.replace is None:
            raise HubError(phrase("replacement-not-possible", "devices cannot be replaced here"))
        key = told["key"] or await self._adoption.key_of(whom)  # a key given by hand takes precedence
        await self.replace({"old": line.device, "new": whom.device, "key": key, "by": asker(arguments)})
        done = msgspec.structs.replace(line, device=whom.device, label="", by=asker(arguments))
        await self._keep(done, listing)
        return {"row": self._row(done)}

    async def _forget(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {n, by} with {n}: remove the row. A device that was admitted stays so."""
        listing = await self._load()
        line = self._line(listing, arguments)
        del listing.lines[line.n]
        await self._save(listing, asker(arguments), {"roster": "forget", "n": line.n, "device": line.device})
        return {"n": line.n}

    async def _step(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {step, skip?, by} with {steps}: mark a step as done, or as skipped where it is optional."""
        step = str(arguments.get("step", ""))
        if step not in STEPS:
            raise HubError(
                phrase(
                    "step-not-known", "there is no step {step!r}; the steps are {steps}", step=step, steps=list(STEPS)
                )
            )
        listing = await self._load()
        skip = bool(arguments.get("skip"))
        if skip and step not in OPTIONAL:
            raise HubError(phrase("step-not-optional", "the step {step} cannot be skipped", step=step))
        (listing.skipped if skip else listing.steps)[step] = (self._clock.now(), asker(arguments))
        if not skip:
            listing.skipped.pop(step, None)
        await self._save(listing, asker(arguments), {"roster": "skip" if skip else "step", "step": step})
        return {"steps": sorted(listing.steps)}

    async def _pin(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Set where {place, plan, x, y, by} a place is on a plan; x and y from 0 to 1."""
        pin, place = positions.pin(arguments), str(arguments.get("place", ""))
        if pin is None or self._context.places.get(place) is None:
            raise HubError(phrase("pin-wrong", "a pin has a place of this hub, and x and y from 0 to 1"))
        listing = await self._load()
        listing.pins[place] = pin
        await self._save(listing, asker(arguments), {"roster": "pin", "place": place})
        return {"place": place}

    async def _outline(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Set the outline {plan, zone, points, by} of a zone on a plan: corners [x, y] from 0 to 1; without points,
        delete it. Raises HubError."""
        plan, zone = str(arguments.get("plan", ""))[:32], str(arguments.get("zone", ""))
        points = positions.outline(arguments) if arguments.get("points") else ()
        if points is None or not plan or zone not in self._context.zones:
            raise HubError(
                phrase(
                    "outline-wrong",
                    "an outline has a plan, a zone of this hub, and {least} to {most} corners with x and y from 0 to 1",
                    least=positions.CORNERS[0],
                    most=positions.CORNERS[-1],
                )
            )
        listing = await self._load()
        there = {name: one for name, one in listing.outlines.get(plan, {}).items() if name != zone}
        listing.outlines[plan] = {**there, zone: points} if points else there
        if not listing.outlines[plan]:
            del listing.outlines[plan]
        while len(listing.outlines) > MOST_PLANS:  # those of plans that were removed go first: they stand at the front
            del listing.outlines[next(iter(listing.outlines))]
        what = "outline" if points else "no-outline"
        await self._save(listing, asker(arguments), {"roster": what, "zone": zone})
        return {"plan": plan, "zone": zone, "points": [list(point) for point in points]}

    async def _position(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Set the position {site, latitude, longitude, accuracy?, by} of a site of this hub (WGS 84, degrees; metres);
        without the two, delete it. Raises HubError."""
        site = str(arguments.get("site", ""))
        if site not in self._context.sites:
            raise HubError(phrase("position-without-site", "a position is that of a site of this hub"))
        listing = await self._load()
        if arguments.get("latitude") is None and arguments.get("longitude") is None:
            listing.spots.pop(site, None)
        else:
            listing.spots[site] = positions.spot(arguments, self._clock.now(), asker(arguments))
        what = "position" if site in listing.spots else "no-position"
        await self._save(listing, asker(arguments), {"roster": what, "site": site})
        return {"site": site, "position": msgspec.to_builtins(listing.spots.get(site))}

    async def _end(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """End this commissioning {by}; its report is that of this moment."""
        listing = await self._load()
        listing.ended = self._clock.now()
        listing.steps["report"] = (listing.ended, asker(arguments))
        rows = self._rows(listing)
        green = sum(1 for row in rows if row["colour"] == GREEN)
        await self._save(listing, asker(arguments), {"roster": "end", "expected": len(rows), "green": green})
        return {"ended": listing.ended}

    async def _begin(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Begin another commissioning {by}, once the former has ended. Devices, places, pins and positions stay."""
        former = await self._load()
        if former.lines and former.ended is None:
            raise HubError(phrase("commissioning-under-way", "a commissioning is under way: end it first"))
        self._listing = CommissioningList(
            began=self._clock.now(),
            by=asker(arguments),
            pins=former.pins,
            spots=former.spots,
            outlines=former.outlines,
        )
        await self._save(self._listing, asker(arguments), {"roster": "begin"})
        return {"began": self._listing.began}

    def _line(self, listing: CommissioningList, arguments: dict[str, Any]) -> CommissioningRow:
        text = str(arguments.get("n", ""))
        line = listing.lines.get(int(text)) if text.isascii() and text.isdigit() and len(text) < 8 else None
        if line is None:
            raise HubError(phrase("row-not-known", "there is no such row: somebody may have taken it away"))
        return line

    async def _keep(self, line: CommissioningRow, listing: CommissioningList) -> None:
        self._put([line], listing)
        said = {"roster": "line", "n": line.n, "device": line.device, "how": line.how, "why": line.why}
        await self._save(listing, line.by, said)

    @staticmethod
    def _put(lines: Sequence[CommissioningRow], listing: CommissioningList) -> None:
        """Add rows. Raises HubError, and adds none, when they are too many."""
        if len(listing.lines) + sum(line.n not in listing.lines for line in lines) > MOST:
            raise HubError(
                phrase(
                    "commissioning-full", "at most {most} devices in one commissioning: end this one first", most=MOST
                )
            )
        for line in lines:
            if not listing.began or listing.ended is not None:
                listing.began, listing.by, listing.ended = listing.began or line.at, listing.by or line.by, None
            listing.lines[line.n] = line
            listing.next = max(listing.next, line.n + 1)

    async def _load(self) -> CommissioningList:
        if self._listing is None:
            self._listing = await commissioning_list.load(self._store)
        return self._listing

    async def _save(self, listing: CommissioningList, who: str, what: dict[str, object]) -> None:
        try:
            await commissioning_list.save(self._store, listing, self._clock.now(), who, what)
        except BaseException:
            self._listing = None  # reload from the disk
            raise


def _texts(arguments: dict[str, Any], *names: str) -> dict[str, str]:
    return {name: str(arguments.get(name) or "").strip() for name in names}
