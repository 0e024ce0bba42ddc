"""What is wrong is said in French for the mistakes that people make: the sentences come from the real validator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hub.config.french import in_french
from hub.config.load import Models, load
from hub.errors import ConfigError

BASE = "sites: {school: {name: School}}\nzones: {rooms: {site: school}}\n"
Write = Callable[..., Path]


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
        ("devices: {'meter:a': {integration: meter, place: p}}", "la place 'p' n'existe pas dans `places`"),
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
