"""French for the hub's refusals: sentences of its errors that a page may show. Pure.

The hub's own sentences are English; a page in English shows them unchanged. One that is not in the table stays English,
and is marked so. A library's reason at the end of a sentence is quoted.
"""

from __future__ import annotations

import re
from functools import cache

from hub.automation.commands.policy import CALLED
from hub.i18n.typography import quantity, typeset, unit_text

_ROLES = {said: role for role, said in CALLED.items()}
_N = r"[-+0-9.eE]+"
_TABLE = (
    # packs, hub.devices.packs.archive and library
    (r"choose the ZIP file of a pack first", "choisissez d'abord le fichier ZIP d'un pack"),
    (r"an archive of a pack (?:has|holds) (?P<n>\d+) MiB at most", "l'archive d'un pack fait {n} Mio au plus"),
    (r"an archive of a pack has (?P<n>\d+) files at most", "l'archive d'un pack compte {n} fichiers au plus"),
    (r"this is not a ZIP archive that can be read: .*", "ce n'est pas une archive ZIP lisible"),
    (
        r"the archive holds (?P<a>.+): a pack's files are plain files below its folder",
        "l'archive contient {a} : un pack est fait de fichiers ordinaires, dans son dossier",
    ),
    (r"there is no (?P<a>\S+) in this archive", "il n'y a pas de {a} dans cette archive"),
    (
        r"there are several packs in this archive; upload one at a time",
        "il y a plusieurs packs dans cette archive ; envoyez-les un par un",
    ),
    (
        r"pack the folder itself and not what is in it: .*",
        "compressez le dossier lui-même et non son contenu : le nom du dossier est celui du pack",
    ),
    (
        r"pack (?P<a>\S+) does not pass its own tests; .*",
        "le pack {a} ne passe pas ses propres épreuves ; `ilot pack test` montre où",
    ),
    # commands, hub.automation.commands.policy
    (r"no device '(?P<a>.+)' is known; .*", "aucun appareil {a} n'est connu"),
    (
        r"say why, in 1 to (?P<n>\d+) characters: it stands in the audit log",
        "dites pourquoi, en 1 à {n} caractères : le motif figure au journal d'audit",
    ),
    (
        r"'.+' of \S+ is read-only; .*",
        "cette grandeur est en lecture seule ; un administrateur peut l'ajouter à `writable:` de l'appareil",
    ),
    (
        r"'.+' of \S+ is written by (?P<role>an? \w+), not by (?P<no>an? \w+)",
        "seul le rôle {role} commande cette grandeur, pas le rôle {no}",
    ),
    (
        r"'.+' was written (?P<n>\d+) s ago: again in (?P<m>\S+) s",
        "cette grandeur a été commandée il y a {n} s : de nouveau possible dans {m} s",
    ),
    (r"'.+' is a flag: true or false", "la valeur est oui ou non"),
    (r"'.+' is a text of at most (?P<n>\d+) printable characters", "la valeur est un texte de {n} caractères au plus"),
    (r"'.+' is a number in (?P<unit>.+)", "la valeur est un nombre, en {unit}"),
    (r"'.+' is a number", "la valeur est un nombre"),
    (r"'(?P<a>.+)' is not a number", "« {a} » n'est pas un nombre"),
    (r"'.+' has no bounds: .*", "cette grandeur n'a pas de bornes : donnez `low` et `high` dans `writable:`"),
    (
        rf"'.+' must be from (?P<n>{_N}) to (?P<m>{_N}), not (?P<b>{_N})",
        "la valeur va de {n} à {m} ; {b} est en dehors",
    ),
    (
        rf"'.+' must be from (?P<n>{_N}) to (?P<m>{_N}) (?P<unit>.*), not (?P<b>{_N})",
        "la valeur va de {n} à {m} {unit} ; {b} est en dehors",
    ),
    (r"all writes are stopped.*", "toutes les écritures sont arrêtées : voyez Commandes"),
    # devices, hub.onboarding.adoption.engine
    (r"at most (?P<n>\d+) devices at a time", "{n} appareils au plus à la fois"),
    (
        r"(?P<a>\S+) stands in the configuration: remove it there .*",
        "{a} figure dans la configuration : retirez-le là",
    ),
    (r"these are not devices to ad(?:d|opt): .*", "ce ne sont pas des appareils que l'on puisse ajouter"),
    # commands, their story
    (r"rule (?P<a>\S+) holds", "la règle {a} est vérifiée"),
    (r"rule (?P<a>\S+) is over", "la règle {a} ne l'est plus"),
    (r"(?P<a>\S+) confirms it", "confirmé par {a}"),
    (r"on the bus; no status address confirms it", "envoyé sur le bus ; aucune adresse d'état ne le confirme"),
)  # fmt: skip


@cache
def _rules() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Compile the patterns when the first page has a sentence to show."""
    return tuple((re.compile(pattern, re.DOTALL), french) for pattern, french in _TABLE)


def french(sentence: str) -> str:
    """Return the sentence in French, "" where the table has none."""
    for pattern, said in _rules():
        found = pattern.fullmatch(sentence)
        if found is not None:
            parts = found.groupdict()
            if "unit" in parts:
                parts["unit"] = unit_text(parts["unit"], "fr")
            parts |= {name: _ROLES.get(parts[name], parts[name]) for name in ("role", "no") if name in parts}
            return typeset(quantity(said.format(**parts), "fr"))
    return ""
