"""Operations of the commissioning wizard: rows of expected devices, pins, positions, the report. The rules are the
hub's."""

from __future__ import annotations

from typing import Any

from hub.core.model import PLACE_ID, LastValue
from hub.i18n.typography import unit_text
from hub.page_kit import formatting
from hub.page_kit.phrasebook import LANGUAGES
from hub.page_kit.request.visit import Rejected, Visit
from hub.web.areas.commissioning.position import of_text
from hub.web.presentation import tiles, views
from hub.web.refusals import Refused
from hub.web.site import Site
from hub.web.words import word

COLON = {"fr": "\u00a0:", "en": ":"}
GREEN, WORST = "green", ("red", "grey", "blue", "amber")
SCAN = ("label", "device", "key", "place", "zone", "name", "pack", "instead")


def _reception(device: str, dbm: int | None, margin: str, lang: str) -> str:
    """Return the reception of a device as a verdict; "" for one that is not heard by radio."""
    if dbm is None:
        return ""
    verdict = f"margin-{margin}" if margin else views.signal_word(device, dbm)
    return f"{word(verdict, lang)} ({formatting.with_unit(str(dbm), 'dBm')})"


def _worst(row: dict[str, Any]) -> int:
    return WORST.index(row["colour"])


class Rows:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def roster(self, visit: Visit) -> Any:
        """Return the answer of `roster.show`, with the reception and the main value of each device that reports."""
        shown = await self._site.call("roster.show")
        listed = {one["id"]: one for one in (await self._site.cached_call("devices"))["devices"]}
        margins = {one["id"]: one for one in (await self._site.cached_call("radio")).get("devices", ())}
        for row in shown["rows"]:
            dbm = views.strongest(listed.get(row["device"], {}).get("heard"))
            margin = margins.get(row["device"], {})
            verdict = margin.get("margin", "")
            row["value"] = self._value(row)
            row["signal"] = {
                "dbm": dbm, "margin": verdict, "margin_db": margin.get("margin_db"),
                **{lang: _reception(row["device"], dbm, verdict, lang) for lang in LANGUAGES},
            }  # fmt: skip
        return shown

    def _value(self, row: dict[str, Any]) -> dict[str, str]:
        """Return the main value of a device in each language; "" before its first one."""
        found = tiles.main_values(self._site.parts.live.of(row["device"]), 1) if row["colour"] == GREEN else []
        return {lang: self._value_text(found[0], lang) if found else "" for lang in LANGUAGES}

    def _value_text(self, value: LastValue, lang: str) -> str:
        true, false = (word(key, lang) for key in self._site.flag_words(value.device, value.metric))
        text = formatting.value_text(value.value, lang, (false, true), value.unit)
        if isinstance(value.value, bool | str):  # "yes" alone says nothing
            return f"{self._site.metric_name(value.device, value.metric, lang)}{COLON[lang]} {text}"
        return formatting.with_unit(text, unit_text(value.unit, lang))

    async def sorted(self, visit: Visit) -> dict[str, Any]:
        """Return the rows for a page: those to be done (`open`), the worst first, those `done`, the number of each
        colour (`sums`), and the colours of a bar (`share`)."""
        shown = await self.roster(visit)
        newest = sorted(shown["rows"], key=lambda row: -row["n"])
        sums = {colour: sum(1 for row in newest if row["colour"] == colour) for colour in (GREEN, *WORST)}
        return {
            **shown, "open": sorted((row for row in newest if row["colour"] != GREEN), key=_worst),
            "done": [row for row in newest if row["colour"] == GREEN],
            "done_steps": [step for step in shown["steps"] if self._is_done(step, shown)],
            "sums": sums, "share": [colour for colour in (GREEN, *reversed(WORST)) for _ in range(sums[colour])],
        }  # fmt: skip

    def _is_done(self, step: str, shown: dict[str, Any]) -> bool:
        """Return whether a step is done: marked so, or with nothing left to do in it."""
        return bool(shown["steps"][step]) or (step == "zones" and bool(self._site.parts.zones))

    async def report(self, visit: Visit) -> Any:
        return await self._site.call("roster.report", by=visit.who)

    async def scan(self, visit: Visit, how: str = "") -> Any:
        told = {name: visit.text(name) for name in SCAN if visit.fields.get(name)}
        answer = await self._site.call("roster.scan", **told, how=how or visit.text("how") or "manual", by=visit.who)
        answer["row"]["value"] = self._value(answer["row"])
        return answer

    async def place(self, visit: Visit) -> Any:
        """Set the place of a row, {place} by id or name, or that of a silent device, {instead}; return {row}."""
        told = {name: visit.text(name) for name in ("place", "instead") if visit.text(name)}
        if not told:
            raise Refused("place-missing")
        answer = await self._site.call("roster.place", n=visit.parts["n"], **told, by=visit.who)
        answer["row"]["value"] = self._value(answer["row"])
        return answer

    async def unreadable(self, visit: Visit) -> Any:
        return await self._site.call(
            "roster.unreadable", note=visit.text("note"), zone=visit.text("zone"), by=visit.who
        )

    async def forget(self, visit: Visit) -> Any:
        return await self._site.call("roster.forget", n=visit.parts["n"], by=visit.who)

    async def replace(self, visit: Visit) -> Any:
        told = {name: visit.text(name) for name in ("label", "device", "key") if visit.fields.get(name)}
        return await self._site.call("roster.replace", n=visit.parts["n"], **told, by=visit.who)

    async def key(self, visit: Visit) -> Any:
        """Set {key}, the right one for a row's device, admitted or not."""
        row = await self._row(visit)
        if row["state"] == "unknown":
            told = {"device": row["device"], "label": row["label"], "key": visit.text("key")}
            return await self._site.call("roster.scan", **told, how=row["how"], by=visit.who)
        key = "".join(visit.text("key").replace("-", "").replace(":", "").split())
        if not key:
            raise Refused("key-bad")
        return await self._site.call("device.key", device=row["device"], key=key, by=visit.who)

    async def _row(self, visit: Visit) -> Any:
        rows = (await self._site.call("roster.show"))["rows"]
        row = next((one for one in rows if str(one["n"]) == visit.parts["n"]), None)
        if row is None:
            raise Rejected(404, "no-page")
        return row

    async def add_zone(self, visit: Visit) -> Any:
        """Add a zone {id, name, site} to an existing site; nothing else of the configuration can be changed."""
        zone = visit.text("id").lower()
        if not PLACE_ID.fullmatch(zone):
            raise Refused("zone-bad")
        if zone in self._site.parts.zones:
            raise Refused("zone-known")
        told = {"id": zone, "site": visit.text("site"), "name": visit.text("name"), "origin": visit.address}
        return await self._site.call("zone.add", **told, by=visit.who, reason="commissioning")

    async def pin(self, visit: Visit) -> Any:
        def share(name: str) -> float:
            text = visit.text(name).replace(",", ".")
            try:
                return float(text) / 100
            except ValueError:
                raise Refused("pin-bad") from None

        return await self._site.call(
            "roster.pin", place=visit.text("place"), plan=visit.text("plan"), x=share("x"), y=share("y"), by=visit.who
        )

    async def position(self, visit: Visit) -> Any:
        """Set the position of a site, {site, latitude, longitude, accuracy?}; without the two, delete it."""
        told: dict[str, Any] = {"site": visit.text("site"), "by": visit.who}
        if not (visit.text("latitude") or visit.text("longitude")):
            return await self._site.call("roster.position", **told)
        found = of_text(visit.text("latitude"), visit.text("longitude"))
        if found is None:
            raise Refused("position-bad")
        accuracy = visit.text("accuracy").replace(",", ".")
        more = {"accuracy": float(accuracy)} if accuracy.replace(".", "", 1).isdecimal() else {}
        return await self._site.call("roster.position", **told, latitude=found[0], longitude=found[1], **more)

    async def end(self, visit: Visit) -> Any:
        return await self._site.call("roster.end", by=visit.who)

    async def begin(self, visit: Visit) -> Any:
        return await self._site.call("roster.begin", by=visit.who)

    async def retry(self, visit: Visit) -> Any:
        return await self._site.call("roster.retry", by=visit.who)
