"""The forms of the configuration speak French for every option of all that ships, and say where a value comes from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.config.schema import schema
from hub.plugin_host.plugin_types import installed_models
from hub.plugin_host.registry import Registry
from hub.web.areas.configuration import wording as configuring
from hub.web.words.options import TEXTS, about, title, unit
from hub.web.words.options.titles import TITLES, WITHIN

from .web_kit import Hub, Pages


def described(node: Any, path: str) -> Iterator[tuple[str, str, str]]:
    """(path, key, text) of every option below a schema."""
    if isinstance(node, list):
        for one in node:
            yield from described(one, path)
    if not isinstance(node, dict):
        return
    for key, one in (node.get("properties") or {}).items():
        if isinstance(one, dict):
            yield f"{path}.{key}", key, one.get("description", "")
    for key, one in node.items():
        if key == "properties":
            for name, inner in one.items():
                yield from described(inner, f"{path}.{name}")
        else:
            yield from described(one, path)


@pytest.fixture(scope="module")
def options() -> list[tuple[str, str, str]]:
    whole = schema(installed_models(Registry.discover()))
    parts = dict(whole["definitions"].items())
    found = [(name, "", one["description"]) for name, one in parts.items() if one.get("description")]
    for name, one in {**parts, "": {key: one for key, one in whole.items() if key != "definitions"}}.items():
        found += described(one, name)
    return found


def test_every_option_of_all_that_ships_has_its_french(options: list[tuple[str, str, str]]) -> None:
    assert len(options) > 800
    assert {text: path for path, _, text in options if text and text not in TEXTS} == {}
    kinds = {name for path, name, _ in options if path.count(".") == 2 and path.startswith((".integrations.",
             ".exporters.", ".notifiers."))} | {"https", "mqtt"}  # fmt: skip
    assert {key: path for path, key, _ in options if key and key not in TITLES and key not in kinds} == {}


def test_no_french_is_left_of_an_option_that_is_said_otherwise_by_now(options: list[tuple[str, str, str]]) -> None:
    assert TEXTS.keys() - {text for _, _, text in options} == set()
    keys = {key for _, key, _ in options}
    assert TITLES.keys() - keys == set()
    assert {key for _, key in WITHIN} <= keys


def test_what_one_types_is_the_same_in_both_languages() -> None:
    for english, french in TEXTS.items():
        typed = set(english.split("`")[1::2])
        assert len(french.split("`")) % 2 == 1, french
        lost = {part for part in typed if f"`{part}`" not in french} - {"raw * scale + offset", "$name"}
        assert not lost, (english, lost)


def test_a_plugin_of_a_stranger_keeps_its_own_words_and_they_are_marked_as_english() -> None:
    assert about("Which lamp", "fr") == ("Which lamp.", "en")
    assert about("Which lamp?", "en") == ("Which lamp?", "en")
    assert title("lamp_number", "fr") == "Lamp number"
    assert (title("quiet", "fr"), title("quiet", "fr", ["buses", "b"])) == ("Heures calmes", "Silence entre échanges")
    assert (unit("reports", "fr"), unit("reports", "en"), unit("Bd", "fr")) == ("rapports", "reports", "Bd")


def field(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "text", "value": "", "default": "", "about": "", "unit": "", "choices": [],
            "required": False, "set": False, "numbers": False, **more}  # fmt: skip


def test_what_is_wrong_stands_beside_the_field_that_it_is_about() -> None:
    form = configuring.spoken({"path": ["web"], "about": "", "fields": [field("port"), field("hosts")]}, "fr")
    found = [
        {"path": "web.port", "message": "expected a whole number; this is 'x'", "suggestion": ""},
        {"path": "web.hosts[0]", "message": "needs at least 2 characters", "suggestion": ""},
        {"path": "web", "message": "'hosts' is missing here", "suggestion": ""},
        {"path": "hub", "message": "something else", "suggestion": ""},
    ]
    told = configuring.tied(form, configuring.problems(found, "fr"))
    assert [one["field"] for one in told] == ["f-port", "f-hosts", "f-hosts", ""]
    assert [[one["text"] for one in each["wrong"]] for each in form["fields"]] == [
        ["attendu\u00a0: un nombre entier\u202f; ici\u00a0: 'x'"],
        ["il faut au moins 2 caractères", "il manque 'hosts' ici"],
    ]
    assert (told[-1]["text"], told[-1]["lang"]) == ("something else", "en")


def test_a_difference_is_told_by_file_and_line_and_a_form_s_changes_option_by_option() -> None:
    diff = "--- a.yaml\n+++ a.yaml (new)\n@@ -3,2 +3,2 @@\n x: 1\n-y: 2\n+y: 3\n"
    assert [(one["sign"], one["text"]) for one in configuring.rows(diff, "fr")] == [
        ("place", "a.yaml, ligne 3"), ("same", "x: 1"), ("less", "y: 2"), ("more", "y: 3"),
    ]  # fmt: skip
    form = configuring.spoken(
        {
            "path": ["link"],
            "about": "",
            "fields": [field("metered", kind="truth", default="false"), field("proxy", value="http://p")],
        },
        "fr",
    )
    edits = [{"path": ["link", "metered"], "value": True}, {"path": ["link", "proxy"], "remove": True}]
    assert [(one["name"], one["old"], one["new"]) for one in configuring.changes(form, edits, "fr")] == [
        ("metered", "non", "oui"),
        ("proxy", "http://p", "–"),
    ]


async def test_a_form_says_what_the_file_says_what_counts_else_and_shows_2000_entries_by_a_search(
    tmp_path: Path,
) -> None:
    hub = Hub()
    async with Pages(tmp_path, hub) as pages:
        browser = await pages.person("administrateur")
        hub.field = {"name": "max_size", "kind": "size", "value": "", "set": False, "default": "1GB",
                     "about": "The most disk it may take; then the oldest go first, declared as lost. A 16th is for "
                              "alerts."}  # fmt: skip
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
