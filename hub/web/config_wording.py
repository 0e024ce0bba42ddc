"""Presentation of the configuration's answers: forms and errors in the reader's language, a difference that fits a
phone. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote, unquote

from hub.config.positions import dotted
from hub.config.pydantic_findings import missing_options, without_foreign_help
from hub.core.errors import ConfigError, HubError
from hub.core.text import reason_of
from hub.i18n.catalogues import is_translated, split
from hub.page_kit.request.visit import Visit
from hub.web.roles import ADMINISTRATEUR
from hub.web.words import word
from hub.web.words.options import about, title, unit

MOST_ENTRIES = 100
AWAY = re.compile(r"(://)[^/@\s]*@")
"""User name and password in an address, which are not shown."""
_PLACE = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)")


def may_edit(visit: Visit, shown: Mapping[str, Any]) -> bool:
    """Return whether this visitor may change the configuration here."""
    return visit.person.role == ADMINISTRATEUR and shown.get("mode") != "managed"


def show_refusal(visit: Visit, error: HubError) -> None:
    """Put the hub's refusal on the page, in the reader's language where that is known."""
    found = as_dicts(error) if isinstance(error, ConfigError) else [{"message": reason_of(error)}]
    said = problems(found, visit.lang)
    visit.error = " · ".join(one["text"] for one in said[:10])
    visit.error_lang = "en" if any(one["lang"] == "en" for one in said) else visit.lang


def as_dicts(error: ConfigError) -> list[dict[str, Any]]:
    """Return the problems as `config.check` answers them."""
    return [asdict(one) for one in error.problems]


def quoted(text: str) -> str:
    """Quote text for a query."""
    return quote(text, safe="")


def decode_path(text: object) -> list[str]:
    """Split `/`-separated keys, percent-encoded."""
    return [unquote(part) for part in str(text).split("/") if part][:20]


def encode_path(parts: Sequence[str]) -> str:
    """Join and encode keys."""
    return "/".join(quote(part, safe="") for part in parts)


def names(at: Sequence[str], lang: str, own: Sequence[str] = ()) -> list[str]:
    """Return a path in words; names from the file, a zone or a device, stay unchanged."""
    by_name = ("integrations", "notifiers", "exporters", "sites", "zones", "places", "devices", "buses", "rules")
    shown = []
    for number, part in enumerate(at):
        named = number > 0 and at[number - 1] in (*by_name, "uplinks", "schedules", "calendars", "templates")
        said = own[number] if number < len(own) else ""
        shown.append(part if named else title(part, lang, at[:number], said))
    return shown


def translated_form(form: dict[str, Any], lang: str) -> dict[str, Any]:
    """Return a form with its titles and texts in the reader's language."""
    form["about"], form["about_lang"] = about(form["about"], lang, form.get("french", {}).get("help", ""))
    for field in form["fields"]:
        french = field.get("french", {})
        field["title"], field["wrong"] = title(field["name"], lang, form["path"], french.get("title", "")), []
        field["unit"] = unit(field["unit"], lang)
        field["about"], field["about_lang"] = about(field["about"], lang, french.get("help", ""))
        field["shown_default"] = field["default"].replace("\n", ", ")
        if field["kind"] == "truth" and field["default"]:
            field["shown_default"] = word(f"config-{field['default']}", lang)
    return form


def entries(form: Mapping[str, Any], asked: str) -> dict[str, Any]:
    """Return the entries of a mapping that match a search: a phone cannot scroll through 2,000."""
    wish = asked.casefold().strip()[:100]
    found = [name for name in form["entries"] if wish in name.casefold()]
    return {"all": len(found), "shown": found[:MOST_ENTRIES], "q": asked[:100]}


def problems(found: Sequence[Mapping[str, Any]], lang: str) -> list[dict[str, Any]]:
    """Return the errors, each with its `text` and the language of that."""
    shown = []
    for one in found:
        message = without_foreign_help(one["message"], lambda help: is_translated(help, lang))
        said = split(message, lang)
        english = lang == "en" or bool(said.quoted)
        shown.append({**one, "text": one["message"] if english else said.text, "lang": "en" if english else lang})
    return shown


def with_field_links(form: dict[str, Any], found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the errors, and attach those of a field to it: `field` is the link's target."""
    base = [str(part) for part in form["path"]]
    for one in found:
        one["field"] = one["title"] = ""
        for field in form["fields"]:
            where = dotted((*base, field["name"]))
            missing = one["path"] == dotted(tuple(base)) and field["name"] in missing_options(one["message"])
            if missing or one["path"] == where or one["path"].startswith((f"{where}.", f"{where}[")):
                one["field"], one["title"] = f"f-{field['name']}", field["title"]
                field["wrong"].append(one)
                break
    return list(found)


def rows(diff: str, lang: str) -> list[dict[str, str]]:
    """Return a unified diff as rows: {sign, mark, text}."""
    found, file = [], ""
    for line in diff.splitlines():
        if line.startswith("+++ "):
            file = line[4:].removesuffix(" (new)")
        elif match := _PLACE.match(line):
            found.append({"sign": "place", "mark": "", "text": word("config-place", lang, file=file, line=match[1])})
        elif not line.startswith("--- "):
            sign = {"+": "more", "-": "less"}.get(line[:1], "same")
            found.append({"sign": sign, "mark": {"more": "+", "less": "−"}.get(sign, ""), "text": line[1:]})
    return found


def changes(form: Mapping[str, Any], edits: Sequence[Mapping[str, Any]], lang: str) -> list[dict[str, str]]:
    """Return the changes of a form, option by option: {title, name, old, new}."""
    fields = {field["name"]: field for field in form["fields"]}
    found = []
    for edit in edits:
        field = fields.get(str(edit["path"][-1]))
        if field is None or len(edit["path"]) != len(form["path"]) + 1:
            continue
        before = field["value"] or field["shown_default"] or "–"
        after = field["shown_default"] or "–" if edit.get("remove") else _value(edit["value"], lang)
        found.append({"title": field["title"], "name": field["name"], "old": _truth_word(before, lang), "new": after})
    return found


def _value(value: Any, lang: str) -> str:
    if isinstance(value, bool):
        return word("config-true" if value else "config-false", lang)
    if isinstance(value, Mapping):
        return f"!secret {value.get('!secret', '')}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _truth_word(text: str, lang: str) -> str:
    return word(f"config-{text}", lang) if text in ("true", "false") else text.replace("\n", ", ")
