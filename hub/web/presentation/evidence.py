"""Evidence about a device in quarantine, in the language of the page. Pure.

Integrations give evidence as a small table in English. Its labels are translated here, and so are the few sentences
among its values; text from the device is shown unchanged. An unknown label is shown unchanged too, as English.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from hub.i18n.typography import typeset


class EvidenceRow(NamedTuple):
    """A row of evidence. `lang` is the language of both, "" for the page's."""

    name: str
    said: str
    lang: str = ""


# ruff: noqa: E501 - a table is read across
_NAMES = {
    "name": ("nom annoncé", "name"), "address": ("adresse", "address"), "vendor": ("fabricant n°", "vendor no."),
    "network": ("réseau", "network"), "mac": ("MAC", "MAC"), "manufacturer": ("fabricant", "manufacturer"),
    "number": ("numéro", "number"), "version": ("version", "version"), "medium": ("fluide", "medium"),
    "metrics": ("grandeurs", "metrics"), "subject": ("certificat au nom de", "certificate of"), "uri": ("URI", "URI"),
    "sha256": ("SHA-256", "SHA-256"), "sha1": ("SHA-1", "SHA-1"), "certificate": ("certificat gardé", "certificate kept"),
    "by": ("entendu par", "heard by"), "remedy": ("à faire", "what to do"), "JoinEUI": ("JoinEUI", "JoinEUI"),
    "groups": ("adresses de groupe", "group addresses"), "security": ("sécurité", "security"), "eep": ("EEP", "EEP"),
    "callback": ("rappel Sigfox", "Sigfox callback"), "bytes": ("octets", "bytes"), "decoder": ("décodeur", "decoder"),
    "application": ("application", "application"),
    "region": ("région", "region"), "gateway": ("passerelle", "gateway"),
}  # fmt: skip
_SENTENCES = {
    "an uplink": "une trame montante", "a join": "une demande de rattachement", "a frame it heard": "une trame entendue",
    "not told": "non dit", "could not be kept": "n'a pas pu être gardé",
    "to hear it, add it to gateways in the configuration": "pour l'entendre, ajoutez-la à « gateways » dans la "
    "configuration",
    "it wants to join: its AppKey is needed": "il demande à rejoindre : il lui faut son AppKey",
    "name it in the configuration, with the pack that reads it; the server has its keys": "adoptez-le ou nommez-le dans "
    "la configuration, avec le pack qui le lit ; le serveur a ses clés",
    "name it in the configuration, with a pack or its format": "adoptez-le ou nommez-le dans la configuration, avec un "
    "pack ou son format",
    # media of M-Bus (EN 13757-7, table 13)
    "other": "autre", "oil": "fioul", "electricity": "électricité", "gas": "gaz", "heat": "chaleur", "steam": "vapeur",
    "warm water": "eau tiède", "water": "eau", "heat cost allocator": "répartiteur de chauffage",
    "compressed air": "air comprimé", "cooling (outlet)": "froid (retour)", "cooling (inlet)": "froid (départ)",
    "heat (inlet)": "chaleur (départ)", "heat and cooling": "chaud et froid",
    "bus or system component": "élément du bus", "unknown": "inconnu", "calorific value": "pouvoir calorifique",
    "hot water": "eau chaude", "cold water": "eau froide", "dual register water": "eau à deux registres",
    "pressure": "pression", "A/D converter": "convertisseur A/N", "smoke detector": "détecteur de fumée",
    "room sensor": "sonde d'ambiance", "gas detector": "détecteur de gaz", "breaker": "disjoncteur", "valve": "vanne",
    "customer unit (display)": "afficheur", "waste water": "eaux usées", "waste": "déchets",
    "carbon dioxide": "dioxyde de carbone", "communication controller": "contrôleur de communication",
    "unidirectional repeater": "répéteur à sens unique", "bidirectional repeater": "répéteur à double sens",
    "radio converter (system side)": "convertisseur radio (côté système)",
    "radio converter (meter side)": "convertisseur radio (côté compteur)",
}  # fmt: skip
_PARTS = (
    (re.compile(r"Basics Station from (.*)"), r"Basics Station depuis \1"),
    (re.compile(r"UDP from (.*)"), r"UDP depuis \1"),
    (re.compile(r"reserved ([0-9a-f]{2})"), r"réservé \1"),
)
_SIZES = (("(up to 6 bits)", "(6 bits au plus)"), ("(no value)", "(sans valeur)"), (" bytes)", " octets)"))
"""Sizes of KNX telegrams within a list of addresses."""


def evidence_rows(evidence: Mapping[str, str], lang: str) -> list[EvidenceRow]:
    """Return the rows in the given order."""
    return [_clue(name, str(value), lang) for name, value in evidence.items()]


def _clue(name: str, value: str, lang: str) -> EvidenceRow:
    if name not in _NAMES:
        return EvidenceRow(name, value, "en" if lang != "en" else "")
    if lang != "fr":
        return EvidenceRow(_NAMES[name][1], value)
    return EvidenceRow(_NAMES[name][0], _french(name, value))


def _french(name: str, value: str) -> str:
    if name == "groups":
        for english, french in _SIZES:
            value = value.replace(english, french)
        return value
    if name in ("name", "subject", "uri"):  # text of the device
        return value
    for pattern, french in _PARTS:
        if pattern.fullmatch(value):
            return pattern.sub(french, value)
    return typeset(_SENTENCES.get(value, value))
