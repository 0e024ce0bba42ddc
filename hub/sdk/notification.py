"""An alert as a notifier is handed it: a value, a line for people, an object for programs. Pure."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from hub.i18n.ambiguous_time import which
from hub.i18n.typography import quantity, typeset

_SEVERITIES_FR = {"info": "info", "warning": "avertissement", "critical": "critique"}
_SEVERITIES_EN = {"info": "info", "warning": "warning", "critical": "critical"}
_STATES_FR = {
    "raised": "Alerte ({weight})", "acknowledged": "Prise en charge{by}", "muted": "Mise en sourdine",
    "escalated": "Sans réponse, escalade ({weight})", "cleared": "Terminé",
}  # fmt: skip
_STATES_EN = {
    "raised": "Alert ({weight})", "acknowledged": "Acknowledged{by}", "muted": "Muted",
    "escalated": "No answer, escalated ({weight})", "cleared": "Over",
}  # fmt: skip


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it stands, for people. `key` names this very change: who saw it before need not be told again.
    `state_dir` is "raised", "acknowledged", "muted", "escalated" or "cleared"; `severity` "info", "warning" or
    "critical". Times are Unix seconds. `value` is "" where it may not leave the hub."""

    alert: str
    n: int
    rule: str
    state: str
    severity: str
    text: str
    text_fr: str
    value: str = ""
    place: str = ""
    zone: str = ""
    site: str = ""
    device: str = ""
    integration: str = ""
    by: str = ""
    why: str = ""
    raised: float
    changed: float

    @property
    def key(self) -> str:
        return f"{self.alert}-{self.n}"

    def document(self, hub: str) -> dict[str, str | int | float]:
        """It as one JSON object, for programs: its fields, `n` as "change", and the hub's id."""
        fields = msgspec.structs.asdict(self)
        return {"hub": hub, "alert": fields.pop("alert"), "change": fields.pop("n"), **fields}

    def sentence(self, language: str = "fr") -> str:
        """What happened, in one line for people: "fr" or "en"."""
        french = language == "fr"
        words = (_STATES_FR if french else _STATES_EN)[self.state]
        weight = (_SEVERITIES_FR if french else _SEVERITIES_EN)[self.severity]
        by = self.by.partition(":")[2] if self.state == "acknowledged" and ":" in self.by else ""
        what = (self.text_fr if french else self.text) or self.text
        said = f"{words.format(weight=weight, by=f' ({by})' if by else '')}{' : ' if french else ': '}{what}"
        return typeset(said) if french else said

    def amount(self, language: str = "fr") -> str:
        """`value` for people, as "fr" or "en" writes it; "" where there is none."""
        return quantity(self.value, language)

    def since(self, timezone: str, language: str = "fr") -> str:
        """When it was raised, on the clocks of an IANA time zone, as "fr" or "en" writes it. Of the hour that comes
        twice, which of the two."""
        form = "%d/%m/%Y %H:%M" if language == "fr" else "%Y-%m-%d %H:%M"
        local = datetime.fromtimestamp(self.raised, ZoneInfo(timezone))
        twice = which(local)
        return f"{local:{form}} ({timezone}{', ' + twice if twice else ''})"
