"""Reasons why a device in quarantine is not admitted, in the language of the page. Pure."""

from __future__ import annotations

from collections.abc import Callable

from hub.i18n.catalogues import translate
from hub.web.words import word

REASONS = {
    "not in the configuration": "why-not-configured", "found": "why-found", "needs a key": "why-needs-key",
}  # fmt: skip


def waiting_reason(lang: str) -> Callable[[str], str]:
    """Return a function from a reason to its words in the language of the page."""

    def text(reason: str) -> str:
        return word(REASONS[reason], lang) if reason in REASONS else translate(reason, lang)

    return text
