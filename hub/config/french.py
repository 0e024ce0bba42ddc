"""French for problems of a configuration: the sentences of `pydantic_findings`, `checks`, `syntax` and the like. Pure.

The English sentence is the key: a test of the common mistakes fails when one is changed without its French. Sentences
without French stay English.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from hub.config.pydantic_findings import EXPECTED
from hub.config.spoken import SPOKEN

_WORDS = {
    "true or false": "true ou false",
    "a whole number": "un nombre entier",
    "a number": "un nombre",
    "text; a number or true/false is put in quotes": "un texte ; un nombre ou true/false se met entre guillemets",
    "text": "un texte",
    "a date, like 2026-01-31": "une date, comme 2026-01-31",
    "a date and time, like 2026-01-31T12:00:00Z": "une date et une heure, comme 2026-01-31T12:00:00Z",
    "a duration with its unit (ms, s, min, h, d), like 30s": "une durée avec son unité (ms, s, min, h, d), comme 30s",
    "a time of day, like 07:30": "une heure, comme 07:30",
    "a URL, like https://example.org": "une adresse, comme https://example.org",
    "a mapping: lines of 'key: value' below it": "des lignes « clé: valeur » en dessous",
    "a list: lines that start with '- ' below it": "une liste : des lignes qui commencent par « - » en dessous",
    "the path of a file or directory": "le chemin d'un fichier ou d'un répertoire",
    "an IP address": "une adresse IP",
    "a UUID": "un UUID",
}
_GIVEN = {"a mapping": "un ensemble d'options", "a list": "une liste", "nothing": "rien"}
_NOUNS = {
    "site": "le site", "zone": "la zone", "place": "l'emplacement", "integration": "l'intégration", "bus": "la ligne",
    "calendar": "le calendrier", "schedule": "le programme", "device": "l'appareil", "pack": "le pack",
    "template": "le modèle", "uplink": "le transport", "exporter": "l'exporteur", "notifier": "le notificateur",
}  # fmt: skip
_OWNERS = {"the configuration": "la configuration"}
_BOUNDS = {"more than": "plus de", "at least": "au moins", "less than": "moins de", "at most": "au plus"}
_THINGS = {"character": "caractère", "characters": "caractères", "entry": "élément", "entries": "éléments"}

_MISSING = re.compile("(?:^|; )('[^']*') is missing here")
_Spoken = Callable[[re.Match[str]], str]


@cache
def _rules() -> tuple[tuple[re.Pattern[str], _Spoken], ...]:
    """Compile the patterns when the first sentence is looked up: a start has none."""
    return tuple(
        (re.compile(pattern, re.DOTALL), spoken if callable(spoken) else _plain(spoken)) for pattern, spoken in _TABLE
    )


def in_french(message: str) -> str | None:
    """Return the sentence in French; None where it is not known."""
    for pattern, spoken in _rules():
        if match := pattern.fullmatch(message):
            return spoken(match)
    parts = message.split("; ")
    said = [in_french(part) for part in parts] if 1 < len(parts) <= 6 else [None]
    return " ; ".join(part or "" for part in said) if all(said) else None


def _list(text: str) -> str:
    """Translate `a, b or c`, and expectations in words."""
    if text in _WORDS:
        return _WORDS[text]
    for english, french in (*_WORDS.items(), *((one, _WORDS.get(one, one)) for one in EXPECTED.values())):
        if text.endswith(f" or {english}"):
            return f"{_list(text.removesuffix(f' or {english}'))} ou {french}"
    return re.sub(r" (or|and) (?=[^ ]+$)", lambda one: " ou " if one[1] == "or" else " et ", text)


def _given(text: str) -> str:
    return _GIVEN.get(text, text)


def _owner(text: str | None) -> str:
    if not text:
        return ""
    for noun, french in _NOUNS.items():
        if text.startswith(f"{noun} "):
            return f" de {french} {text.removeprefix(f'{noun} ')}".replace(" de le ", " du ")
    if match := re.fullmatch(r"the settings of (.*) devices", text):
        return f" des réglages des appareils {match[1]}"
    return f" de {_OWNERS.get(text, text)}"


def _unknown_option(one: re.Match[str]) -> str:
    head = f"{one['key']} n'est pas une option{_owner(one['of'])}"
    rest = one["rest"]
    if rest == "it takes none":
        return f"{head} ; il n'y en a aucune"
    return f"{head} ; il y a {_list(rest.removeprefix('there are ').removeprefix('there is '))}"


def _missing(one: re.Match[str]) -> str:
    """Translate missing options, one or several, with or without their meaning."""
    return f"il manque {' et '.join(_MISSING.findall(one[0]))} ici"


def _absent(one: re.Match[str]) -> str:
    there = f" ; il y a {_list(one['there'])}" if one["there"] else ""
    return f"{_NOUNS[one['noun']]} {one['name']} n'existe pas dans `{one['section']}`{there}"


def _not_installed(one: re.Match[str]) -> str:
    hint = " ; une instance d'un autre nom dit son `type`" if one["hint"] else ""
    there = f"sont là : {_list(one['there'])}" if one["there"] else "rien n'est installé de cette sorte"
    return f"{_NOUNS[one['noun']]} {one['name']} n'est pas installé{_e(one['noun'])}{hint} ; {there}"


def _e(noun: str) -> str:
    return "e" if noun in ("integration", "zone") else ""


def _plain(text: str) -> _Spoken:
    """Fill in the parts; `n` before "doit" is the name of an option, where the sentence has one."""
    return lambda one: text.format(
        **{
            name: (f"{part} : " if part else "") if text.startswith("{n}doit") and name == "n" else part
            for name, part in one.groupdict().items()
        }
    )


_N = "|".join(_NOUNS)
_TABLE: tuple[tuple[str, _Spoken | str], ...] = (
    (r"(?P<key>'.*?') is not an option(?: of (?P<of>.*?))?; (?P<rest>it takes none|there (?:is|are) .*)",
     _unknown_option),
    (r"'[^']*' is missing here(?:[:;] .*)?", _missing),
    (r"expected (?P<what>.*); this is (?P<given>.*)",
     lambda one: f"attendu : {_list(one['what'])} ; ici : {_given(one['given'])}"),
    (r"must be (?P<how>more than|at least|less than|at most) (?P<bound>.*); this is (?P<given>.*)",
     lambda one: f"il faut {_BOUNDS[one['how']]} {one['bound']} ; ici : {_given(one['given'])}"),
    (r"needs at least (?P<n>\d+) (?P<what>\w+)", lambda one: f"il faut au moins {one['n']} {_THINGS[one['what']]}"),
    (r"takes at most (?P<n>\d+) (?P<what>\w+)", lambda one: f"au plus {one['n']} {_THINGS[one['what']]}"),
    (r"(?P<given>.*) does not have the form that is asked for: (?P<form>.*)",
     "{given} n'a pas la forme demandée : {form}"),
    (r"this secret does not have the form that is asked for", "ce secret n'a pas la forme demandée"),
    (r"!secret cannot stand here: .*",
     "!secret ne va pas ici : cette option n'est pas tenue secrète, sa valeur serait montrée"),
    (r"a secret is never written in this file; put it in secrets\.yaml and write: (?P<name>.*): !secret NAME",
     "un secret ne s'écrit jamais dans ce fichier ; mettez-le dans secrets.yaml et écrivez : {name}: !secret NOM"),
    (r"the secret (?P<name>'.*?') is neither in (?P<file>.*) nor in (?P<env>\S+)",
     "le secret {name} n'est ni dans {file} ni dans {env}"),
    (rf"there is no (?P<noun>{_N}) (?P<name>'.*?') in `(?P<section>\w+)`(?:; there (?:is|are) (?P<there>.*))?",
     _absent),
    (r"there is no pack (?P<name>'.*?'); `ilot pack list` shows those that are there",
     "le pack {name} n'existe pas ; `ilot pack list` montre ceux qui sont là"),
    ((rf"no (?P<noun>{_N}) (?P<name>'.*?') is installed(?P<hint>; an instance of another name says its `type`)?; "
     r"(?:installed: (?P<there>.*)|no \w+ is installed)"), _not_installed),
    (r"the device (?P<a>'.*?') differs from (?P<b>'.*?') only by capitals; one device has one id",
     "l'appareil {a} ne diffère de {b} que par les majuscules ; un appareil a un identifiant"),
    (r"this key must be hexadecimal: an even number of digits 0-9 and a-f",
     "cette clé doit être hexadécimale : un nombre pair de chiffres 0-9 et a-f"),
    (r"expected a duration with its unit \(ms, s, min, h, d\)(?:: (?P<hint>.*)|, like .*)",
     lambda one: "attendu : une durée avec son unité (ms, s, min, h, d), comme "
     + (one["hint"] or "5s, 500ms, 1h30min ou 7d")),
    (r"expected a size with its unit \(B, KB, MB, GB\), like 256KB",
     "attendu : une taille avec son unité (B, KB, MB, GB), comme 256KB"),
    (r"expected a time zone of the IANA database, like (?P<a>\S+) or (?P<b>\S+)",
     "attendu : un fuseau horaire de la base IANA, comme {a} ou {b}"),
    (r"expected the address of an HTTP proxy, like (?P<a>\S+)",
     "attendu : l'adresse d'un mandataire HTTP, comme {a}"),
    (r"low and high are given together", "low et high se donnent ensemble"),
    (r"low must not be above high", "low ne doit pas dépasser high"),
    (r"a period is from 1s to 1d", "une période va de 1s à 1d"),
    (r"true or false is expected", "true ou false est attendu"),
    (r"the name of a secret is expected, as it stands in secrets\.yaml",
     "le nom d'un secret est attendu, comme il figure dans secrets.yaml"),
    (r"one of (?P<what>.*) is expected", "attendu : l'un de {what}"),
    (r"a number is expected, not (?P<given>.*)", "un nombre est attendu, pas {given}"),
    (r"(?P<a>.*) stands here a second time; the first is at line (?P<n>\d+)",
     "{a} figure ici une seconde fois ; la première est à la ligne {n}"),
    (r"a tab stands here; .*", "une tabulation est ici ; YAML s'indente avec des espaces seulement"),
    (r"a text cannot start with this character; .*",
     "un texte ne commence pas par ce caractère ; mettez-le entre guillemets"),
    (r"this ':' is out of place; .*",
     "ce « : » n'est pas à sa place ; vérifiez l'indentation, ou mettez le texte entre guillemets"),
    (r"a list starts on a line of its own, not after a key",
     "une liste commence sur sa propre ligne, pas après une clé"),
    (r"the quote opened here is never closed", "le guillemet ouvert ici n'est jamais fermé"),
    (r"the (?P<a>'.') at line (?P<n>\d+) is not closed, or a comma is missing",
     "le {a} de la ligne {n} n'est pas fermé, ou une virgule manque"),
    (r"this line needs a ':' and a space after its key", "cette ligne demande « : » et une espace après sa clé"),
    (r"this line is not indented like the ones before it \(they start at line (?P<n>\d+)\)",
     "cette ligne n'est pas indentée comme celles d'avant (elles commencent à la ligne {n})"),
    (r"(?:this tag|the tag (?P<a>'.*?')) is(?: not)? (?:not )?known; there are !secret and !include",
     "cette étiquette n'est pas connue ; il y a !secret et !include"),
    (r"nothing may follow here; .*",
     "rien ne peut suivre ici ; vérifiez les crochets et le début de la ligne"),
    (r"this is not valid YAML(?:: .*)?", "ce n'est pas du YAML valide"),
    (r"an alias \(\*\) is not allowed here; .*", "un alias (*) n'est pas permis ici ; écrivez la valeur"),
    (r"an anchor \(&\) is not allowed here; .*",
     "une ancre (&) n'est pas permise ici ; écrivez la valeur là où il la faut"),
    (r"a key is missing before this colon", "il manque une clé avant ce deux-points"),
    (r"(?P<a>\S+) is outside (?P<b>.*); only files of this directory tree can be included",
     "{a} est hors de {b} ; seuls des fichiers de cette arborescence peuvent être inclus"),
    (r"there is no such file; .*",
     "ce fichier est introuvable ; --config ou ILOT_CONFIG en désigne un autre, `ilot new config` en écrit un"),
    (r"(?P<a>\S+) cannot be read: No such file or directory", "{a} est introuvable"),
    (r"(?P<a>\S+) cannot be read: (?P<b>.*)", "{a} ne peut pas être lu : {b}"),
    (r"everybody on this machine may use (?P<a>.*) \(mode (?P<m>\d+)\); run: (?P<c>.*)",
     "tout le monde sur cette machine peut utiliser {a} (mode {m}) ; faites : {c}"),
    (r"(?P<a>\S+) is larger than (?P<n>\d+) KB; split it with !include",
     "{a} dépasse {n} Ko ; partagez-le avec !include"),
    *SPOKEN,
)  # fmt: skip
