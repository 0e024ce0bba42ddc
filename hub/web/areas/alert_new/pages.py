"""« Alert if… »: chosen and typed, tried on the past, and saved as every change of the configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from hub.config.pydantic_findings import without_foreign_help
from hub.core.errors import ConfigError, HubError
from hub.core.text import phrase
from hub.i18n.catalogues import is_translated, translate
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Visit
from hub.web import charting
from hub.web import config_wording as configuring
from hub.web.area import DRY, TEXT, Area, post
from hub.web.areas.alert_new import choices
from hub.web.areas.alert_new.form import FIELD_OF, KINDS, OF, PLAIN, SEVERITIES, WHEN, Draft, Facts, draft
from hub.web.roles import READS, RULES
from hub.web.site import Site
from hub.web.words import word

APPLY_S = 30.0
"""How long a page waits for a change; it goes on without the page."""
WEEK_S = 7 * 86_400
FIELDS: dict[str, Any] = {**dict.fromkeys((*PLAIN, "base"), TEXT), "inputs": {"type": "object"}}


class AlertNew:
    def __init__(self, site: Site) -> None:
        self._site = site

    # the API

    async def make(self, visit: Visit) -> Any:
        """Add a rule: the fields are text, as people write it. Answers with the rule, the difference of the file, and
        how often it would have fired; `dry_run`: nothing more."""
        inputs = visit.fields.get("inputs")
        given = inputs if isinstance(inputs, dict) else {}
        fields = {name: visit.text(name) for name in PLAIN} | {f"in.{name}": str(text) for name, text in given.items()}
        known = await self._site.call("rule.choices")
        made = await self._judged(fields, visit.lang, known)
        if made.errors:
            raise HubError(
                phrase("fields-wrong", "{problems}", problems=[f"{name}: {why}" for name, why in made.errors.items()])
            )
        edits = self._edits(made, known)
        answer = {"name": made.name, "rule": made.rule, "replay": await self._replay(made)}
        asked = {"edits": edits, "by": visit.who, "base": visit.text("base")}
        if visit.fields.get("dry_run"):
            return {**answer, **await self._site.call("config.diff", **asked)}
        reason = word("alert-new-reason", visit.lang, rule=made.name)
        return {**answer, **await self._site.call("config.apply", **asked, reason=reason, origin=visit.address)}

    async def replay(self, visit: Visit) -> Any:
        asked = {name: visit.fields[name] for name in ("rule", "name", "span_s") if name in visit.fields}
        return await self._site.call("rule.replay", **asked)

    # pages

    async def page(self, visit: Visit) -> web.Response:
        """Show the form for what the address says; ?saved= shows what was saved."""
        saved = visit.query.get("saved", "")
        if saved:
            return await self._saved(visit, saved)
        where, metric = choices.subject(self._site, visit.query), visit.query.get("metric", "")
        template = visit.query.get("template", "")
        if "series" in visit.query:
            line = charting.line_of(self._site, visit.query["series"])
            where, metric = (None, "") if line is None else (f"place:{line.place}", line.metric)
        fields, known = {"where": where or "", "metric": metric, "template": template}, None
        errors: dict[str, str] = {}
        if where is None:
            errors["where"] = phrase("where-not-known", "the address names something that is not here: choose where")
        if metric and choices.metric_of(self._site, metric) is None:
            errors["metric"] = phrase("metric-not-here", "the address names a value that is not known: choose one")
            fields["metric"] = ""
        known = await self._site.call("rule.choices")
        if template and template not in {one["name"] for one in known["templates"]}:
            errors["template"] = phrase("template-not-here", "the address names a template that is not here")
            fields["template"] = ""
        return await self._form(visit, 400 if errors else 200, fields, errors, known)

    async def send(self, visit: Visit) -> web.Response:
        """Try the fields on the past and show what would be written; with {save}, write it."""
        fields = {name: visit.text(name) for name in visit.fields}
        known = await self._site.call("rule.choices")
        made = await self._judged(fields, visit.lang, known)
        if made.errors:
            return await self._form(visit, 422, fields, made.errors, known)
        try:
            if fields.get("save"):
                await self._save(visit, made, known, fields.get("base", ""))
                return answers.redirect(f"/alerts/new?{urlencode({'saved': made.name})}")
            tried = await self._tried(visit, made, known)
        except HubError as error:
            configuring.show_refusal(visit, error)
            return await self._form(visit, 422, fields, {}, known)
        return await self._form(visit, 200, fields, {}, known, tried)

    async def _save(self, visit: Visit, made: Draft, known: Mapping[str, Any], base: str) -> None:
        work = self._site.call(
            "config.apply",
            edits=self._edits(made, known),
            base=base,
            by=visit.who,
            reason=word("alert-new-reason", visit.lang, rule=made.name),
            origin=visit.address,
        )
        try:
            await asyncio.wait_for(work, APPLY_S)
        except TimeoutError:
            return  # the page that follows says how it stands

    async def _tried(self, visit: Visit, made: Draft, known: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the page shows of a rule before it is saved."""
        plan = await self._site.call("config.diff", edits=self._edits(made, known), by=visit.who)
        replay = await self._replay(made)
        template = next((one for one in known["templates"] if one["name"] == made.rule.get("template")), None)
        severity = made.rule.get("severity") or (template["severity"] if template else "warning")
        where = {choices.zone_of(self._site, f"place:{place}") for place in made.rule.get("places", ())}
        return {
            "replay": replay,
            "chart": await self._chart(visit, made, replay, severity),
            "lines": configuring.rows(plan["diff"], visit.lang),
            "base": plan.get("base", ""),
            "where": self._where(made.rule, visit.lang),
            "severity": severity,
            "told": choices.told(known["notifiers"], made.rule, severity, where | set(made.rule.get("zones", ()))),
        }

    def _where(self, rule: Mapping[str, Any], lang: str) -> str:
        """Return the name of the place or zone that a rule watches."""
        if rule.get("places"):
            return self._site.place_name(rule["places"][0])
        if rule.get("zones"):
            return self._site.name_of("zone", rule["zones"][0], "", lang) or str(rule["zones"][0])
        return word("alert-new-all", lang)

    async def _replay(self, made: Draft) -> Any:
        return await self._site.call("rule.replay", rule=made.rule, name=made.name, span_s=WEEK_S)

    async def _chart(self, visit: Visit, made: Draft, replay: Mapping[str, Any], severity: str) -> Any:
        """Return the chart of the watched value at one place, with the threshold and the times it would have fired."""
        [place, *others] = made.rule.get("places") or [""]
        if not place or others or replay["from"] is None:
            return None
        told = await self._site.call("rule.compiled", rule=made.rule, name=made.name)
        if not told["metric"]:
            return None
        device = next((one.id for one in self._site.parts.devices if one.place == place), "")
        line = charting.Line(told["metric"], place, device)
        drawn = await charting.chart_of(self._site, [line], replay["from"], replay["to"], visit.lang)
        strips = [
            (one["begin"], one["end"], severity, word("alert-new-would", visit.lang)) for one in replay["episodes"]
        ]
        return drawn._replace(raised=strips, limits=_limits(told, drawn, severity, made.name))

    async def _form(
        self,
        visit: Visit,
        status: int,
        fields: Mapping[str, str],
        errors: Mapping[str, str],
        known: Mapping[str, Any],
        tried: Mapping[str, Any] | None = None,
    ) -> web.Response:
        where = fields.get("where", "")
        shown = await self._site.call("config.show")
        zones, groups, many = choices.places(self._site, where)
        here, others = choices.metrics(self._site, where or "all", visit.lang)
        metric = choices.metric_of(self._site, fields.get("metric", ""))
        template = next((one for one in known["templates"] if one["name"] == fields.get("template")), None)
        return self._site.page(
            "alert_new",
            visit,
            status,
            fields=fields,
            errors={name: translate(why, visit.lang) for name, why in errors.items()},
            managed=shown["managed_by"] or "-" if shown.get("mode") == "managed" else "",
            zones_here=zones,
            groups=groups,
            many=many,
            here=here,
            others=others,
            metric=metric,
            when=fields.get("when") or KINDS[metric.kind if metric is not None else "number"].default,
            conditions=WHEN,
            calculations=OF,
            severities=SEVERITIES,
            schedules=known["schedules"],
            templates=known["templates"],
            template=template,
            notifiers=known["notifiers"],
            tried=tried,
            titled=lambda one: choices.titled(one, visit.lang),
            link=lambda **more: _link(fields, more),
            more=bool({*errors, *(name for name, text in fields.items() if text not in ("", "value"))} & MORE),
        )

    async def _saved(self, visit: Visit, name: str) -> web.Response:
        """Show how a rule that was saved stands, and the way back."""
        known, progress = await self._site.call("rule.choices"), await self._site.call("config.progress")
        revisions = (await self._site.call("config.log"))["revisions"]
        newest = revisions[0] if revisions else {}
        return self._site.page(
            "alert_saved",
            visit,
            rule=name,
            there=name in known["rules"],
            busy=bool(progress["stage"]),
            last=progress["last"],
            back=newest.get("parent", "") if newest.get("runs") and name in known["rules"] else "",
        )

    # what both share

    async def _judged(self, fields: Mapping[str, str], lang: str, known: Mapping[str, Any]) -> Draft:
        """Return the rule of the fields, judged as the whole file would be."""
        facts = Facts(
            places={place.id: place.zone for place in self._site.parts.places},
            zones=self._site.parts.zones,
            rules=known["rules"],
            schedules=known["schedules"],
            templates={one["name"]: one for one in known["templates"]},
            metric=lambda key: choices.metric_of(self._site, key),
        )
        made = draft(fields, lang, facts)
        if made.errors:
            return made
        try:
            await self._site.call("rule.compiled", rule=made.rule, name=made.name)
        except ConfigError as error:
            for problem in error.problems:
                option = problem.path.removeprefix(f"rules.{made.name}").removeprefix(".")
                inputs, _, asked = option.partition(".")
                name = f"in.{asked}" if inputs == "inputs" and asked else FIELD_OF.get(option.partition("[")[0], option)
                said = without_foreign_help(problem.message, lambda help: is_translated(help, lang))
                made.errors.setdefault(name or "where", said)
        return made

    def _edits(self, made: Draft, known: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the edits of the file: the rule, and its places where only the store has them."""
        found = []
        named = [*made.rule.get("places", ())]
        if "minus" in made.rule:
            named.append(made.rule["minus"].partition("/")[0])
        for one in dict.fromkeys(named):
            place = self._site.parts.places.get(one)
            if place is not None and one not in known["places"]:
                value = {"zone": place.zone, **({"name": place.name} if place.name else {})}
                found.append({"path": ["places", one], "value": value})
        return [*found, {"path": ["rules", made.name], "value": made.rule}]


MORE = frozenset(PLAIN) - {"where", "metric", "when", "value", "template"}
"""Fields that are folded."""


def _link(fields: Mapping[str, str], more: Mapping[str, str]) -> str:
    """Return the address of this page for the same subject."""
    kept = {name: fields[name] for name in ("where", "metric") if fields.get(name)}
    return f"/alerts/new?{urlencode({**kept, **more})}"


def _limits(told: Mapping[str, Any], drawn: charting.Chart, severity: str, name: str) -> list[dict[str, Any]]:
    if told["limit"] is None or not told["plain"]:
        return []
    return [{
        "name": name, "at": told["limit"], "clears": told["clears"], "up": told["up"],
        "of": "", "severity": severity, "timed": told["timed"], "unit": drawn.lines[0]["unit"],
        "ucum": drawn.units[0], "lines": [], "always": True,
    }]  # fmt: skip


def routes(site: Site) -> list[Route]:
    do = AlertNew(site)
    return [
        Route("GET", "/alerts/new", do.page, RULES),
        Route("POST", "/alerts/new", do.send, RULES),
        post("/alerts/new", do.make, "Add a rule that raises an alert, from fields as people write them", RULES,
             **FIELDS, **DRY),
        post("/rules/replay", do.replay, "How often a rule would have fired: {rule}, options as in the file, or {name}",
             READS, rule={"type": "object"}, name=TEXT, span_s={"type": "number"}),
    ]  # fmt: skip


AREA = Area(routes, order=31)
