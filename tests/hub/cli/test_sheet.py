"""The printed label: what other readers find on it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pypdfium2
import pytest
import zxingcpp
from click.testing import CliRunner
from PIL import Image

from hub.cli import label as command
from hub.cli import sheet
from hub.cli.sheet.layout import HEIGHT, WIDTH, groups
from hub.operations.network.settings import wifi_text

FINGERPRINT = ":".join(f"{n:02X}" for n in range(0xA0, 0xC0))
FACTS: dict[str, Any] = {
    "hub": "hub-k3x7q9", "url": "https://192.168.1.20:8443/", "fingerprint": FINGERPRINT, "claimed": False,
    "claimable": True, "code": "7K3M-9QRT-XW2H", "wifi": {"name": "école; nord", "key": 'a"b\\c:d,e;f'},
}  # fmt: skip
LINK = command.claim_link(FACTS)


def found(image: Image.Image) -> set[str]:
    return {one.text for one in zxingcpp.read_barcodes(image)}


def drawn(kind: str, facts: dict[str, Any] = FACTS) -> bytes:
    return sheet.draw(sheet.layout(facts, command.claim_link(facts)), kind)


def test_phones_find_both_codes_on_the_png_and_on_the_pdf() -> None:
    wanted = {LINK, wifi_text("école; nord", 'a"b\\c:d,e;f')}
    image = Image.open(io.BytesIO(drawn("png")))
    assert (round(image.width / 300 * 25.4), round(image.height / 300 * 25.4)) == (WIDTH, HEIGHT)
    assert found(image) == wanted
    page = pypdfium2.PdfDocument(drawn("pdf"))[0]
    assert found(page.render(scale=4).to_pil()) == wanted
    text = page.get_textpage().get_text_range()
    assert all(line in text for line in (FACTS["hub"], FACTS["code"], FACTS["url"], *groups(FINGERPRINT), "même"))


def test_the_codes_of_the_svg_are_those_of_the_pdf_and_its_text_stands_beside() -> None:
    root = ElementTree.fromstring(drawn("svg"))
    names = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{names}path")) == 2
    lines = [text.text for text in root.findall(f"{names}text")]
    assert set(groups(FINGERPRINT)) < set(lines)
    assert FACTS["code"] in lines
    # the path drawn by hand is the picture that a reader of QR codes takes
    for path, wanted in zip(
        root.findall(f"{names}path"), (wifi_text("école; nord", 'a"b\\c:d,e;f'), LINK), strict=True
    ):
        image = Image.new("L", (1050, 740), 255)
        for run in path.attrib["d"].split("M")[1:]:
            x, rest = run.split(" ", 1)
            y, rest = rest.split("h", 1)
            w, rest = rest.split("v", 1)
            h = rest.split("h")[0]
            box = [round(10 * float(n)) for n in (x, y, float(x) + float(w), float(y) + float(h))]
            image.paste(0, (box[0], box[1], box[2], box[3]))
        assert found(image) == {wanted}


def test_the_special_characters_of_an_access_point_are_escaped() -> None:
    """ZXing wiki, Barcode Contents: MECARD-like escaping of \\ ; , and :"""
    assert wifi_text("a;b", "c:d\\e,f") == "WIFI:T:WPA;S:a\\;b;P:c\\:d\\\\e\\,f;;"


def test_a_code_that_was_shown_is_not_on_the_label_and_nothing_leaves_the_sheet() -> None:
    facts = {**FACTS, "code": "", "wifi": {"name": "n" * 32, "key": "k" * 63}}
    made = sheet.layout(facts, command.claim_link(facts))
    assert [line.text for line in made.lines if "remis" in line.text] == ["déjà remis"]
    assert found(Image.open(io.BytesIO(drawn("png", facts)))) == {FACTS["url"], wifi_text("n" * 32, "k" * 63)}
    for line in made.lines:
        assert line.x + (0.6 if line.mono else 0.52) * line.size * len(line.text) < WIDTH
        assert line.y < HEIGHT


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked = list[str]()

    def call(path: Path, name: str, **arguments: Any) -> dict[str, Any]:
        asked.append(name)
        return dict(FACTS)

    monkeypatch.setattr("hub.rpc.control_socket.call", call)
    return asked


def test_the_command_writes_the_file_for_its_owner_alone_and_shows_no_wifi_key(hub: list[str], tmp_path: Path) -> None:
    file = tmp_path / "label.pdf"
    done = CliRunner().invoke(command.label, ["--print", str(file), "--json", "--state-dir", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert file.read_bytes().startswith(b"%PDF-")
    assert file.stat().st_mode & 0o777 == 0o600
    assert "wifi" not in done.output
    assert "delete it" in done.stderr


def test_a_kind_that_cannot_be_drawn_is_refused_before_a_code_is_made(hub: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(command.label, ["--print", "label.docx", "--state-dir", str(tmp_path)])
    assert done.exit_code == 2
    assert "png, .pdf or .svg" in done.output
    assert hub == []


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_a_long_name_and_a_long_address_are_whole_on_the_label(kind: str) -> None:
    facts = {
        **FACTS, "hub": "hub-groupe-scolaire-elementaire-jean-jaures-batiment-nord-aile-b",
        "url": "https://[2001:db8:1234:5678:9abc:def0:1234:5678]:8443/",
    }  # fmt: skip
    made = drawn(kind, facts)
    if kind == "pdf":
        page = pypdfium2.PdfDocument(made)[0]
        text = page.get_textpage()
        right = max(text.get_charbox(n)[2] for n in range(text.count_chars()))
        assert right < page.get_width()
        assert facts["hub"] in text.get_text_range()
    else:
        image = Image.open(io.BytesIO(made))
        edge = round(image.width * (1 - 1 / WIDTH))  # the last millimetre is white
        assert image.crop((edge, 0, image.width, image.height)).getextrema() == (255, 255)
