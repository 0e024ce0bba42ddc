"""Guides for technicians: the pages of `hub/web/guides`, one folder a language, as HTML and by their sections.

A guide is Markdown (CommonMark and tables): its first heading is its title, the paragraph below says what it is for. In
bold stand words of the hub's own pages, letter by letter. The library that reads Markdown is imported with the first
guide that somebody opens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from hub.i18n.typography import typeset
from hub.web.presentation.searching import Item, plain

if TYPE_CHECKING:
    from markdown_it.token import Token

FOLDER = Path(__file__).parent.parent / "guides"
GROUPS: Mapping[str, Sequence[str]] = msgspec.json.decode((FOLDER / "contents.json").read_bytes())
"""Groups of the guides in the order of the contents, by a key of the pages' sentences."""
NAMES = frozenset(name for names in GROUPS.values() for name in names)
OF_PAGE: Mapping[str, str] = {
    "claim": "commission", "commissioning": "commission", "add": "commission", "radio": "lorawan",
    "strangers": "commission", "enrolment": "commission", "network": "network", "update": "update",
    "todo": "diagnose", "diagnostics": "diagnose", "link": "diagnose", "integrations": "diagnose",
    "device_replace": "repair",
}  # fmt: skip
"""Page -> the guide that helps there."""
LINE = 160
"""Characters of a sentence that stand below the title of a section that was found."""
_HEADINGS = ("h2", "h3")
_BETWEEN = " · "
_SENTENCES = re.compile(r" · |(?<=[.!?]) ")


class Section(NamedTuple):
    """A part of a guide under its heading; `text` without marks."""

    anchor: str
    title: str
    text: str


class Found(NamedTuple):
    """A section, and of which guide: its name and its title."""

    name: str
    guide: str
    section: Section


class Guide(NamedTuple):
    """A guide. `lead`: what it is for, as text; `html`: everything below, escaped."""

    title: str
    lead: str
    html: str
    sections: tuple[Section, ...]


@lru_cache(maxsize=64)
def guide(name: str, lang: str) -> Guide:
    """Return a guide of `NAMES` in a language of the pages."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse((FOLDER / lang / f"{name}.md").read_text())
    title, lead = tokens[1].content, _text(tokens[4])
    body = tokens[6:]
    sections = tuple(_sections(body))
    for token in body:
        for inner in token.children or ():
            _aim(inner)
            if inner.type == "text" and lang == "fr":
                inner.content = typeset(inner.content)
    return Guide(title, lead, parser.renderer.render(body, parser.options, {}), sections)


def pictures() -> Mapping[str, Path]:
    """Return the pictures of the guides by name."""
    return {path.name: path for path in sorted((FOLDER / "img").glob("*.png"))}


def guides(lang: str) -> list[tuple[str, list[tuple[str, Guide]]]]:
    """Return all guides in groups."""
    return [(group, [(name, guide(name, lang)) for name in names]) for group, names in GROUPS.items()]


def items(lang: str) -> list[Item]:
    """Return every section of the guides for a search; what is found: the guide's title, the section, its address."""
    return [
        Item(part.title or one.title, f"{one.title} {part.text}", Found(name, one.title, part))
        for _, members in guides(lang)
        for name, one in members
        for part in one.sections
    ]


def shown(found: Found, asked: str, lang: str) -> dict[str, str]:
    """Return a found section as pages show it, with the sentence of it that holds most words of the search."""
    words = plain(asked).split()
    sentences = [one for one in _SENTENCES.split(found.section.text) if one.strip()] or [""]
    best = max(sentences, key=lambda one: sum(word in plain(one) for word in words))
    return {
        "title": " › ".join(part for part in (found.guide, found.section.title) if part),
        "href": f"/docs/{found.name}" + (f"#{found.section.anchor}" if found.section.anchor else ""),
        "where": "", "about": best if len(best) <= LINE else best[:LINE] + "…", "lang": lang,
    }  # fmt: skip


def _sections(tokens: Sequence[Token]) -> Iterator[Section]:
    """Yield the sections, and give their headings the anchors."""
    anchor, title, texts = "", "", list[str]()
    for at, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag in _HEADINGS:
            if title or texts:
                yield Section(anchor, title, _BETWEEN.join(texts))
            title, texts = _text(tokens[at + 1]), []
            anchor = plain(title).replace(" ", "-")
            token.attrSet("id", anchor)
        elif token.type == "inline" and tokens[at - 1].type != "heading_open":
            texts.append(_text(token))
        elif token.type in ("fence", "code_block"):
            texts.append(token.content)
    yield Section(anchor, title, _BETWEEN.join(texts))


def _text(token: Token) -> str:
    """Return the text of a line without its marks; of a picture, its description."""
    return "".join(
        " " if one.type == "softbreak" else _text(one) if one.type == "image" else one.content
        for one in token.children or ()
    )


def _aim(token: Token) -> None:
    """Point a link between guides, and a picture, to where the hub serves it."""
    if token.type == "link_open":
        name, found, anchor = str(token.attrGet("href")).partition("#")
        if name.endswith(".md"):
            token.attrSet("href", f"/docs/{name.removesuffix('.md')}{found}{anchor}")
    elif token.type == "image":
        token.attrSet("src", f"/docs/img/{str(token.attrGet('src')).rpartition('/')[2]}")
        token.attrSet("loading", "lazy")
