"""The reader of compiled catalogues against the library that writes them, and against damaged files."""

from __future__ import annotations

import struct
from pathlib import Path

import polib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.i18n.catalogue_file import LARGEST, CatalogueFile
from hub.i18n.catalogues import Messages

HUB = Path(__file__).parents[3] / "hub/locale/fr/LC_MESSAGES/hub.mo"


def written(folder: Path, entries: dict[str, str]) -> Path:
    made = polib.POFile()
    made.metadata = {"Content-Type": "text/plain; charset=UTF-8"}
    made.extend(polib.POEntry(msgctxt=code, msgid=f"English of {code}", msgstr=text) for code, text in entries.items())
    path = folder / "acme.mo"
    made.save_as_mofile(str(path))
    return path


def test_every_message_of_the_hub_is_found_as_the_library_reads_it() -> None:
    catalogue = CatalogueFile(HUB)
    known = [entry for entry in polib.mofile(str(HUB)) if entry.msgctxt]
    assert len(known) > 4000
    for entry in known:
        assert catalogue.find(entry.msgctxt) == entry.msgstr, entry.msgctxt
        assert catalogue.find(f"{entry.msgctxt}-of-nobody") == ""


@pytest.mark.parametrize("code", ["", "a", "a.b", "z", "\x00", "é", "a.away\4English of a.away"])
def test_a_code_that_nobody_has_is_not_found_however_near_it_is(tmp_path: Path, code: str) -> None:
    catalogue = CatalogueFile(written(tmp_path, {"a.away": "loin", "a.away-again": "encore", "b": "ici"}))
    assert [catalogue.find(one) for one in ("a.away", "a.away-again", "b")] == ["loin", "encore", "ici"]
    assert catalogue.find(code) in ("", "loin" if "\4" in code else "")


def test_a_catalogue_in_the_other_order_of_bytes_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, {"a": "un", "b": "deux"})
    content = path.read_bytes()
    _, count, originals, translations = struct.unpack("<4I", content[4:20])
    turned = bytearray(content)
    struct.pack_into(">I", turned, 0, 0x950412DE)
    for at in (
        4,
        8,
        12,
        16,
        *range(originals, originals + 8 * count, 4),
        *range(translations, translations + 8 * count, 4),
    ):
        struct.pack_into(">I", turned, at, struct.unpack_from("<I", content, at)[0])
    path.write_bytes(turned)
    assert [CatalogueFile(path).find(code) for code in "abc"] == ["un", "deux", ""]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no compiled catalogue"),
        (b"\xde\x12\x04\x95", "no compiled catalogue"),
        (b"no catalogue at all, but long enough", "no compiled catalogue"),
        (b"\xde\x12\x04\x95" + b"\xff" * 40, "shorter than its tables"),
        (b"\xde\x12\x04\x95" + bytes(LARGEST), "larger than"),
    ],
)
def test_what_is_no_catalogue_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "acme.mo").write_bytes(content)
    with pytest.raises(ValueError, match=says):
        CatalogueFile(tmp_path / "acme.mo")


@given(st.data())
def test_a_damaged_catalogue_says_less_and_never_fails(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = written(tmp_path_factory.mktemp("damaged"), {"a": "un", "b": "deux {name}", "c": "trois"})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(20, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(20, len(content)))])
    try:
        catalogue = CatalogueFile(path)
    except ValueError:
        return
    for code in "abcd":
        said = Messages(catalogue).get(code)
        assert said is None or isinstance(said, str)
