"""What is wrong is said in French for the mistakes that people make: the sentences come from the real validator."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hub.config
from hub.config.french import in_french
from hub.config.load import Models, load
from hub.core.errors import ConfigError

BASE = "sites: {school: {name: School}}\nzones: {rooms: {site: school}}\n"
Write = Callable[..., Path]
ROOT = Path(hub.config.__file__).parent


@pytest.mark.parametrize(
    ("text", "french"),
    [
        ("sights: {}", "'sights' n'est pas une option de la configuration ; il y a hub, sites"),
        ("hub: {naem: x}", "'naem' n'est pas une option ; il y a name, site et state_dir"),
        ("integrations: {meter: {}}", "il manque 'host' ici"),
        ("integrations: {meter: {host: h, interval: soon}}", "attendu : une durée avec son unité"),
        ("buffer: {window: 5m}", "comme 5min"),
        ("integrations: {meter: {host: h, interval: 10ms}}", "il faut au moins 1s ; ici : "),
        ("integrations: {meter: {host: h, retries: 9}}", "il faut au plus 5 ; ici : 9"),
        ("integrations: {meter: {host: h, retries: many}}", "attendu : un nombre entier ; ici : 'many'"),
        ("integrations: {meter: {host: h, mode: both}}", "attendu : active ou passive ; ici : 'both'"),
        ("integrations: {meter: {host: h, also: 3}}", "attendu : une liste"),
        ("integrations: {meter: {host: h, password: sesame}}", "un secret ne s'écrit jamais dans ce fichier"),
        ("integrations: {meter: {host: h, password: !secret none}}", "le secret 'none' n'est ni dans"),
        ("integrations: {meter: {host: !secret k}}", "!secret ne va pas ici"),
        ("integrations: {metre: {}}", "l'intégration 'metre' n'est pas installée"),
        ("hub: {site: elsewhere}", "le site 'elsewhere' n'existe pas dans `sites` ; il y a school"),
        ("places: {p: {zone: attic}}", "la zone 'attic' n'existe pas dans `zones`"),
        ("devices: {'meter:a': {integration: meter, place: p}}", "l'emplacement 'p' n'existe pas dans `places`"),
        ("hub: {name: x, name: y}", "figure ici une seconde fois ; la première est à la ligne"),
        ("hub:\n\tname: x", "une tabulation est ici"),
        ("hub: [a, b", "n'est pas fermé, ou une virgule manque"),
        ("hub: {name: \"x}", "le guillemet ouvert ici n'est jamais fermé"),
        ("hub:\n  name: a: b", "ce « : » n'est pas à sa place"),
        ("hub: *x", "un alias (*) n'est pas permis ici"),
        ("hub: !include none.yaml", "est introuvable"),
        ("hub: {name: !tag x}", "cette étiquette n'est pas connue"),
        ("hub: 5", "attendu : des lignes « clé: valeur » en dessous ; ici : 5"),
        ("hub: {name: 5}", "attendu : un texte ; un nombre ou true/false se met entre guillemets ; ici : 5"),
        ("buffer: {max_size: large}", "attendu : une taille avec son unité"),
        ("sites: {a: {timezone: Paris}}", "attendu : un fuseau horaire de la base IANA"),
        ("web: {port: 99999}", "il faut au plus 65535 ; ici : 99999"),
        ("link: {metered: perhaps}", "attendu : true ou false ; ici : 'perhaps'"),
    ],
)  # fmt: skip
def test_a_common_mistake_is_told_in_french(write: Write, models: Models, text: str, french: str) -> None:
    section = text.partition(":")[0]
    base = "" if section in ("sites", "zones") else BASE
    with pytest.raises(ConfigError) as raised:
        load(write(base + text + "\n"), models, environ={"ILOT_SECRET_K": "sesame"})
    told = [in_french(problem.message) or f"English: {problem.message}" for problem in raised.value.problems]
    assert any(french in one for one in told), told


def test_what_has_no_french_is_left_to_the_english() -> None:
    assert in_french("the boiler is on fire") is None
    assert in_french("the boiler is on fire; 'host' is missing here") is None


PARTS = [
    *(ROOT / "checks").glob("*.py"), *(ROOT / "parts").glob("*.py"),
    *(ROOT / f"{name}.py" for name in ("document", "field_types", "model", "scalars", "secrets", "source")),
]  # fmt: skip


def _filled(node: ast.expr, other: str) -> str | None:
    """A sentence as the validator would say it: quoted names in quotes, anything else as `other`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return None
    text = ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
        elif isinstance(part, ast.FormattedValue):
            said = ast.unparse(part.value)
            text += "'x'" if said.startswith("quoted(") else "a number" if said.startswith("KINDS[") else other
    return text


def sentences(path: Path) -> Iterator[tuple[str, list[str]]]:
    """(where, the sentence in the ways it may be filled in) of all that a module says is wrong."""
    for node in ast.walk(ast.parse(path.read_text())):
        said: list[ast.expr] = []
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in ("Finding", "ValueError", "_refuse", "_Refused", "_matches"):
                said = [*node.args]
        elif isinstance(node, ast.Assign) and [getattr(one, "id", "") for one in node.targets] == ["message"]:
            said = [node.value]
        for one in said:
            ways = [way for other in ("x", "7", "x/y, z") if (way := _filled(one, other))]
            if ways and " " in ways[0]:
                yield f"{path.name}:{one.lineno}", ways


COMPOSED = {
    "there is no x 'x' in `x`": "there is no schedule 'night' in `schedules`",
    "there is no x 'x' in `x`x": "there is no zone 'x' in `zones`; there are a and b",
    "the two series cannot be compared: x x": "the two series cannot be compared: a/power is in W, energy in kW.h",
    "x is a number: x": "temperature is a number: use above or below",
    "the rule x": "the rule goes in a circle: a → b → a",
    "x: x": "below: must be a number from 40 to 70 Cel",
    "x of x must be from x": "setpoint of modbus:1 must be from 5 to 30",
    "an id is x": "an id is letters from a to z, digits, '_', '-' and '.', at most 64, starting with a letter or digit",
}
"""Sentences whose parts are words themselves, and one of each."""


@pytest.mark.parametrize("sentence", COMPOSED.values())
def test_a_sentence_that_is_put_together_is_told_in_french(sentence: str) -> None:
    assert in_french(sentence)


def test_all_that_a_configuration_may_have_wrong_is_told_in_french() -> None:
    left = [
        f"{where}: {ways[0]}"
        for path in PARTS
        for where, ways in sentences(path)
        if not any(map(in_french, ways)) and ways[0] not in COMPOSED
    ]
    assert left == []
    assert sum(1 for path in PARTS for _ in sentences(path)) > 100  # it finds them
