"""Commissioning: from the site to the report, step by step, left and resumed on any phone. Its state is the hub's."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web

from hub import photos
from hub.config.writing import block
from hub.errors import DecodeError, HubError
from hub.labels import Unreadable
from hub.labels.table import read_table
from hub.model import PLACE_ID
from hub.web import answering as answers
from hub.web import planned, plans, scanning, showing
from hub.web.accounts import Refused
from hub.web.area import Area, Entry, done, get, post, sentence
from hub.web.routes import AMENDS, READS, WORKS, Route
from hub.web.visit import Rejected, Visit

if TYPE_CHECKING:
    from hub.web.site import Site

STEPS = ("site", "zones", "plan", "cards", "inventory", "scan", "report")
TABLE_BYTES = 1 << 20
SCAN = ("label", "device", "key", "place", "zone", "name", "pack")
COLOURS = ("grey", "blue", "amber", "green", "red")
FILES = {"commissioning.js": "text/javascript"}


class Commissioning:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def roster(self, visit: Visit) -> Any:
        """What `roster.show` answers, and how each device is heard."""
        shown = await self._site.call("roster.show")
        listed = {one["id"]: one for one in (await self._site.lately("devices"))["devices"]}
        margins = {one["id"]: one for one in (await self._site.lately("radio")).get("devices", ())}
        for row in shown["rows"]:
            dbm = showing.strongest(listed.get(row["device"], {}).get("heard"))
            margin = margins.get(row["device"], {})
            row["signal"] = {"dbm": dbm, "margin": margin.get("margin", ""), "margin_db": margin.get("margin_db")}
        return shown

    async def report(self, visit: Visit) -> Any:
        return await self._site.call("roster.report", by=visit.who)

    async def scan(self, visit: Visit, how: str = "") -> Any:
        told = {name: visit.text(name) for name in SCAN if visit.fields.get(name)}
        return await self._site.call("roster.scan", **told, how=how or visit.text("how") or "manual", by=visit.who)

    async def unreadable(self, visit: Visit) -> Any:
        return await self._site.call(
            "roster.unreadable", note=visit.text("note"), zone=visit.text("zone"), by=visit.who
        )  # fmt: skip

    async def forget(self, visit: Visit) -> Any:
        return await self._site.call("roster.forget", n=visit.parts["n"], by=visit.who)

    async def replace(self, visit: Visit) -> Any:
        told = {name: visit.text(name) for name in ("label", "device", "key") if visit.fields.get(name)}
        return await self._site.call("roster.replace", n=visit.parts["n"], **told, by=visit.who)

    async def key(self, visit: Visit) -> Any:
        """{key}: the right one for a row's device, admitted or not."""
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

    async def inventory(self, visit: Visit) -> Any:
        """The file of an inventory, sealed by the district, or a table (CSV) → {kept, added, wrong, rows}."""
        file = visit.files.get("file")
        if file is None:
            raise Refused("file-missing")
        call = self._site.call
        if file.data[4:19] == b"ilot/inventory/":
            document = base64.b64encode(file.data).decode()
            rows = (await call("inventory.load", document=document, by=visit.who))["rows"]
        else:
            rows = await self._table(file.data, visit)
        added = [row["device"] for row in rows if row["state"] in ("added", "already") and row.get("place")]
        await call("roster.expect", devices=added, by=visit.who)
        await call("roster.retry", by=visit.who)
        counts = {
            state: sum(1 for row in rows if row["state"] == state) for state in ("kept", "added", "already", "wrong")
        }
        return {**counts, "rows": [row for row in rows if row["state"] == "wrong"][:100]}

    async def _table(self, data: bytes, visit: Visit) -> list[dict[str, Any]]:
        table = read_table(data)
        name = "device.add" if table.placed else "device.keep"
        rows: list[dict[str, Any]] = [
            {"line": one.line, "device": one.device, "state": "wrong", "column": one.column, "en": one.en, "fr": one.fr}
            for one in table.faults
        ]
        for start in range(0, len(table.wishes), 500):
            import msgspec

            wishes = msgspec.to_builtins(table.wishes[start : start + 500])
            rows += (await self._site.call(name, wishes=wishes, by=visit.who))["rows"]
        return sorted(rows, key=lambda row: row["line"])

    async def add_zone(self, visit: Visit) -> Any:
        """{id, name, site}: a zone that was not there, of a site that is; nothing else of the configuration."""
        zone = visit.text("id").lower()
        if not PLACE_ID.fullmatch(zone):
            raise Refused("zone-bad")
        if zone in self._site.parts.zones:
            raise Refused("zone-known")
        told = {"id": zone, "site": visit.text("site"), "name": visit.text("name"), "origin": visit.address}
        return await self._site.call("zone.add", **told, by=visit.who, reason="commissioning")

    async def add_plan(self, visit: Visit) -> Any:
        file = visit.files.get("file")
        if file is None:
            raise Refused("file-missing")
        return await planned.keep(
            self._site.store, file.data, visit.text("name"), now=self._site.clock.now(), by=visit.who
        )

    async def remove_plan(self, visit: Visit) -> Any:
        number = visit.text("id")
        await self._site.store.call(lambda db: db.execute("DELETE FROM plans WHERE id = ?", (number,)) and None)
        await self._site.note(visit.who, {"plan": "removed", "id": number})
        return {"id": number}

    async def plans(self) -> list[dict[str, Any]]:
        rows = await self._site.store.call(lambda db: list(db.execute("SELECT id, name, at FROM plans ORDER BY at")))
        return [{"id": one, "name": name, "at": at} for one, name, at in rows]

    async def plan_file(self, visit: Visit) -> web.Response:
        number = visit.parts["id"]
        rows = await self._site.store.call(
            lambda db: list(db.execute("SELECT kind, body FROM plans WHERE id = ?", (number,)))
        )
        if not rows:
            raise Rejected(404, "no-page")
        headers = {"Cache-Control": "private, max-age=3600"}
        return web.Response(body=rows[0][1], content_type=rows[0][0], headers=headers)

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

    # pages

    async def start(self, visit: Visit, status: int = 200) -> web.Response:
        shown = await self.roster(visit)
        undone = next((step for step in STEPS if not shown["steps"][step]), "report")
        return self._page(visit, "", status, shown, undone=undone)

    async def step(self, visit: Visit, status: int = 200, *, name: str = "", **more: Any) -> web.Response:
        step = name or visit.parts.get("step", "")
        if step not in STEPS:
            raise Rejected(404, "no-page")
        shown, what = await self.roster(visit), dict[str, Any]()
        if step in ("site", "zones"):
            names = self._site.parts.sites
            what["sites"] = sorted({site for _, site in self._site.parts.zones.values()})
            what["site_names"] = {site: names.get(site) or site for site in what["sites"]}
            example = {"zones": {"classes": {"site": (what["sites"] or ["ecole"])[0], "name": "Salles de classe"}}}
            what["example"], what["engine"] = block(example), "zone.add" in self._site.calls
        if step == "plan":
            what["plans"] = await self.plans()
            what["spots"] = sorted(place.id for place in self._site.parts.places)
        if step == "cards":
            listed, state = await self._site.lately("devices"), await self._site.lately("status")
            what["cards"] = [
                {**one, "devices": sum(1 for d in listed["devices"] if d["integration"] == one["name"]),
                 "heard": sum(1 for w in listed["quarantine"] if w["integration"] == one["name"] and not w["known"])}
                for one in state["plugins"]
            ]  # fmt: skip
        if step == "scan":
            what["camera_photo"] = photos.available()
            what["fields"] = {
                k: visit.fields.get(k) or visit.query.get(k, "") for k in ("zone", "place", "name", "label")
            }
        if step == "report":
            what["answer"] = await self.report(visit)
        page = self._page(visit, step, status, shown, **{**what, **more})
        return scanning.with_camera(page) if step == "scan" else page

    def _page(self, visit: Visit, step: str, status: int, shown: dict[str, Any], **more: Any) -> web.Response:
        after = STEPS[STEPS.index(step) + 1] if step and step != STEPS[-1] else ""
        return self._site.page(
            "commissioning", visit, status, step=step, names=STEPS, after=after, shown=shown,
            zone_sites=self._site.parts.zones, **{"undone": "", "told": None, "loaded": None, **more},
        )  # fmt: skip

    async def step_form(self, visit: Visit) -> web.Response:
        """{step}: it is done; on to the next."""
        step = visit.text("step")
        if step not in STEPS:
            raise Rejected(404, "no-page")
        await self._site.call("roster.step", step=step, by=visit.who)
        after = STEPS[min(STEPS.index(step) + 1, len(STEPS) - 1)]
        return answers.redirect(f"/commissioning/{after}")

    async def scan_form(self, visit: Visit) -> web.Response:
        """One label typed in, or all that a photograph shows."""
        photo = visit.files.get("photo")
        texts = [visit.text("label")]
        told: list[Any] = []
        try:
            if photo is not None:
                texts = await photos.codes(photo.data)
                if not texts:
                    raise Refused("photo-nothing")
            for text in texts:
                visit.fields["label"] = text
                told.append(await self.scan(visit, "photo" if photo is not None else "manual"))
        except DecodeError as error:
            visit.error = sentence(error if isinstance(error, Unreadable) else Refused(_word_of(error)), visit.lang)
        except HubError as error:
            visit.error = sentence(error, visit.lang)
        if visit.error:
            return await self.step(visit, 422, name="scan")
        for name in ("label", "place", "name"):
            visit.fields.pop(name, None)
        return await self.step(visit, name="scan", told=told)

    async def inventory_form(self, visit: Visit) -> web.Response:
        loaded = list[Any]()

        async def load(visit: Visit) -> None:
            loaded.append(await self.inventory(visit))

        async def again(visit: Visit, status: int) -> web.Response:
            return await self.step(visit, status, name="inventory")

        return await done(visit, load, again) or await self.step(visit, name="inventory", loaded=loaded[0])

    def _form(self, work: Any, step: str, where: str = "", said: str = "saved") -> Any:
        """A form of one step: done, that step again."""

        async def again(visit: Visit, status: int) -> web.Response:
            return await self.step(visit, status, name=step)

        async def handler(visit: Visit) -> web.Response:
            zone = {"zone": visit.text("zone")} if visit.fields.get("zone") else {}
            query = urlencode({"said": said, **zone})
            return await done(visit, work, again) or answers.redirect(f"/commissioning/{where or step}?{query}")

        return handler

    async def end(self, visit: Visit) -> Any:
        return await self._site.call("roster.end", by=visit.who)

    async def begin(self, visit: Visit) -> Any:
        return await self._site.call("roster.begin", by=visit.who)

    async def retry(self, visit: Visit) -> Any:
        return await self._site.call("roster.retry", by=visit.who)


def _word_of(error: DecodeError) -> str:
    known = ("photo-large", "photo-time", "photo-crash", "photo-pixels", "photo-unreadable")
    return error.reason if error.reason in known else "photo-unreadable"


def routes(site: Site) -> list[Route]:
    do = Commissioning(site)
    form = do._form

    def page(path: str, handler: Any, upload: int = 0) -> Route:
        return Route("POST", f"/commissioning{path}", handler, WORKS, upload=upload)

    return [
        Route("GET", "/commissioning", do.start, READS),
        Route("GET", "/commissioning/{step}", do.step, READS),
        Route("GET", "/plans/{id}", do.plan_file, READS),
        page("/step", do.step_form),
        Route("POST", "/commissioning/zones", form(do.add_zone, "zones"), AMENDS),
        page("/plan", form(do.add_plan, "plan"), plans.MOST_BYTES),
        page("/plan/remove", form(do.remove_plan, "plan")),
        page("/pin", form(do.pin, "plan")),
        page("/inventory", do.inventory_form, TABLE_BYTES),
        page("/scan", do.scan_form, photos.MOST_BYTES),
        page("/unreadable", form(do.unreadable, "scan")),
        page("/retry", form(do.retry, "scan")),
        page("/rows/{n}/forget", form(do.forget, "scan")),
        page("/rows/{n}/replace", form(do.replace, "scan", said="device-replaced")),
        page("/rows/{n}/key", form(do.key, "scan")),
        page("/end", form(do.end, "report")),
        page("/begin", form(do.begin, "site")),
        get("/commissioning", do.roster, "How commissioning stands: every expected device, and what is to be done"),
        get("/commissioning/report", do.report, "The commissioning report, signed by this hub"),
        post("/commissioning/scan", do.scan, "A scanned label: its device is expected and, if it can be, added",
             WORKS, *SCAN, "how"),
        post("/commissioning/unreadable", do.unreadable, "A device whose label nobody can read", WORKS, "note", "zone"),
        post("/commissioning/zones", do.add_zone, "A zone that was not there, of a site that is", AMENDS, "id", "name",
             "site"),
        post("/commissioning/rows/{n}/replace", do.replace, "Another device in the place of this one", WORKS, "label",
             "device", "key"),
    ]  # fmt: skip


AREA = Area(
    routes, (Entry("commissioning", "/commissioning", "group-field"),), frozenset({"device-replaced", "saved"}), FILES
)
