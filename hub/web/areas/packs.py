"""Device packs: installed ones, upload of another version, import of others' codecs, and payloads that wait for one."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from hub.core.errors import HubError
from hub.core.text import phrase
from hub.devices.packs.archive import MAX_ARCHIVE_BYTES
from hub.page_kit.menu import Entry
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import API, Route
from hub.page_kit.request.visit import Visit
from hub.rpc.pack_imports import MAX_IMPORT_BYTES
from hub.web.area import DRY, TEXT, TRUTH, Area, delete, get, post, run_form
from hub.web.roles import READS, WORKS
from hub.web.site import Site

TAKE, OTHER = "take", "other"
FACTS = ("vendor", "model", "mac", "class")
MOST_VALUES = 256
"""Values of one draft; the form has three fields for each, and few beside."""
DECISIONS: Mapping[str, Any] = {
    "type": "array",
    "items": {"type": "object", "properties": dict.fromkeys(("path", "decision", "metric", "scale"), TEXT)},
}
FILE = {"archive": {"type": "string", "contentMediaType": "application/zip"}}


class Packs:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def packs(self, visit: Visit) -> Any:
        status = await self._site.cached_call("status")
        waiting = await self._site.call("pack.drafts")
        return {**await self._site.cached_call("pack.list"), **waiting, "kept": status["kept"]}

    async def install(self, visit: Visit) -> Any:
        file = visit.files.get("archive")
        if file is None or not file.data:
            raise HubError(phrase("choose-zip-file", "choose the ZIP file of a pack first"))
        return await self._site.call(
            "pack.install",
            archive=base64.b64encode(file.data).decode(),
            by=visit.who,
            untested=bool(visit.fields.get("untested")),
            dry_run=bool(visit.fields.get("dry_run")),
        )

    async def bring(self, visit: Visit) -> Any:
        """Import the codecs of a file; their drafts wait for a person."""
        file = visit.files.get("archive")
        if file is None or not file.data:
            raise HubError(phrase("choose-codec-file", "choose a file with a codec first: ZIP, JavaScript or JSON"))
        return await self._site.call(
            "pack.import",
            archive=base64.b64encode(file.data).decode(),
            name=file.name,
            vendor=visit.text("vendor"),
            payload=visit.text("payload"),
            by=visit.who,
        )

    async def draft(self, visit: Visit) -> Any:
        return await self._site.call("pack.draft", pack=visit.parts["pack"])

    async def decide(self, visit: Visit) -> Any:
        facts = {key: visit.text(key) for key in FACTS}
        return await self._site.call(
            "pack.decide",
            pack=visit.parts["pack"],
            decisions=visit.fields.get("decisions"),
            untested=bool(visit.fields.get("untested")),
            dry_run=bool(visit.fields.get("dry_run")),
            by=visit.who,
            **facts,
        )

    async def discard(self, visit: Visit) -> Any:
        return await self._site.call("pack.discard", pack=visit.parts["pack"], by=visit.who)

    async def redecode(self, visit: Visit) -> Any:
        answer = await self._site.call("redecode")
        await self._site.note(visit.who, {"web": "kept payloads read again"})
        return answer

    async def page(self, visit: Visit, status: int = 200) -> web.Response:
        return self._packs_page(visit, status, await self.packs(visit), {})

    def _packs_page(self, visit: Visit, status: int, packs: Any, left_out: dict[str, str]) -> web.Response:
        return self._site.page(
            "packs", visit, status, **packs, left_out=left_out, most=MAX_ARCHIVE_BYTES, most_import=MAX_IMPORT_BYTES
        )

    async def import_form(self, visit: Visit) -> web.Response:
        made: dict[str, Any] = {}

        async def work(visit: Visit) -> None:
            made.update(await self.bring(visit))

        if (refused := await run_form(visit, work, self.page)) is not None:
            return refused
        if made["left_out"] or not made["drafts"]:
            return self._packs_page(visit, 200, await self.packs(visit), made["left_out"])
        if len(made["drafts"]) > 1:
            return answers.redirect("/packs?said=pack-imported#imports")
        return answers.redirect(f"/packs/imports/{made['drafts'][0]['pack']}")

    async def review(self, visit: Visit, status: int = 200) -> web.Response:
        draft = await self.draft(visit)
        names = {key: self._site.metric_name("", key, visit.lang) for key in draft["metrics"]}
        return self._site.page("pack_review", visit, status, draft=draft, names=names, fields=visit.fields)

    async def review_form(self, visit: Visit) -> web.Response:
        if visit.fields.get("act") == "discard":
            refused = await run_form(visit, self.discard, self.review)
            return refused or answers.redirect("/packs?said=pack-discarded#imports")
        draft = await self.draft(visit)
        visit.fields["decisions"] = [_decision(visit, n, one["path"]) for n, one in enumerate(draft["proposed"])]
        return await run_form(visit, self.decide, self.review) or answers.redirect("/packs?said=pack-installed")

    async def install_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.install, self.page) or answers.redirect("/packs?said=pack-installed")

    async def redecode_form(self, visit: Visit) -> web.Response:
        return await run_form(visit, self.redecode, self.page) or answers.redirect("/packs?said=redecoded")


def _decision(visit: Visit, number: int, path: str) -> dict[str, str]:
    """Return the decision on one value: another metric than the guessed one is taken with its own factor."""
    word = visit.text(f"d{number}")
    if word != OTHER:
        return {"path": path, "decision": word}
    return {
        "path": path, "decision": TAKE, "metric": visit.text(f"m{number}") or "-", "scale": visit.text(f"s{number}"),
    }  # fmt: skip


def routes(site: Site) -> list[Route]:
    do = Packs(site)

    async def install(visit: Visit) -> web.Response:
        return answers.json(await do.install(visit))

    async def bring(visit: Visit) -> web.Response:
        return answers.json(await do.bring(visit))

    draft = "/packs/imports/{pack}"
    return [
        Route("GET", "/packs", do.page, READS),
        Route("POST", "/packs", do.install_form, WORKS, upload=MAX_ARCHIVE_BYTES),
        Route("POST", "/packs/redecode", do.redecode_form, WORKS),
        Route("POST", "/packs/import", do.import_form, WORKS, upload=MAX_IMPORT_BYTES),
        Route("GET", draft, do.review, WORKS),
        Route("POST", draft, do.review_form, WORKS, fields=3 * MOST_VALUES + 16),
        get("/packs", do.packs, "Device packs, and how many payloads wait for one"),
        Route("POST", "/api/1/packs", install, WORKS, API, "Test and install a pack out of a ZIP file",
              body={**FILE, "untested": TRUTH, **DRY}, upload=MAX_ARCHIVE_BYTES),
        Route("POST", "/api/1/packs/import", bring, WORKS, API, "Import codecs of others; a person decides on them",
              body={**FILE, "vendor": TEXT, "payload": TEXT}, upload=MAX_IMPORT_BYTES),
        get(draft, do.draft, "An imported pack that waits for a person: its values and what they may be", WORKS),
        post(draft, do.decide, "Decide on an imported pack and install it", WORKS, *FACTS,
             decisions=DECISIONS, untested=TRUTH, **DRY),
        delete(draft, do.discard, "Discard an imported pack", WORKS),
        post("/redecode", do.redecode, "Read again what no codec could read", WORKS),
    ]  # fmt: skip


SAID = frozenset({"pack-installed", "pack-imported", "pack-discarded", "redecoded"})
AREA = Area(routes, (Entry("packs", "/packs", "group-hub"),), SAID, order=150)
