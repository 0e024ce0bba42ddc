"""Reasons why a device in quarantine is not admitted, in the language of the page. Pure."""

from __future__ import annotations

from collections.abc import Callable

from hub.i18n.catalogues import translate
from hub.onboarding.adoption.device_status import REFUSED
from hub.pipeline.admission.quarantine import REFUSALS
from hub.web.words import word

REASONS = {
    "not in the configuration": "why-not-configured", "found": "why-found", "needs a key": "why-needs-key",
}  # fmt: skip
_MEANINGS = {refusal.meaning: slug for slug, refusal in REFUSALS.items()}


def waiting_reason(lang: str) -> Callable[[str], str]:
    """Return a function from a reason to its words in the language of the page."""

    def text(reason: str) -> str:
        if reason in REASONS:
            return word(REASONS[reason], lang)
        slug = _MEANINGS.get(reason, "")
        return translate(REFUSED[slug], lang) if slug in REFUSED else reason

    return text
