"""The guides for technicians: the same in both languages, true to the pages' words, for everybody, found by words."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.web.presentation import guides as shelf
from hub.web.words import BOOK, word

from .web_kit import Pages

LANGUAGES = ("fr", "en")
EACH = [(lang, name) for lang in LANGUAGES for name in sorted(shelf.NAMES)]


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path) as made:
        yield made


def source(lang: str, name: str) -> str:
    return (shelf.FOLDER / lang / f"{name}.md").read_text()


def words_of_pages(lang: str) -> set[str]:
    """Every form of every sentence of the pages in a language."""
    said = {word(key, lang) if "{" not in text and "|" not in text else BOOK.template(key, lang)
            for key, text in BOOK.phrases.items()}  # fmt: skip
    forms = set()
    for text in said:
        forms |= {re.sub(r"\[([^|\]]*)\|([^\]]*)\]", rf"\{part}", text) for part in (1, 2)}
    return {plainly(text) for text in forms}


def plainly(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\u2060", "").replace("’", "'")).strip()


def test_the_folders_hold_the_guides_that_are_listed_and_no_other() -> None:
    for lang in LANGUAGES:
        assert {path.stem for path in (shelf.FOLDER / lang).glob("*.md")} == shelf.NAMES
    assert set(shelf.OF_PAGE.values()) <= shelf.NAMES


@pytest.mark.parametrize("name", sorted(shelf.NAMES))
def test_a_guide_has_the_same_parts_steps_rows_and_pictures_in_both_languages(name: str) -> None:
    def shape(lang: str) -> list[str]:
        made = shelf.guide(name, lang).html
        return re.findall(r"<(h2|h3|li|tr|pre|img|a)\b", made)

    assert shape("fr") == shape("en")
    for lang in LANGUAGES:
        made = shelf.guide(name, lang)
        assert made.title
        assert made.lead
        assert len(made.sections) >= 2
        anchors = [part.anchor for part in made.sections if part.title]
        assert len(set(anchors)) == len(anchors), "an anchor leads to one place"


@pytest.mark.parametrize(("lang", "name"), EACH)
def test_a_word_in_bold_is_a_word_of_the_pages(lang: str, name: str) -> None:
    bold = {plainly(" ".join(text.split())) for text in re.findall(r"\*\*(.+?)\*\*", source(lang, name), re.DOTALL)}
    unknown = bold - words_of_pages(lang)
    assert not unknown


def test_a_word_that_no_page_says_is_noticed() -> None:
    assert plainly("Un bouton qui n'existe pas") not in words_of_pages("fr")
    assert plainly("Adopter") in words_of_pages("fr")


@pytest.mark.parametrize(("lang", "name"), EACH)
def test_each_link_leads_to_a_part_of_a_guide_and_each_picture_is_there_and_described(lang: str, name: str) -> None:
    made = shelf.guide(name, lang)
    for href in re.findall(r'<a href="([^"]*)"', made.html):
        to, _, anchor = html.unescape(href).removeprefix("/docs/").partition("#")
        assert href.startswith("/docs/")
        assert to in shelf.NAMES
        assert not anchor or anchor in {part.anchor for part in shelf.guide(to, lang).sections}
    for src, alt in re.findall(r'<img src="([^"]*)" alt="([^"]*)"', made.html):
        assert src.removeprefix("/docs/img/") in shelf.pictures()
        assert src.endswith(f"-{lang}.png")
        assert len(alt) > 20
    assert "<script" not in made.html


def test_no_picture_lies_there_that_no_guide_shows() -> None:
    shown = {src for lang, name in EACH for src in re.findall(r'src="/docs/img/([^"]*)"', shelf.guide(name, lang).html)}
    assert shown == set(shelf.pictures())


@pytest.mark.real("network")
async def test_guides_are_read_by_everybody_also_before_the_claim(pages: Pages) -> None:
    stranger = pages.browser()
    status, text = (await stranger.get("/docs"))[:2]
    assert status == 200
    for name in shelf.NAMES:
        assert f'href="/docs/{name}"' in text
    status, text = (await stranger.get("/docs/modbus"))[:2]
    assert status == 200
    assert "RS-485" in text
    assert "Wire an RS-485 line" in (await stranger.get("/docs/modbus?lang=en"))[1]
    async with stranger.session.get(f"{pages.url}/docs/img/claim-fr.png") as answer:
        assert (answer.status, answer.content_type) == (200, "image/png")
    assert 'href="/docs/commission"' in (await stranger.get("/claim"))[1], "each page leads to its own guide"


@pytest.mark.real("network")
@pytest.mark.parametrize("path", ["/docs/nothing", "/docs/..%2F..%2Fpyproject", "/docs/img/..%2Ffr%2Fmodbus.md",
                                  "/docs/img/none.png", "/docs/fr%2Fmodbus"])  # fmt: skip
async def test_a_path_that_names_no_guide_and_no_picture_is_not_found(pages: Pages, path: str) -> None:
    assert (await pages.browser().get(path))[0] == 404


@pytest.mark.real("network")
async def test_a_search_finds_the_section_without_its_accents_and_leads_to_it(pages: Pages) -> None:
    text = (await pages.browser().get("/docs?q=CABLER+rs-485"))[1]
    assert '<a href="/docs/modbus#cabler-une-ligne-rs-485">' in text
    text = (await pages.browser().get("/docs?q=zzzz"))[1]
    assert html.escape(word("guides-none", "fr"), quote=False) in html.unescape(text)
    text = (await pages.browser().get("/docs?q=%3Cscript%3E"))[1]
    assert "<script>" not in text.partition("<main")[2]


@pytest.mark.real("network")
async def test_the_search_over_everything_finds_guides_too(pages: Pages) -> None:
    browser = await pages.claimed()
    text = (await browser.get("/search?q=cabler"))[1]
    assert "/docs/modbus#cabler-une-ligne-rs-485" in text
