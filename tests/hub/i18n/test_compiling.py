"""Catalogues of a plugin: what polib and gettext, two other programs, make of the same files."""

from __future__ import annotations

import gettext
import io
from pathlib import Path

import polib
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.cli.main import ilot
from hub.i18n.compiling import Entry, compiled, parsed

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\4"))
ENTRIES = st.lists(
    st.tuples(st.from_regex(r"[a-z]{1,8}\.[a-z-]{1,12}", fullmatch=True), TEXT.filter(bool), TEXT, st.booleans()),
    max_size=6,
    unique_by=lambda one: one[0],
)
HEAD = Entry("", "", "Content-Type: text/plain; charset=UTF-8\n")


@given(ENTRIES)
def test_what_polib_writes_is_read_as_it_was_and_gettext_finds_each_translation(
    entries: list[tuple[str, str, str, bool]],
) -> None:
    source = polib.POFile()
    source.metadata = {"Content-Type": "text/plain; charset=UTF-8"}
    for code, english, french, fuzzy in entries:
        source.append(polib.POEntry(msgctxt=code, msgid=english, msgstr=french, flags=["fuzzy"] if fuzzy else []))
    found = parsed(str(source))
    assert found[0] == HEAD
    assert found[1:] == [Entry(code, english, "" if fuzzy else french) for code, english, french, fuzzy in entries]
    catalogue = gettext.GNUTranslations(io.BytesIO(compiled(found)))
    for entry in found[1:]:
        assert catalogue.pgettext(entry.code, entry.english) == (entry.translation or entry.english)


@settings(max_examples=200)
@given(st.text())
def test_whatever_stands_in_a_file_gives_entries_or_the_number_of_a_line(text: str) -> None:
    said = ""
    try:
        gettext.GNUTranslations(io.BytesIO(compiled([HEAD, *(one for one in parsed(text) if one.code)])))
    except ValueError as error:
        said = str(error)
    assert not said or said.startswith("line ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('msgid "a"\nmsgstr "b', 2),
        ('"a"', 1),
        ('msgid_plural "a"', 1),
        ('msgctxt "c"\nmsgid "a"\nmsgstr "b"\nmsgstr "b"', 4),
    ],
)
def test_a_line_that_is_none_is_named(text: str, line: int) -> None:
    with pytest.raises(ValueError, match=f"^line {line}\\b"):
        parsed(text)


def test_the_command_compiles_what_it_finds_and_names_what_stays_english(tmp_path: Path) -> None:
    folder = tmp_path / "acme/locale/fr/LC_MESSAGES"
    folder.mkdir(parents=True)
    source = folder / "acme.po"
    source.write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgctxt "acme.a"\nmsgid "one"\nmsgstr "un"\n'
    )
    done = CliRunner().invoke(ilot, ["texts", str(tmp_path)], standalone_mode=False)
    assert (done.return_value, done.output) == (None, f"{source.with_suffix('.mo')}: 1 translation\n")
    with source.with_suffix(".mo").open("rb") as file:
        assert gettext.GNUTranslations(file).pgettext("acme.a", "one") == "un"
    source.write_text(source.read_text() + '\n#, fuzzy\nmsgctxt "acme.b"\nmsgid "two"\nmsgstr "deux"\n')
    done = CliRunner().invoke(ilot, ["texts", str(tmp_path)], standalone_mode=False)
    assert done.return_value == 6
    assert "acme.b stays English: two" in done.output
    source.write_text("msgid")
    done = CliRunner().invoke(ilot, ["texts", str(tmp_path)], standalone_mode=False)
    assert f"{source}: line 1" in str(done.exception)
