"""The last snapshot: a page that needs neither network nor database, written every minute.

    situation.html     French     situation.en.html   English: style inside, no script, nothing from elsewhere
    situation.pdf      the point de situation
    situation.json     the same as data

Files are replaced one by one, each atomically, and only once everything was read: when the database is gone, the last
ones stay. They show no more than the classes `public` and `internal`. The directory of this machine is 0700; what lies
in the one that the operator names is for that place to protect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from backend.city.crisis import pdf
from backend.city.crisis.sheets import rendered
from backend.city.crisis.situation import Situation
from backend.city.crisis.texts import word
from backend.storage.city.crisis import Sheet
from hub.core.disk.atomic_files import make_directory, write_atomically
from hub.core.text import system_error
from hub.page_kit import formatting

DIRECTORY = "crisis-snapshot"
"""Below the owner's directory."""
NAMES = {"fr": "situation.html", "en": "situation.en.html"}


class Written(NamedTuple):
    """Where a snapshot was written, or why it was not (`problem`, "" where it was)."""

    where: str
    problem: str


def files(one: Situation, sheets: Iterable[Sheet], zone: ZoneInfo) -> dict[str, bytes]:
    """Return the files of a snapshot by name. Blocking: it takes some milliseconds."""
    known = list(sheets)
    made = {name: page(one, known, lang, zone).encode() for lang, name in NAMES.items()}
    made["situation.pdf"] = pdf.point_of_situation(one, "fr", zone)
    made["situation.json"] = msgspec.json.format(msgspec.json.encode(one), indent=1)
    return made


def write(made: Mapping[str, bytes], directories: Iterable[Path]) -> list[Written]:
    """Write the files into each directory; one that refuses keeps none of the others from being written."""
    return [Written(str(directory), _write(made, directory)) for directory in directories]


def _write(made: Mapping[str, bytes], directory: Path) -> str:
    try:
        make_directory(directory)
        for name, data in made.items():
            write_atomically(directory / name, data)
    except OSError as error:
        return str(system_error(error))
    return ""


def page(one: Situation, sheets: list[Sheet], lang: str, zone: ZoneInfo) -> str:
    """Return the page of a snapshot."""

    def said(key: str, **filled: object) -> str:
        return word(f"crisis-{key}", lang, **filled)

    return str(
        _environment()
        .get_template("crisis_snapshot.html")
        .render(
            one=one,
            lang=lang,
            _=said,
            moment=lambda at: formatting.minute_text(at, lang, zone),
            number=lambda value, digits=1: formatting.number(value, digits, lang),
            text=lambda alert: alert.text_fr if lang == "fr" and alert.text_fr else alert.text,
            sheets=[(sheet.name, sheet.title, rendered(sheet.body, lang)) for sheet in sheets],
            other=NAMES["en" if lang == "fr" else "fr"],
        )
    )


@cache
def _environment():  # type: ignore[no-untyped-def]
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
