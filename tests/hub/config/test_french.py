"""What is wrong with a configuration has a code and its parameters, and is said in French by the catalogue."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hub.config
from hub.config.load import Models, load
from hub.config.positions import clipped, quoted
from hub.config.pydantic_findings import EXPECTED, NOUNS, all_of, missing_options, one_of, without_foreign_help
from hub.core.errors import ConfigError
from hub.core.text import Phrase, phrase, reason_of
from hub.i18n.catalogues import is_translated, translate
from hub.i18n.typography import KEPT, NARROW

BASE = "sites: {school: {name: School}}\nzones: {rooms: {site: school}}\n"
Write = Callable[..., Path]
ROOT = Path(hub.config.__file__).parent


def plain(sentence: str) -> str:
    """French with the spaces of a keyboard."""
    return translate(sentence, "fr").replace(KEPT, " ").replace(NARROW, " ")


@pytest.mark.parametrize(
    ("text", "code", "params", "french"),
    [
        ("sights: {}", "option-unknown-in", {"option": "sights"},
         "« sights » n'est pas une option pour la configuration ; il y a hub, sites"),
        ("hub: {naem: x}", "option-unknown", {"option": "naem"},
         "« naem » n'est pas une option ; il y a name, site et state_dir"),
        ("integrations: {meter: {}}", "option-missing-for", {"option": "host"}, "il manque « host » ici. "),
        ("integrations: {meter: {host: h, interval: soon}}", "value-unexpected", {"given": "'soon'"},
         "attendu : une durée avec son unité (ms, s, min, h, d), comme 30s ; ici : 'soon'"),
        ("buffer: {window: soon}", "duration-without-unit", {}, "attendu : une durée avec son unité"),
        ("buffer: {window: 5m}", "duration-of-minutes", {"minutes": 5}, "(ms, s, min, h, d) : 5min"),
        ("integrations: {meter: {host: h, interval: 10ms}}", "must-be-at-least", {"bound": "1s"},
         "il faut au moins 1s ; ici : '10ms'"),
        ("integrations: {meter: {host: h, retries: 9}}", "must-be-at-most", {"bound": 5, "given": "9"},
         "il faut au plus 5 ; ici : 9"),
        ("integrations: {meter: {host: h, retries: many}}", "value-unexpected", {"expected": "a whole number"},
         "attendu : un nombre entier ; ici : 'many'"),
        ("integrations: {meter: {host: h, mode: both}}", "value-unexpected", {"expected": "active or passive"},
         "attendu : active ou passive ; ici : 'both'"),
        ("integrations: {meter: {host: h, also: 3}}", "value-unexpected", {"given": "3"}, "attendu : une liste"),
        ("integrations: {meter: {host: h, password: sesame}}", "secret-in-file", {"option": "password"},
         "un secret ne s'écrit jamais dans ce fichier"),
        ("integrations: {meter: {host: h, password: !secret none}}", "secret-missing", {"name": "none"},
         "le secret « none » n'est ni dans"),
        ("integrations: {meter: {host: !secret k}}", "secret-not-here", {}, "!secret ne va pas ici"),
        ("integrations: {metre: {}}", "instance-without-type", {"name": "metre", "noun": "integration"},
         "aucun module installé ne fournit l'intégration « metre »"),
        ("link: {uplinks: {carier: {}}}", "type-not-installed", {"name": "carier", "noun": "uplink"},
         "aucun module installé ne fournit la liaison « carier » ; sont là : "),
        ("hub: {site: elsewhere}", "entry-unknown-of", {"noun": "site", "name": "elsewhere", "section": "sites"},
         "le site « elsewhere » n'existe pas dans `sites` ; il y a school"),
        ("places: {p: {zone: attic}}", "entry-unknown-of", {"name": "attic"},
         "la zone « attic » n'existe pas dans `zones`"),
        ("devices: {'meter:a': {integration: meter, place: p}}", "entry-unknown", {"noun": "place", "name": "p"},
         "l'emplacement « p » n'existe pas dans `places`"),
        ("hub: {name: x, name: y}", "key-twice", {"key": "name", "line": 3},
         "figure ici une seconde fois ; la première est à la ligne 3"),
        ("hub:\n\tname: x", "yaml-tab", {}, "une tabulation est ici"),
        ("hub: [a, b", "yaml-bracket-open", {"bracket": "["}, "n'est pas fermé, ou une virgule manque"),
        ('hub: {name: "x}', "yaml-quote-open", {}, "le guillemet ouvert ici n'est jamais fermé"),
        ("hub:\n  name: a: b", "yaml-colon-misplaced", {}, "ce « : » n'est pas à sa place"),
        ("hub: *x", "yaml-alias-refused", {}, "un alias (*) n'est pas permis ici"),
        ("hub: !include none.yaml", "file-not-readable", {"reason": "No such file or directory"},
         "none.yaml ne peut pas être lu : "),
        ("hub: {name: !tag x}", "yaml-tag-unknown", {"tag": "!tag"}, "l'étiquette « !tag » n'est pas connue"),
        ("hub: 5", "value-unexpected", {"given": "5"}, "attendu : des lignes « clé: valeur » en dessous ; ici : 5"),
        ("hub: {name: 5}", "value-unexpected", {"given": "5"},
         "attendu : un texte ; un nombre ou true/false se met entre guillemets ; ici : 5"),
        ("buffer: {max_size: large}", "size-without-unit", {}, "attendu : une taille avec son unité"),
        ("sites: {a: {timezone: Paris}}", "time-zone-unknown", {}, "attendu : un fuseau horaire de la base IANA"),
        ("web: {port: 99999}", "must-be-at-most", {"bound": 65535}, "il faut au plus 65535 ; ici : 99999"),
        ("energy: {base: 2.5}", "must-be-at-least", {"bound": 5, "given": "2.5"}, "il faut au moins 5 ; ici : 2.5"),
        ("link: {metered: perhaps}", "value-unexpected", {"expected": "true or false"},
         "attendu : true ou false ; ici : 'perhaps'"),
        ("web: {wifi: {name: '', key: !secret k}}", "characters-too-few", {"count": 1}, "il faut au moins 1 caractère"),
        ("schedules: {s: {weekly: {mon-fry: []}}}", "days-of-wrong-form", {}, "attendu : des jours comme mon"),
    ],
)  # fmt: skip
def test_a_common_mistake_has_a_code_and_is_told_in_french(
    write: Write, models: Models, text: str, code: str, params: dict[str, Any], french: str
) -> None:
    section = text.partition(":")[0]
    base = "" if section in ("sites", "zones") else BASE
    with pytest.raises(ConfigError) as raised:
        load(write(base + text + "\n"), models, environ={"ILOT_SECRET_K": "sesame-open"})
    messages = [problem.message for problem in raised.value.problems]
    found = [one for one in messages if isinstance(one, Phrase) and one.code == code]
    fitting = [one for one in found if params.items() <= one.params.items()]
    assert fitting, [(one.code, one.params) for one in found] or messages
    assert french in plain(fitting[0])


def test_several_missing_options_are_one_message(write: Write, models: Models) -> None:
    with pytest.raises(ConfigError) as raised:
        load(write(BASE + "places: {p: {zone: rooms, position: {}}}\n"), models)
    (problem,) = raised.value.problems
    assert missing_options(problem.message) == ("latitude", "longitude")
    assert problem.message == "missing here: latitude, longitude"
    assert plain(problem.message) == "il manque ici : latitude, longitude"


def test_the_meaning_of_a_missing_option_is_told_where_it_is_translated(write: Write, models: Models) -> None:
    with pytest.raises(ConfigError) as raised:
        load(write("zones: {rooms: {}}\n"), models)
    (problem,) = raised.value.problems
    assert problem.message == "'site' is missing here: the site it belongs to: an id of `sites`"
    assert isinstance(problem.message, Phrase)
    help = problem.message.params["meaning"]
    assert (help, help.code) == ("the site it belongs to: an id of `sites`", "option-Zone-site-help")
    assert without_foreign_help(problem.message, lambda _: True) is problem.message
    assert plain(without_foreign_help(problem.message, lambda _: False)) == "il manque « site » ici"
    assert without_foreign_help("something else", lambda _: False) == "something else"


def test_lists_are_joined_in_each_language() -> None:
    assert (one_of("a"), one_of("ab"), one_of("abc")) == ("a", "a or b", "a, b or c")
    assert (plain(one_of("abc")), plain(all_of("abc"))) == ("a, b ou c", "a, b et c")
    assert plain(one_of(())) == "rien"


def test_values_of_the_file_are_short_and_printable() -> None:
    assert clipped("a\x1b" + "x" * 80) == "a\\x1b" + "x" * 57 + "…"
    assert [quoted(one) for one in ("a", 5, True, None, {}, [])] == [
        "'a'", "5", "true", "nothing", "a mapping", "a list",
    ]  # fmt: skip
    assert [plain(quoted(one)) for one in (None, {}, [])] == ["rien", "un ensemble d'options", "une liste"]


def test_an_error_keeps_the_code_of_its_only_problem(write: Write, models: Models) -> None:
    with pytest.raises(ConfigError) as raised:
        load(write("hub: {naem: x}\n"), models)
    said = reason_of(raised.value)
    assert isinstance(said, Phrase)
    assert said == str(raised.value)
    assert said.endswith("there are name, site and state_dir (did you mean name?)")
    assert plain(said).endswith("il y a name, site et state_dir (peut-être : name ?)")
    assert reason_of(ConfigError(phrase("given-list", "a list"))) == "a list"


def test_tables_of_words_are_translated() -> None:
    assert [one for one in (*EXPECTED.values(), *NOUNS.values()) if not is_translated(one, "fr")] == []


def unsaid(path: Path) -> Iterator[str]:
    """Findings and problems of a module whose text is no phrase: file:line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in ("Finding", "Problem", "ConfigError", "_refuse", "_Refused", "matching"):
                given = [*node.args, *(one.value for one in node.keywords if one.arg == "message")]
                for one in given:
                    text = one.value if isinstance(one, ast.Constant) and isinstance(one.value, str) else ""
                    if " " in text or isinstance(one, ast.JoinedStr):
                        yield f"{path.name}:{one.lineno}"


def test_all_that_a_configuration_may_have_wrong_is_a_phrase() -> None:
    assert [one for path in sorted(ROOT.rglob("*.py")) for one in unsaid(path)] == []
