"""Rendering of templates: Jinja2, everything escaped, undefined names are errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
from jinja2.filters import do_forceescape, do_mark_safe

from hub.core.actor import who
from hub.i18n.catalogues import translate
from hub.i18n.typography import Dated, dates_whole, fingerprint_lines, typeset, unit_text, whole_text, with_units
from hub.web import formatting, scanning
from hub.web.menu import GROUPS, Entry
from hub.web.people.sessions import IDLE_S, LONGEST_S
from hub.web.presentation import views
from hub.web.presentation.messages import message
from hub.web.request.routes import ADMINISTRATEUR, WORKS
from hub.web.request.visit import Visit
from hub.web.words import LANGUAGES, NAMES, word

HERE = Path(__file__).parent
_LASTS = {
    "idle": formatting.with_unit(f"{IDLE_S / 3600:g}", "h"),
    "longest": formatting.with_unit(f"{LONGEST_S / 3600:g}", "h"),
}


def _printed(value: Any) -> Any:
    """Return the output of `{{ … }}`."""
    if not isinstance(value, Dated):
        return value
    return do_mark_safe(dates_whole(str(do_forceescape(str(value)))))


def _translated(key: str, lang: str, **filled: object) -> str:
    said = word(key, lang, **filled)
    return Dated(said) if any(isinstance(one, Dated) for one in filled.values()) else said


class Renderer:
    """Renderer of pages. `hub` is the hub's id; `said`: allowed values of `?said=`."""

    def __init__(self, hub: str, menu: Sequence[Entry], said: frozenset[str]) -> None:
        self._hub, self._menu, self._said = hub, menu, said
        self._pages = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            finalize=_printed,
        )
        self._pages.filters["dated"] = Dated
        self._pages.filters["path"] = lambda text: quote(str(text), safe="")
        self._pages.globals.update(
            loudness=views.signal_word,
            finest=formatting.FINEST,
            COARSE=formatting.COARSE,
            strongest=views.strongest,
            MOST=views.MOST_ROWS,
            decoder=scanning.decoder_there(),
        )

    def page(self, name: str, visit: Visit, /, **what: Any) -> str:
        """Return a page in the language of the visit."""
        lang = visit.lang
        account = visit.account
        role = account.role if account else ""
        context = {
            "_": lambda key, **filled: _translated(key, lang, **filled),
            "lang": lang, "colon": "\u00a0:" if lang == "fr" else ":", "hub": self._hub,
            "visit": visit, "account": account, "csrf": visit.form_token,
            "menu": self._groups(role) if account else [],
            "within": lambda href: href != "/" and visit.request.path.startswith(f"{href}/"),
            "works": role in WORKS, "rules": role == ADMINISTRATEUR, "page": name, "error": visit.error, "title": "",
            "error_lang": visit.error_lang, "lasts": None, "zone_said": "", "now_said": "",
            "languages": same_page(visit.query, lang),
            "session_lasts": word("session-lasts", lang, **_LASTS),
            "counts": {}, "said": word(visit.query["said"], lang) if visit.query.get("said") in self._said else "",
            "fingerprint_parts": lambda text: fingerprint_lines(text, 4),
            "unit": lambda text: unit_text(text, lang),
            "say": typeset if lang == "fr" else with_units,
            "message": lambda sentence: message(sentence, lang),
            "translated": lambda text: translate(text, lang),
            "size": lambda size: formatting.size_text(size, lang),
            "span": lambda seconds: formatting.span_text(seconds, lang),
            "number": lambda value, digits=0: formatting.number(value, digits, lang),
            "whole": lambda value: whole_text(value, lang),
            "wish": lambda text: formatting.duration_text(text, lang),
            "who": lambda by: translate(who(by), lang),
            "day": lambda text: Dated(formatting.day_text(text, lang)),
            "reading": lambda value, unit="": formatting.value_text(
                value, lang, (word("no", lang), word("yes", lang)), unit
            ),
        }  # fmt: skip
        return self._pages.get_template(f"{name}.html").render({**context, **what})

    def _groups(self, role: str) -> list[tuple[str, list[Entry]]]:
        """Return the menu of a role: (group, its lines), without empty groups."""
        found = [
            (group, [one for one in self._menu if one.group == group and (one.roles is None or role in one.roles)])
            for group in GROUPS
        ]
        return [(group, lines) for group, lines in found if lines]

    def error(self, visit: Visit, status: int, text: str) -> str:
        """Return an error page."""
        return self.page("error", visit, status=status, text=text)


def same_page(query: Mapping[str, str], lang: str, path: str = "") -> list[tuple[str, str, str]]:
    """Return (language, its name, address) of a page in each other language, with its search and filters: of this page
    without a `path`."""
    kept = {name: text for name, text in query.items() if name not in ("lang", "said")}
    return [
        (one, NAMES.get(one, one), f"{path}?{urlencode({**kept, 'lang': one})}") for one in LANGUAGES if one != lang
    ]
