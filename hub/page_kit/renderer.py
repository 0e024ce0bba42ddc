"""Rendering of templates: Jinja2, everything escaped, undefined names are errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
from jinja2.filters import do_forceescape, do_mark_safe

from hub.i18n.catalogues import translate
from hub.i18n.typography import Dated, dates_whole, fingerprint_lines, typeset, unit_text, whole_text, with_units
from hub.page_kit import formatting, scanning
from hub.page_kit import menu as menus
from hub.page_kit.menu import Entry
from hub.page_kit.messages import message
from hub.page_kit.people.sessions import IDLE_S, LONGEST_S
from hub.page_kit.phrasebook import LANGUAGES, NAMES, Phrasebook
from hub.page_kit.request.visit import Visit
from hub.page_kit.tables import MOST_ROWS

KIT = Path(__file__).parent
_LASTS = {
    "idle": formatting.with_unit(f"{IDLE_S / 3600:g}", "h"),
    "longest": formatting.with_unit(f"{LONGEST_S / 3600:g}", "h"),
}


def _printed(value: Any) -> Any:
    """Return the output of `{{ … }}`."""
    if not isinstance(value, Dated):
        return value
    return do_mark_safe(dates_whole(str(do_forceescape(str(value)))))


class PageRenderer:
    """Renderer of pages. `own`: id of the machine that serves them; `folders`: where templates are, besides the kit's;
    `menu`: pages that people open by their names; `said`: allowed values of `?said=`."""

    def __init__(
        self,
        own: str,
        book: Phrasebook,
        folders: Sequence[Path],
        *,
        menu: Sequence[Entry] = (),
        said: frozenset[str] = frozenset(),
    ) -> None:
        self._own, self._book, self._menu, self._said = own, book, menu, said
        self._plain = lru_cache(maxsize=4096)(book.word)  # a list of devices asks for the same few, row by row
        self.environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader([*folders, KIT / "templates"]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            finalize=_printed,
        )
        self.environment.filters["dated"] = Dated
        self.environment.filters["path"] = lambda text: quote(str(text), safe="")
        self.environment.globals.update(
            finest=formatting.FINEST, COARSE=formatting.COARSE, MOST=MOST_ROWS, decoder=scanning.decoder_there()
        )

    def page(self, name: str, visit: Visit, /, **what: Any) -> str:
        """Return a page in the language of the visit."""
        return self.environment.get_template(f"{name}.html").render({**self.context(name, visit), **what})

    def context(self, name: str, visit: Visit) -> dict[str, Any]:
        """Return what every template may use."""
        lang, word = visit.lang, self._book.word
        account = visit.account
        return {
            "_": lambda key, **filled: self._translated(key, lang, **filled),
            "lang": lang, "colon": "\u00a0:" if lang == "fr" else ":", "own": self._own,
            "visit": visit, "account": account, "csrf": visit.form_token,
            **self._menus(account.role if account else None, name, visit.request.path),
            "page": name, "error": visit.error, "title": "",
            "error_lang": visit.error_lang, "lasts": None, "zone_said": "", "now_said": "",
            "languages": same_page(visit.query, lang),
            "session_lasts": word("session-lasts", lang, **_LASTS),
            "counts": {}, "events": "",
            "said": word(visit.query["said"], lang) if visit.query.get("said") in self._said else "",
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
            "day": lambda text: Dated(formatting.day_text(text, lang)),
            "reading": lambda value, unit="", words=formatting.YES_NO: formatting.value_text(
                value, lang, (word(words[1], lang), word(words[0], lang)), unit
            ),
        }  # fmt: skip

    def _translated(self, key: str, lang: str, **filled: object) -> str:
        if not filled:
            return self._plain(key, lang)
        said = self._book.word(key, lang, **filled)
        return Dated(said) if any(isinstance(one, Dated) for one in filled.values()) else said

    def _menus(self, role: str | None, page: str, path: str) -> dict[str, Any]:
        """Return the menu of a role, which line of it the page at `path` belongs to, and all its pages in groups;
        nothing without a role: nobody is signed in."""
        if role is None:
            return {"menu": [], "menu_rest": [], "menu_all": [], "menu_at": ("", "")}
        lines, others = menus.lines(self._menu, role), menus.others(self._menu, role)
        here = {
            one.key for one in self._menu if one.key == page or (one.href != "/" and path.startswith(f"{one.href}/"))
        }
        found = [one.key for one in lines if one.key in here]
        found += ["settings"] if any(one.key in here for one in others) else [""]
        return {
            "menu": lines, "menu_rest": menus.grouped(others),
            "menu_all": menus.grouped(menus.opened_by(self._menu, role)),
            "menu_at": (found[0], "page" if found[0] == page else "true"),
        }  # fmt: skip

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
