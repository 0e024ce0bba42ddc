"""Calls about privacy, for people: rules in plain words, counts of withheld data, the register and the draft of the
impact assessment, from the running configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec

from hub.config.model import Core
from hub.core.calls import Call
from hub.core.clock import Clock
from hub.core.counters import Counts
from hub.core.errors import HubError
from hub.core.model import Metric
from hub.core.text import phrase
from hub.identity.enrolment import Enrolment
from hub.privacy.rules_engine import Privacy
from hub.privacy.rules_engine.data_categories import KINDS, is_dwelling
from hub.privacy.window_publisher import WindowPublisher

COUNTED = (
    "withheld-personal", "withheld-by-rule", "withheld-no-consent", "gathered", "too-few-to-publish", "late-for-window",
    "undated-for-window", "window-missing",
)  # fmt: skip


class PrivacyCalls:
    """Calls about privacy. `declared` returns the metrics beyond `metrics` that plugins declared."""

    def __init__(
        self,
        core: Core,
        privacy: Privacy,
        protecting: WindowPublisher,
        counts: Counts,
        clock: Clock,
        metrics: Mapping[str, Metric],
        *,
        enrolled: Enrolment,
        declared: Callable[[], set[str]],
    ) -> None:
        self._core, self._privacy, self._protecting, self._counts = core, privacy, protecting, counts
        self._clock, self._metrics, self._hub, self._declared = clock, metrics, enrolled.hub, declared
        self._recipients = [urlsplit(enrolled.url).hostname or enrolled.url]

    def reconfigure(self, core: Core) -> None:
        """Apply the configuration."""
        self._core = core

    def calls(self) -> dict[str, Call]:
        """privacy.view {lang} · privacy.document {what: register | register.csv | dpia} → {name, text}"""
        return {"privacy.view": self._view, "privacy.document": self._document}

    def status(self) -> dict[str, Any]:
        return {"withheld": sum(self._counts.total(event) for event in COUNTED[:3])}

    def complaints(self) -> list[str]:
        """Return rules about metrics of plugins that nothing declares: they would protect nothing."""
        known = self._metrics.keys() | self._declared()
        return [
            phrase(
                "privacy-rule-of-undeclared-metric",
                "privacy rule {rule} names {metric}, which no plugin, pack or device declares: it protects nothing "
                "there",
                rule=name,
                metric=metric,
            )
            for name, rule in self._core.privacy.rules.items()
            for metric in rule.plugin_metrics
            if metric not in known
        ]

    async def _view(self, arguments: dict[str, Any]) -> dict[str, Any]:
        from hub.privacy.rules_engine.register import (
            processings,
        )  # imported late, here and below: rarely read texts
        from hub.privacy.rules_engine.texts import describe_data, does

        lang = "en" if arguments.get("lang") == "en" else "fr"
        core, metrics = self._core, self._metrics
        return {
            "processings": [msgspec.to_builtins(one) for one in processings(core, metrics, lang)],
            "rules": [
                {"name": rule.name, "about": describe_data(rule, metrics, lang), "does": does(rule, lang),
                 "zones": sorted(rule.zones), "purpose": rule.purpose}
                for rule in self._privacy.rules
            ],
            "zones": [
                {"zone": name, "name": zone.name, "dwelling": is_dwelling(zone.use),
                 "rules": [rule.name for rule in self._privacy.rules if not rule.zones or name in rule.zones],
                 "purposes": dict(zone.personal)}
                for name, zone in core.zones.items()
            ],
            "withheld": {event: n for event in COUNTED if (n := self._counts.total(event))},
            "figures": [
                {"of": one.unit.device, "metric": one.unit.metric, "value": one.value,
                 "unit": one.shape.columns[0].unit if one.shape.columns else "", "start": one.start}
                for one in self._protecting.published.values()
            ],
            "kinds": [
                {"name": kind.fr if lang == "fr" else kind.en, "privacy": kind.privacy, "days": kind.retention_days,
                 "purpose": kind.purpose_fr if lang == "fr" else kind.purpose_en}
                for kind in KINDS
            ],
        }  # fmt: skip

    async def _document(self, arguments: dict[str, Any]) -> dict[str, str]:
        from hub.privacy.rules_engine.register import dpia_markdown, register_csv, register_markdown

        what = str(arguments.get("what", ""))
        day = f"{datetime.fromtimestamp(self._clock.now(), ZoneInfo(self._core.timezone)):%d/%m/%Y}"
        facts = (self._core, self._metrics, day, self._hub, self._recipients)
        if what == "register":
            return {"name": "registre-des-traitements.md", "text": register_markdown(*facts)}
        if what == "register.csv":
            text = register_csv(self._core, self._metrics, self._recipients)
            return {"name": "registre-des-traitements.csv", "text": text}
        if what == "dpia":
            return {"name": "analyse-d-impact.md", "text": dpia_markdown(*facts)}
        raise HubError(phrase("privacy-document-unknown", "a document is register, register.csv or dpia"))
