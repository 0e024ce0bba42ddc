"""Forms of the configuration: every option of all that ships is translated, and where a value comes from is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from pydantic import Field

from hub.config.forms import form
from hub.config.instances import Models
from hub.config.schema import schema
from hub.core.option_text import french, help_phrase, texts_of
from hub.core.text import phrase
from hub.plugin_host.plugin_types import _outline, installed_models
from hub.plugin_host.registry import Registry
from hub.sdk.options import Config
from hub.web import config_wording as wording
from hub.web.words.options import about, title, unit

from .web_kit import Hub, Pages


class Option(NamedTuple):
    """An option as a schema has it; a model has no key. `texts`: the codes of its help and its title."""

    path: str
    key: str
    text: str
    texts: dict[str, str]


def described(node: Any, path: str) -> Iterator[Option]:
    """Every option below a schema."""
    if isinstance(node, list):
        for one in node:
            yield from described(one, path)
    if not isinstance(node, dict):
        return
    for key, one in (node.get("properties") or {}).items():
        if isinstance(one, dict):
            yield Option(f"{path}.{key}", key, one.get("description", ""), texts_of(one))
    for key, one in node.items():
        if key == "properties":
            for name, inner in one.items():
                yield from described(inner, f"{path}.{name}")
        else:
            yield from described(one, path)


@pytest.fixture(scope="module")
def options() -> list[Option]:
    whole = schema(installed_models(Registry.discover()))
    parts = dict(whole["definitions"].items())
    found = [
        Option(name, "", one["description"], texts_of(one))
        for name, one in parts.items()
        if one.get("description") and "properties" in one
    ]
    for name, one in {**parts, "": {key: one for key, one in whole.items() if key != "definitions"}}.items():
        found += described(one, name)
    return found


def test_every_option_of_all_that_ships_has_its_french(options: list[Option]) -> None:
    assert len(options) > 800
    assert {one.text: one.path for one in options if one.text and about(*said(one))[1] != "fr"} == {}
    untitled = [one for one in options if "title" in one.texts and title(one.key, "fr", (), one.texts["title"]) == ""]
    assert untitled == []


def said(one: Option) -> tuple[str, str, str]:
    return one.text, "fr", one.texts.get("help", "")


def test_what_one_types_is_the_same_in_both_languages(options: list[Option]) -> None:
    for one in options:
        french = about(*said(one))[0]
        typed = set(one.text.split("`")[1::2])
        assert len(french.split("`")) % 2 == 1, french
        lost = {part for part in typed if f"`{part}`" not in french} - {"raw * scale + offset", "$name"}
        assert not lost, (one.text, lost)


def test_a_plugin_of_a_stranger_keeps_its_own_words_and_they_are_marked_as_english() -> None:
    assert about("Which lamp", "fr") == ("Which lamp.", "en")
    assert about("Which lamp?", "en") == ("Which lamp?", "en")
    assert about("Which lamp", "fr", "acme.option-Config-lamp") == ("Which lamp.", "en")
    assert title("lamp_number", "fr") == title("lamp_number", "fr", (), "acme.option-Config-lamp") == "Lamp number"
    assert (title("quiet", "fr"), title("quiet", "fr", (), "option-Bus-quiet")) == (
        "Heures calmes", "Silence entre échanges",
    )  # fmt: skip
    assert (unit("reports", "fr"), unit("reports", "en"), unit("Bd", "fr")) == ("rapports", "reports", "Bd")


def test_an_option_has_the_code_of_the_class_that_has_it_and_what_a_vendor_gives_is_no_more_than_a_code() -> None:
    class Base(Config):
        """A base."""

        number: int = Field(default=0, description="Which lamp")

    class Lamp(Base):
        """A lamp."""

        colour: str = Field(default="", description="Its colour", title="Tint", alias="tint")

    made = Lamp.model_json_schema()
    assert (made["x-code"], made["properties"]["number"]["x-code"]) == ("tests.option-Lamp", "tests.option-Base-number")
    assert made["properties"]["tint"]["x-code"] == "tests.option-Lamp-tint"
    assert ("x-title" in made["properties"]["tint"], "x-title" in made["properties"]["number"]) == (True, False)
    assert help_phrase(Lamp, "colour").code == "tests.option-Lamp-tint-help"  # type: ignore[attr-defined]
    assert texts_of(made) == {"help": "tests.option-Lamp"}
    assert texts_of({"description": "x", "x-code": "../../etc"}) == {}
    again = _outline(made).model_json_schema()
    assert (again["x-code"], again["properties"]["number"]["x-code"]) == (
        "tests.option-Lamp", "tests.option-Base-number",
    )  # fmt: skip


def test_a_form_has_the_french_of_the_model_and_of_a_part_that_says_nothing_of_its_own() -> None:
    class Lamp(Config):
        """A lamp."""

        help_fr = "Une lampe."
        number: int = Field(default=0, description="Which lamp", json_schema_extra=french("Laquelle", title="Numéro"))

    class Street(Lamp):
        """A street lamp."""  # its English is another: the French of Lamp is not for it

        first: Lamp = Lamp()
        second: Lamp = Field(default=Lamp(), description="The other", json_schema_extra=french(title="Seconde"))

    whole = schema(Models(integrations={"lamps": (Street, None)}))
    shown = wording.translated_form(
        msgspec.to_builtins(form(whole, {"integrations": {"lamps": {}}}, ("integrations", "lamps"))), "fr"
    )
    assert (shown["about"], shown["about_lang"]) == ("A street lamp.", "en")
    fields = {one["name"]: (one["title"], one["about"], one["about_lang"]) for one in shown["fields"]}
    assert fields["number"] == ("Numéro", "Laquelle.", "fr")
    assert fields["first"] == ("First", "Une lampe.", "fr")
    assert fields["second"] == ("Seconde", "The other.", "en")
    inner = form(whole, {"integrations": {"lamps": {}}}, ("integrations", "lamps", "second"))
    assert wording.names(inner.path, "fr", inner.titles) == ["Intégrations", "lamps", "Seconde"]
    assert wording.translated_form(msgspec.to_builtins(inner), "en")["fields"][0]["title"] == "Number"


def test_a_plugin_that_the_hub_does_not_import_has_the_french_that_its_schema_says_and_no_more_than_is_shown() -> None:
    class Lamp(Config):
        """A lamp."""

        help_fr = "Une lampe."
        number: int = Field(default=0, description="Which lamp", json_schema_extra=french("Laquelle", title="Numéro"))

    told = Lamp.model_json_schema()
    told["properties"]["number"]["french"]["title"] *= 100
    told["properties"]["other"] = {"description": 7, "french": ["Autre"]}
    del told["x-code"]
    whole = schema(Models(integrations={"lamps": (_outline(told), None)}))
    shown = form(whole, {"integrations": {"lamps": {}}}, ("integrations", "lamps"))
    assert (shown.about, shown.french) == ("A lamp.", {"help": "Une lampe."})
    fields = {one.name: one for one in shown.fields}
    assert fields["number"].about == "Which lamp"
    assert fields["number"].french == {"help": "Laquelle", "title": ("Numéro" * 100)[:100]}
    assert (fields["other"].about, fields["other"].french) == ("", {"title": "vendor.option-Options-other"})


def field(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "text", "value": "", "default": "", "about": "", "unit": "", "choices": [],
            "required": False, "set": False, "numbers": False, **more}  # fmt: skip


def test_what_is_wrong_stands_beside_the_field_that_it_is_about() -> None:
    form = wording.translated_form({"path": ["web"], "about": "", "fields": [field("port"), field("hosts")]}, "fr")
    kind = phrase("expected-whole-number", "a whole number")
    whole = phrase("value-unexpected", "expected {expected}; this is {given}", expected=kind, given="'x'")
    few = phrase("characters-too-few", "needs at least {count} [character|characters]", count=2)
    missing = phrase("option-missing", "'{option}' is missing here", option="hosts")
    found = [
        {"path": "web.port", "message": whole, "suggestion": ""},
        {"path": "web.hosts[0]", "message": few, "suggestion": ""},
        {"path": "web", "message": missing, "suggestion": ""},
        {"path": "hub", "message": "something else", "suggestion": ""},
    ]
    told = wording.with_field_links(form, wording.problems(found, "fr"))
    assert [one["field"] for one in told] == ["f-port", "f-hosts", "f-hosts", ""]
    assert [[one["text"] for one in each["wrong"]] for each in form["fields"]] == [
        ["attendu\u00a0: un nombre entier\u202f; ici\u00a0: 'x'"],
        ["il faut au moins 2 caractères", "il manque «\u00a0hosts\u00a0» ici"],
    ]
    assert (told[-1]["text"], told[-1]["lang"]) == ("something else", "en")


def test_a_difference_is_told_by_file_and_line_and_a_form_s_changes_option_by_option() -> None:
    diff = "--- a.yaml\n+++ a.yaml (new)\n@@ -3,2 +3,2 @@\n x: 1\n-y: 2\n+y: 3\n"
    assert [(one["sign"], one["text"]) for one in wording.rows(diff, "fr")] == [
        ("place", "a.yaml, ligne 3"), ("same", "x: 1"), ("less", "y: 2"), ("more", "y: 3"),
    ]  # fmt: skip
    form = wording.translated_form(
        {
            "path": ["link"],
            "about": "",
            "fields": [field("metered", kind="truth", default="false"), field("proxy", value="http://p")],
        },
        "fr",
    )
    edits = [{"path": ["link", "metered"], "value": True}, {"path": ["link", "proxy"], "remove": True}]
    assert [(one["name"], one["old"], one["new"]) for one in wording.changes(form, edits, "fr")] == [
        ("metered", "non", "oui"),
        ("proxy", "http://p", "–"),
    ]


@pytest.mark.real("network")
async def test_a_form_says_what_the_file_says_what_counts_else_and_shows_2000_entries_by_a_search(
    tmp_path: Path,
) -> None:
    hub = Hub()
    async with Pages(tmp_path, hub) as pages:
        browser = await pages.person("administrateur")
        hub.field = {"name": "max_size", "kind": "size", "value": "", "set": False, "default": "1GB",
                     "about": "The most disk it may take; then the oldest go first, declared as lost. A 16th is for "
                              "alerts.",
                     "french": {"help": "option-Buffer-max_size", "title": "option-Buffer-max_size"}}  # fmt: skip
        _, text, _ = await browser.get("/configuration/form?at=buffer&lang=fr")
        assert 'placeholder="1GB"' in text
        assert "Taille maximale" in text
        assert 'lang="fr">Le disque qu' in text
        assert "dans le fichier" not in text
        hub.field = {**hub.field, "value": "2GB", "set": True}
        assert "dans le fichier" in (await browser.get("/configuration/form?at=buffer&lang=fr"))[1]

        async def many(arguments: dict[str, Any]) -> Any:
            names = [f"lorawan:{n:016x}" for n in range(2000)]
            return {"form": {"path": ["devices"], "about": "", "fields": [], "entries": names, "is_map": True,
                             "types": [], "new": False}, "digest": "d", "edits": []}  # fmt: skip

        hub.answers["config.form"] = many
        _, text, _ = await browser.get("/configuration/form?at=devices&lang=fr")
        assert text.count("<li>") < 130
        assert "Montrés\u00a0: 100 sur 2\u202f000" in text
        _, text, _ = await browser.get("/configuration/form?at=devices&lang=fr&q=07CF")
        assert "lorawan:00000000000007cf" in text
        assert "Montrés\u00a0: 1 sur 1." in text
