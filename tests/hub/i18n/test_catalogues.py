"""Translations from compiled gettext catalogues: the hub's and a vendor's, and what is wrong with some."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polib
import pytest

from hub.core.text import from_data, phrase, reason_of
from hub.i18n import catalogues
from hub.i18n.catalogues import Said, problem_with, split, translate

ENTRIES = {
    "acme.away": ("{device} is away", "{device} est injoignable"),
    "acme.late": ("{seconds:g} s late: {reason}", "{seconds:g} s de retard : {reason}"),
    "acme.left": ("{count} [device|devices] left", "reste {count} [appareil|appareils]"),
    "acme.names": ("it knows {names}", "il connaît {names}"),
    "acme.size": ("a size in {unit}", "une taille en {unit}"),
    "acme.bad": ("{device} is bad", "{device.__class__} est mauvais"),
    "acme.span": ("after {days:.0f} days", "après {days:.0f} jours"),
    "acme.named": ("{name!r} is no name", "{name!r} n'est pas un nom"),
    "acme.wide": ("{count} is wide", "{count:99999999} est large"),
}


def compiled(folder: Path, lang: str = "fr", domain: str = "acme") -> Path:
    path = folder / lang / "LC_MESSAGES" / f"{domain}.mo"
    path.parent.mkdir(parents=True)
    made = polib.POFile()
    made.metadata = {"Content-Type": "text/plain; charset=UTF-8"}
    for code, (english, french) in ENTRIES.items():
        made.append(polib.POEntry(msgctxt=code, msgid=english, msgstr=french))
    made.save_as_mofile(str(path))
    return path


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(catalogues, "folders", lambda: {"acme": tmp_path})
    catalogues.messages.cache_clear()
    yield tmp_path
    catalogues.messages.cache_clear()


def test_a_phrase_is_said_in_the_readers_language(acme: Path) -> None:
    compiled(acme)
    away = phrase("acme.away", "{device} is away", device="meter 1")
    assert translate(away, "fr") == "meter 1 est injoignable"
    assert translate(away, "en") == "meter 1 is away"
    assert translate("plain text", "fr") == "plain text"


def test_a_text_that_is_quoted_stands_between_the_marks_of_its_language_with_nothing_unprintable(acme: Path) -> None:
    compiled(acme)
    bad = phrase("acme.named", "{name!r} is no name", name="a\x1bb")
    assert bad == "'a\\x1bb' is no name"
    assert translate(bad, "fr") == "«\u00a0a\\x1bb\u00a0» n'est pas un nom"


def test_a_third_language_is_one_more_folder(acme: Path) -> None:
    compiled(acme, "de")
    away = phrase("acme.away", "{device} is away", device="meter 1")
    assert translate(away, "de") == "meter 1 est injoignable"
    assert translate(away, "fr") == "meter 1 is away"


def test_numbers_plurals_lists_and_phrases_within_are_those_of_the_language(acme: Path) -> None:
    compiled(acme)
    away = phrase("acme.away", "{device} is away", device="meter 1")
    late = phrase("acme.late", "{seconds:g} s late: {reason}", seconds=2.5, reason=away)
    assert translate(late, "fr") == "2,5\u202fs de retard\u00a0: meter 1 est injoignable"
    left = [translate(phrase("acme.left", "{count} [device|devices] left", count=n), "fr") for n in (0, 1, 2)]
    assert left == ["reste 0 appareil", "reste 1 appareil", "reste 2 appareils"]
    assert translate(phrase("acme.names", "it knows {names}", names=["a", "b"]), "fr") == "il connaît a, b"


def test_a_unit_is_written_as_people_of_the_language_do(acme: Path) -> None:
    compiled(acme)
    size = phrase("acme.size", "a size in {unit}", unit="MiBy")
    assert translate(size, "fr") == "une taille en Mio"


def test_a_page_is_told_what_stays_english(acme: Path) -> None:
    compiled(acme)
    late = phrase("acme.late", "{seconds:g} s late: {reason}", seconds=2, reason=reason_of(LookupError("no key")))
    assert split(late, "fr") == Said("2\u202fs de retard", "no key")
    assert split(late, "en") == Said("2 s late: no key")
    assert split("plain text", "fr") == Said("", "plain text")


def test_a_translation_that_reaches_into_a_parameter_or_asks_for_a_wide_field_is_not_used(acme: Path) -> None:
    compiled(acme)
    assert translate(phrase("acme.bad", "{device} is bad", device="a"), "fr") == "a is bad"
    assert translate(phrase("acme.wide", "{count} is wide", count=3), "fr") == "3 is wide"


def test_a_parameter_of_another_version_is_shown_by_its_name(acme: Path) -> None:
    compiled(acme)
    assert translate(phrase("acme.away", "{gateway} is away", gateway="a"), "fr") == "{device} est injoignable"


@pytest.mark.parametrize("params", [{}, {"days": "many"}, {"days": None}, {"days": [1]}])
def test_a_parameter_of_another_kind_than_the_translation_asks_for_leaves_english(
    acme: Path, params: dict[str, object]
) -> None:
    compiled(acme)
    said = from_data("after many days", {"code": "acme.span", "params": params})
    assert translate(said, "fr") == "after many days"
    assert split(said, "fr") == Said("", "after many days")


@pytest.mark.parametrize("content", [b"", b"no catalogue", b"\xde\x12\x04\x95" + b"\xff" * 40])
def test_a_catalogue_that_cannot_be_read_leaves_english_and_one_log_line(
    acme: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = compiled(acme)
    path.write_bytes(content)
    for _ in range(2):
        assert translate(phrase("acme.away", "{device} is away", device="a"), "fr") == "a is away"
    assert len(caplog.records) == 1
    assert str(path) in caplog.text


def test_what_may_stand_in_a_translation() -> None:
    assert problem_with("{device} : {seconds:.1f} s, {{x}}, {name!r}") == ""
    for wrong in ("{0}", "{}", "{a.b}", "{a[0]}", "{a:{b}}", "{a:999}", "{a", "{A}"):
        assert problem_with(wrong), wrong


@pytest.mark.real("processes")
def test_the_hub_loads_no_catalogue_until_a_language_is_asked_for() -> None:
    program = (
        "import hub.i18n.catalogues as c; from hub.core.text import phrase; p = phrase('device-away', 'away');"
        "c.translate(p, 'en'); c.split(p, 'en'); print(c.messages.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


@pytest.mark.real("processes")
def test_the_hub_and_each_plugin_that_has_translations_is_found_without_an_import() -> None:
    program = (
        "import sys, hub.i18n.catalogues as c; print(*sorted(c.folders())); print('integrations.modbus' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names, imported = done.stdout.splitlines()
    assert {"hub", "modbus", "knx", "lorawan_servers", "https"} <= set(names.split())
    assert imported == "False"


def test_codes_that_another_machine_makes_up_are_not_remembered(acme: Path) -> None:
    compiled(acme)
    for n in range(100):
        assert translate(from_data("away", {"code": f"made-up-{n}.away", "params": {}}), "fr") == "away"
    assert catalogues.messages.cache_info().currsize == 0
