"""French for the hub's own messages, which are English. Pure.

A sentence that is not in the table is shown unchanged, marked as English; so is a reason at the end of one.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from hub.config.french import in_french
from hub.core.actor import who_text
from hub.i18n.plugin_errors import translate
from hub.i18n.typography import KEPT, typeset
from hub.web.formatting import day_text

_STATES = {"stopped": "arrêtée", "quarantined": "en quarantaine", "key": "sa clé", "password": "le mot de passe",
           "sensors": "capteurs", "doors": "accès", "network": "réseau", "hub": "concentrateur"}  # fmt: skip


class Message(NamedTuple):
    """A message: `text` in the language of the page, `quoted` in English; one of them may be empty."""

    text: str
    quoted: str = ""


_TABLE = (
    (r"nobody confirmed it in time", "personne ne l'a confirmé à temps"),
    (r"(?P<a>\S+) took it back", "{a} l'a repris"),
    (r"(?P<a>\S+) does not get through: (?P<q>.*)", "{a} n'aboutit pas"),
    (r"(?P<a>\S+) failed: (?P<q>.*)", "{a} a échoué"),
    (r"(?P<a>\S+) is (?P<state>stopped|quarantined): (?P<q>.*)", "{a} est {state}"),
    (r"the buffer does not reach the disk: (?P<q>.*)", "Le tampon n'atteint pas le disque"),
    (r"link: (?P<q>.*)", "Liaison"),
    (
        r"the backend does not take (?P<a>\d+) records, .*",
        ("Le serveur ne prend pas {a} enregistrements, gardés ici et proposés de nouveau : s'il est plus ancien que ce "
        "concentrateur, mettez-le à jour ; ses alarmes disent pourquoi"),
    ),
    (
        r"without the backend the buffer is full in (?P<a>.+) at today's rate: raise .*",
        ("Sans le serveur, le tampon sera plein dans {a} au rythme d'aujourd'hui : augmentez buffer.max_size, "
        "libérez du disque ou rétablissez la liaison"),
    ),
    (
        r"frames of (?P<a>\d+) known devices are refused: .*",
        "Trames refusées de {a} appareils connus : voyez À traiter",
    ),
    (
        r"the configuration file is wrong, the last good one runs: .*",
        "Le fichier de configuration est faux, le dernier bon est utilisé : `ilot check` montre où",
    ),
    (
        r"the clock is not sure: .*",
        "L'horloge n'est pas sûre : les relevés sont datés depuis ce démarrage en attendant qu'elle le soit",
    ),
    (r"no state backup in safety for (?P<a>\d+) days: (?P<q>.*)", "Aucune sauvegarde en lieu sûr depuis {a} jours"),
    (r"backup\.directory: (?P<q>.*)", "Répertoire de sauvegarde (backup.directory)"),
    (r"buffer\.mirror: (?P<q>.*)", "Copie du tampon (buffer.mirror)"),
    (
        r"pack (?P<a>\S+) is not here: .*",
        "Le pack {a} est absent : installez-le, les relevés de ses appareils sont perdus",
    ),
    (r"pack (?P<a>\S+) is wrong: (?P<q>.*)", "Le pack {a} est faux"),
    (r"the client certificate ends in (?P<a>\d+) days and was not renewed: (?P<q>.*)",
     "Le certificat du concentrateur expire dans {a} jours et n'est pas renouvelé"),
    (r"the client certificate has lapsed and was not renewed: (?P<q>.*)", "Le certificat du concentrateur a expiré"),
    (r"raw history cannot be kept on disk: (?P<q>.*)", "Les relevés bruts ne peuvent pas être gardés sur disque"),
    (r"(?P<a>\d+) readings are in no raw history on disk: .*",
     "{a} relevés manquent parmi les relevés bruts sur disque : il ne les a pas pris à temps"),
    (r"(?P<a>\d+) parts of raw history on disk are damaged; .*",
     "{a} parties des relevés bruts sur disque sont abîmées ; elles se voient comme des trous"),
    (r"raw history on disk is kept for a shorter time .*",
     ("Les relevés bruts sur disque sont gardés moins longtemps que prévu : augmentez history.raw_max_size ou libérez "
      "de la place")),
    (r"raw history that is no longer wanted could not be destroyed; .*",
     "Les relevés bruts dont on ne veut plus n'ont pas pu être détruits : le prochain démarrage essaie encore"),
    (r"hourly aggregates cannot be written: (?P<q>.*)", "Les cumuls horaires ne peuvent pas être écrits"),
    (r"hourly aggregates go without (?P<a>\d+) (late readings|hours of series); .*",
     "Il manque {a} valeurs aux cumuls horaires, que la mémoire n'a pas pu garder ; le tampon les a"),
    (r"the time is known within (?P<a>\d+) s only, .*",
     ("L'heure n'est connue qu'à {a} s près, les relevés ainsi datés sont dits incertains : donnez un serveur de "
      "temps à cette machine")),
    (r"this machine's clock is (?P<q>.+) the backend's: one of them is wrong.*",
     "L'horloge de cette machine et celle du serveur diffèrent : l'une des deux est fausse"),
    (r"trust document: (?P<q>.*)", "Document de confiance"),
    (
        r"all writes are stopped by (?P<a>\S+) \((?P<b>.*)\): .*",
        "Toutes les écritures sont arrêtées par {a} ({b}) : voyez Commandes",
    ),
    (
        r"(?P<a>\d+) devices look cloned: .*",
        "{a} appareils semblent clonés : voyez Quarantaine",
    ),
    (
        r"device (?P<a>\S+) is known and blocked \((?P<b>.*)\): .*",
        "L'appareil {a} est connu et bloqué ({b}) : rien de lui n'est pris en compte",
    ),
    (
        r"Mode recette is open for (?P<a>\d+) min more, started by (?P<b>\S+): .*",
        "Mode recette ouvert encore {a} min, par {b} : voyez Quarantaine",
    ),
    (
        r"device (?P<a>\S+) stands in (?P<b>.+) and was added by a command too: .*",
        "L'appareil {a} figure dans {b} et a aussi été ajouté à la main : la configuration compte",
    ),
    (
        r"local account (?P<a>.+) was used instead of a badge: .*",
        "Compte local {a} utilisé à la place d'un badge : était-ce voulu ? Le journal d'audit dit quand",
    ),
    (
        r"device (?P<a>\S+) still has the password of (?P<b>\S+) that it left the factory with: .*",
        ("L'appareil {a} a encore le mot de passe d'origine du compte {b} : rien ne lui est écrit ; changez-le dans "
        "l'appareil, puis ici"),
    ),
    (
        r"device (?P<a>\S+) still has the (?P<b>key|password) that it left the factory with: .*",
        "L'appareil {a} a encore {b} d'origine : rien ne lui est écrit ; changez cela dans l'appareil, puis ici",
    ),
    (r"security incident \((?P<state>\S+)\): .*", "Incident de sécurité ({state}) : voyez Alertes en cours"),
    (
        r"this hub is read-only since (?P<a>\S+) said so \((?P<b>.*)\): \S+ is refused; .*",
        "Concentrateur en lecture seule ({a} : {b}) : rien n'est écrit ni relevé plus souvent",
    ),
    (r"say why(: .*)?", "Donnez un motif : il figure au journal d'audit"),
    (
        r"the disk does not remember the state of crisis, a restart would undo it: (?P<a>.+); it is tried again",
        "Le disque refuse d'enregistrer l'état de crise, un redémarrage l'annulerait ({a}) ; nouvel essai automatique",
    ),
    (r"this hub is in no crisis: .*", "Aucune crise en cours : il n'y a rien à quitter"),
    (r"this plan is not known any more: .*", "Ce plan n'est plus connu : affichez-le de nouveau"),
    (
        r"the plan does not hold any more: (?P<q>.*)",
        "Ce plan ne tient plus, les faits ont changé : affichez-le de nouveau et relisez-le",
    ),
    (r"this plan raises nothing: .*", "Ce plan ne relève rien : sa liste dit pourquoi"),
    (r"sampling is (raised|restoring) already: .*", "Les périodes sont déjà relevées, ou en train d'être rendues"),
    (r"sampling is not raised: .*", "Rien n'est relevé plus souvent : il n'y a rien à rendre"),
    (r"sampling is raised by an administrator", "Un administrateur seul peut relever plus souvent"),
    (
        r"sampling is raised for 1 min to (?P<a>\S+), as .*",
        "La durée va de 1 min à {a} (crisis.sampling.longest)",
    ),
    (r"a period is 1 s or longer", "Une période dure 1 s au moins"),
    (r"expected a duration with its unit .*", "Donnez une durée avec son unité : 30s, 5min, 1h"),
    (
        r"a raised period is asked for since (?P<a>\S+) said so \((?P<b>.*)\): (?P<c>\d+) of (?P<d>\d+) are .*",
        "Période plus courte demandée par {a} ({b}) : observée chez {c} sur {d} ; voyez Crise",
    ),
    (
        r"the former period is being given back: (?P<c>\d+) of (?P<d>\d+) are observed at it; .*",
        "Les périodes d'avant sont en train d'être rendues : {c} observées sur {d} ; voyez Crise",
    ),
    (
        r"(?P<a>.+) was not observed at its former period after a crisis: .*",
        "{a} n'a pas été observé à sa période d'avant : allez voir, ou réglez-la à la main",
    ),
    (
        r"what was remembered of a raised sampling cannot be read: .*",
        "Le souvenir des périodes relevées est illisible : comparez la page Radio avec l'habitude",
    ),
    (r"this hub is (?P<a>.+) since (?P<b>\S+) said so \((?P<q>.*)\): .*", "Crise déclarée par {b} : voyez Crise"),
    (r"the pages are not served: (?P<q>.*)", "Les pages ne sont pas servies"),
    (r"place (?P<a>\S+) was made in zone (?P<b>\S+), which the configuration does not have",
     "L'emplacement {a} a été créé dans la zone {b}, que la configuration n'a pas"),
    (r"device (?P<a>\S+) was added for integration '(?P<b>.*?)', which the configuration does not have",
     "L'appareil {a} a été ajouté pour l'intégration {b}, que la configuration n'a pas"),
    (r"privacy rule (?P<a>\S+) names (?P<b>.*), which no plugin, pack or device declares: .*",
     "La règle de vie privée {a} nomme {b}, que rien ne déclare : elle n'y protège rien"),
    (r"the clock was not sure for so long that history goes without (?P<a>\d+) reports; .*",
     "L'horloge est restée incertaine trop longtemps : {a} relevés manquent à l'historique ; le tampon les a"),
    (r"(?P<a>\d+) erasures are not confirmed by the backend after a day; .*",
     "{a} effacements ne sont pas confirmés par le serveur après un jour : voyez Vie privée"),
    (r"a change of the configuration \((?P<a>.*?)\) is missing in the audit log: (?P<q>.*)",
     "Un changement de configuration ({a}) manque au journal d'audit"),
    (r"a change could not be taken back whole \((?P<q>.*)\): restart the hub",
     "Un changement n'a pas pu être repris entièrement, redémarrez le concentrateur"),
    (r"a restart of the hub takes up: (?P<a>.*)", "Attend un redémarrage du concentrateur : {a}"),
    (r"the configuration is to be confirmed within (?P<a>\d+) s: .*",
     "La configuration est à confirmer dans les {a} s : voyez Configuration"),
    (r"hourly aggregates are kept for a shorter time .*",
     "Les cumuls horaires sont gardés moins longtemps que prévu : augmentez history.max_size"),
    (r"hourly aggregates started anew: their file was damaged and lies beside as (?P<a>\S+)",
     "Les cumuls horaires repartent de zéro : leur fichier était abîmé, il est gardé à côté ({a})"),
    (r"school holidays, zone (?P<a>.+?): known until (?P<day>[-\d]+) only; renew it.*",
     "Vacances scolaires, zone {a} : connues jusqu'au {day} seulement, à compléter"),
    (r"calendar (?P<a>.+?): known until (?P<day>[-\d]+) only; renew it",
     "Calendrier {a} : connu jusqu'au {day} seulement, à compléter"),
    (r"rule (?P<a>\S+) is not watched: (?P<q>.*)", "La règle {a} n'est pas surveillée"),
    (r"rule (?P<a>\S+) could not command (?P<b>\S+) of (?P<c>\S+), tried (?P<d>\S+) times and tries no more: (?P<q>.*)",
     "La règle {a} n'a pas pu commander {b} de {c} et n'essaie plus, essais : {d}"),
    (r"rule (?P<a>\S+) could not command (?P<b>\S+) of (?P<c>\S+), tried (?P<d>\S+) times: (?P<q>.*)",
     "La règle {a} n'a pas pu commander {b} de {c} et essaiera encore, essais : {d}"),
    (r"rule (?P<a>\S+) could not command: (?P<q>.*)", "La règle {a} n'a pas pu commander"),
    (r"which rules hold what is not written down: (?P<q>.*)",
     "Le disque n'a pas noté ce que les règles tiennent : un redémarrage le laisserait ainsi"),
    (r"notifier (?P<a>\S+): (?P<b>\d+) alerts wait, (?P<c>\d+) an hour are told",
     "Notificateur {a} : {b} alertes attendent, {c} partent par heure"),
    (r"notifier (?P<a>\S+): (?P<b>\d+) alerts were left out, more than (?P<c>\d+) waited",
     "Notificateur {a} : {b} alertes laissées de côté, plus de {c} attendaient"),
    (r"(?P<a>\d+) alerts cannot be written to the store", "{a} alertes ne peuvent pas être écrites sur le disque"),
    (r"(?P<a>\d+) alerts were not raised: (?P<b>\d+) are open, clear some",
     "{a} alertes n'ont pas été déclenchées : {b} sont déjà ouvertes, fermez-en"),
    (r"the meter at (?P<a>\S+) was replaced (?P<b>\d+) time\(s\) and nobody said .*",
     "Le compteur de {a} a été remplacé ({b} fois), index non notés : indiquez `swaps` pour cet emplacement"),
)  # fmt: skip


@cache
def _rules() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Compile the patterns when the first page has a sentence to show."""
    return tuple((re.compile(pattern, re.DOTALL), french) for pattern, french in _TABLE)


def _translated(name: str, part: str) -> str:
    return day_text(part, "fr") if name == "day" else _STATES.get(part, who_text(part, "fr"))


def message(sentence: str, lang: str) -> Message:
    """Return a sentence of `ilot status` for a page in this language."""
    if lang != "fr":
        return Message(sentence)
    for pattern, french in _rules():
        found = pattern.fullmatch(sentence)
        if found is not None:
            said = {name: _translated(name, part) for name, part in found.groupdict().items() if name != "q"}
            text, rest = typeset(french.format(**said)), found.groupdict().get("q", "")
            more, quoted = translate(rest) if rest else ("", "")
            return Message(f"{text}{KEPT}: {more}" if more else text, quoted)
    known = in_french(sentence)
    return Message(typeset(known)) if known else Message(*translate(sentence))
