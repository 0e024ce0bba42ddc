"""PDF of our own, read by an independent reader."""

from __future__ import annotations

import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.page_kit import pdf


def text_of(data: bytes) -> str:
    document = pypdfium2.PdfDocument(data)
    return "\n".join(page.get_textpage().get_text_range() for page in document)


def test_an_independent_reader_finds_every_letter_of_french_on_each_page() -> None:
    said = "Été, Noël, œuvre, L’Haÿ-les-Roses, « à 38 °C », 12 €"
    pages = [pdf.Page(*pdf.A4, (pdf.Text(10, 20, 4, said), pdf.Box(0, 0, 10, 3, (1, 0, 0)))) for _ in range(2)]
    data = pdf.document(pages, title="Point de situation", lang="fr")
    assert text_of(data).count(said) == 2
    assert pypdfium2.PdfDocument(data).get_metadata_value("Title") == "Point de situation"


def test_letters_that_the_font_has_not_lose_their_marks_only() -> None:
    data = pdf.document([pdf.Page(*pdf.A4, (pdf.Text(10, 20, 4, "Tāhiti, Papeʻete"),))])
    assert "Tahiti, Papeʻete".replace("ʻ", "‘") in text_of(data)


@pytest.mark.parametrize("bold", [False, True])
def test_widths_are_those_that_the_reader_draws(bold: bool) -> None:
    for said in ("Relevé à 14:05, 38,5 °C : école Jules-Ferry", "WWW iii ... @@@", "Œuvre & Cie"):
        data = pdf.document([pdf.Page(*pdf.A4, (pdf.Text(10, 20, 5, said, bold),))])
        page = pypdfium2.PdfDocument(data)[0].get_textpage()
        boxes = [page.get_charbox(n, loose=True) for n in range(page.count_chars())]
        drawn = (max(box[2] for box in boxes) - min(box[0] for box in boxes)) / pdf.POINTS
        assert drawn == pytest.approx(pdf.width(said, 5, bold=bold), rel=0.06)


@given(st.text(max_size=300), st.floats(10, 150))
def test_no_wrapped_line_is_wider_than_its_room_and_no_word_is_lost(text: str, room: float) -> None:
    lines = pdf.wrapped(text, room, 4)
    assert all(pdf.width(line, 4) <= room + 1e-6 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_a_text_that_is_cut_ends_with_an_ellipsis() -> None:
    lines = pdf.wrapped("mot " * 200, 60, 4, most=2)
    assert len(lines) == 2
    assert lines[-1].endswith("…")
    assert pdf.width(lines[-1], 4) <= 60
