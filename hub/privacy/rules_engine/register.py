"""The register of processing (GDPR, art. 30) and a draft of the impact assessment (art. 35), in French, as editable
text.

Filled from the configuration, with blanks for what it cannot know. Pure; no legal advice.
"""

# ruff: noqa: E501 - sentences of a document are read whole

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from hub.config.model import Core
from hub.core.model import Metric
from hub.privacy.rules_engine.data_categories import PLACE, POSITION, is_dwelling, kind_of
from hub.privacy.rules_engine.rules import PrivacyRule, compile_privacy
from hub.privacy.rules_engine.texts import describe_data, does, metric_name

BLANK = "*À compléter.*"
COLUMNS = (
    "Traitement",
    "Zones",
    "Finalité",
    "Données",
    "Mesures",
    "Base légale",
    "Durée de conservation",
    "Destinataires",
)


class Processing(msgspec.Struct, frozen=True):
    """A purpose for which personal data are kept. `consent`: the key of the consent it is based on, "" for none."""

    name: str
    zones: tuple[str, ...]
    purpose: str
    data: str
    does: str
    consent: str
    days: int


def processings(core: Core, metrics: Mapping[str, Metric], lang: str = "fr") -> list[Processing]:
    """Return the processings that the configuration states: purposes of zones, then rules with a purpose."""
    found = []
    for zone, entry in core.zones.items():
        home = is_dwelling(entry.use)
        for key, purpose in entry.personal.items():
            rule = _deciding(core, metrics.get(key), key, zone)
            if rule is not None and rule.drop:
                continue
            said = does(rule, lang) if rule is not None else _plain(key, home=home, lang=lang)
            days = _days(metrics, [key], home=home)
            found.append(Processing(f"{zone}/{key}", (zone,), purpose, metric_name(key, metrics, lang), said, "", days))
    for rule in compile_privacy(core):
        if rule.purpose and not rule.drop:
            zones = tuple(sorted(rule.zones)) or tuple(core.zones)
            home = any(is_dwelling(core.zones[zone].use) for zone in zones if zone in core.zones)
            days = _days(metrics, rule.metrics, home=home)
            found.append(
                Processing(
                    rule.name,
                    zones,
                    rule.purpose,
                    describe_data(rule, metrics, lang),
                    does(rule, lang),
                    rule.consent,
                    days,
                )
            )
    return found


def register_markdown(core: Core, metrics: Mapping[str, Metric], made: str, hub: str, recipients: Sequence[str]) -> str:
    """Write the register; `made`: the day, `recipients`: configured hosts that receive data."""
    lines = [
        "# Registre des activités de traitement", "",
        (f"Produit le {made} par le concentrateur {hub} à partir de sa configuration en vigueur. À relire et à compléter : "
        "ce document décrit ce que fait le logiciel, il ne vaut pas avis juridique."), "",
        f"- Responsable du traitement : {BLANK}", f"- Délégué à la protection des données : {BLANK}",
        f"- Sites : {', '.join(site.name or name for name, site in core.sites.items()) or BLANK}", "",
    ]  # fmt: skip
    found = processings(core, metrics)
    if not found:
        lines += ["Aucune donnée personnelle n'est conservée par cette configuration.", ""]
    for one in found:
        lines += [
            f"## {_line(one.purpose)} ({_line(one.name)})",
            "",
            f"- Finalité : {_line(one.purpose)}",
            f"- Zones : {_zones(core, one.zones)}",
            f"- Personnes concernées : {_people(core, one.zones)}",
            f"- Catégories de données : {_line(one.data)}",
            f"- Ce qui sort du concentrateur : {one.does}",
            f"- Base légale : {_basis(one)}",
            f"- Destinataires : {', '.join(recipients) or BLANK}",
            f"- Durée de conservation proposée : {one.days} jours ; celle du serveur : `ilot backend retention`",
            f"- Sur le concentrateur lui-même : {on_the_hub(core)}",
            "- Transferts hors de l'Union européenne : aucun par le logiciel ; " + BLANK,
            (
                "- Mesures de sécurité : données scellées pour les clés du propriétaire avant écriture, TLS 1.3, "
                "journal d'audit chaîné"
            ),
            "",
        ]
    lines += ["## Ce qui n'est pas conservé", "", *(f"- {said}" for said in _dropped(core, metrics)), ""]
    return "\n".join(lines)


def register_csv(core: Core, metrics: Mapping[str, Metric], recipients: Sequence[str]) -> str:
    """Write the register as a table: UTF-8, semicolons, as French spreadsheets open it. No cell is taken for a
    formula."""
    out = io.StringIO()
    table = csv.writer(out, delimiter=";", lineterminator="\r\n")
    table.writerow(COLUMNS)
    for one in processings(core, metrics):
        cells = (
            one.name, _zones(core, one.zones), one.purpose, one.data, one.does, _basis(one).strip("*"),
            f"{one.days} jours ; sur le concentrateur : {on_the_hub(core)}", ", ".join(recipients),
        )  # fmt: skip
        table.writerow([f"'{cell}" if cell[:1] in "=+-@\t" else cell for cell in map(_line, cells)])
    return "\ufeff" + out.getvalue()


def dpia_markdown(core: Core, metrics: Mapping[str, Metric], made: str, hub: str, recipients: Sequence[str]) -> str:
    """Draft the impact assessment in the order of the CNIL's method: context, principles, risks, decision."""
    found = processings(core, metrics)
    homes = [zone for zone, entry in core.zones.items() if is_dwelling(entry.use)]
    lines = [
        "# Analyse d'impact relative à la protection des données : projet", "",
        (f"Produit le {made} par le concentrateur {hub} à partir de sa configuration en vigueur. À relire, à compléter et à "
        "valider ; ce projet ne vaut pas avis juridique."), "",
        "## 1. Contexte", "",
        (f"- Vue d'ensemble : {len(core.devices)} appareils configurés, {len(core.zones)} zones, dont "
        f"{len(homes)} logement(s) ({', '.join(homes) or 'aucun'})."),
        f"- Traitements de données personnelles : {len(found)}.", f"- Responsable : {BLANK}", f"- Sous-traitants : {BLANK}",
        f"- Destinataires : {', '.join(recipients) or BLANK}", "",
        "| Finalité | Données | Zones | Ce qui sort du concentrateur | Base légale |", "|---|---|---|---|---|",
        *(
            f"| {_cell(one.purpose)} | {_cell(one.data)} | {_cell(_zones(core, one.zones))} | {one.does} | {_basis(one)} |"
            for one in found
        ), "",
        "## 2. Principes fondamentaux", "",
        "- Finalités déterminées : chaque règle en énonce une ; sans finalité, la donnée est détruite avant écriture.",
        "- Minimisation : " + ("; ".join(dict.fromkeys(one.does for one in found)) or "rien n'est conservé") + ".",
        "- Durées : " + (", ".join(dict.fromkeys(f"{one.days} jours" for one in found)) or "sans objet")
        + " ; appliquées par le serveur (`ilot backend retention`).",
        f"- Sur le concentrateur lui-même : {on_the_hub(core)}.",
        f"- Information des personnes : {BLANK}",
        "- Consentement et retrait : " + _consents(found),
        ("- Accès : `ilot privacy access`. Effacement : `ilot privacy withdraw`, `ilot device erase`, confirmés par le "
        "serveur."), "",
        "## 3. Risques", "",
        "| Risque | Menaces | Mesures en place | Gravité | Vraisemblance |", "|---|---|---|---|---|",
        ("| Accès illégitime aux données | vol du concentrateur ou de sa carte ; compromission du serveur ; réidentification "
        "d'un foyer par son profil | données scellées avant écriture, illisibles par le concentrateur lui-même ; pseudonymes à clé "
        f"destructible ; agrégats et comptages arrondis | {BLANK} | {BLANK} |"),
        ("| Modification non désirée | faux capteur, rejeu de trames | admission par la configuration, compteurs, classes "
        f"de confiance, signatures | {BLANK} | {BLANK} |"),
        f"| Disparition de données | panne, coupure | tampon durable, accusés de réception signés | {BLANK} | {BLANK} |", "",
        "Risques résiduels à examiner :", "",
        "- Un seuil de 5 limite la divulgation ; ce n'est pas une anonymisation.",
        "- Un pseudonyme reste une donnée personnelle (RGPD, art. 4, point 5).",
        "- Une position détachée de son véhicule se devine si la zone n'en compte qu'un.",
        *([] if homes else ["- Aucune zone n'est déclarée comme logement : vérifier qu'aucune n'en est un."]), "",
        "## 4. Décision", "", f"- Avis du délégué : {BLANK}", f"- Avis des personnes concernées : {BLANK}",
        f"- Validation : {BLANK}", "",
    ]  # fmt: skip
    return "\n".join(lines)


def on_the_hub(core: Core) -> str:
    """Describe how long the hub itself keeps personal data, and where; pseudonymised data are not kept there."""
    history = core.history
    said = ["relevés en mémoire vive 24 à 30 heures"]
    if history.raw_on_disk != "none" and history.raw_personal:
        key = {
            "tpm": "clé détenue par le TPM de la machine",
            "key-file": "clé dans un fichier du même disque : un vol de la carte les livre",
        }[history.raw_on_disk]
        said.append(f"relevés bruts chiffrés sur disque {history.raw_days.days} jours au plus ({key})")
    else:
        said.append("aucun relevé brut personnel sur disque")
    said.append(f"valeurs horaires chiffrées {history.hours.days} jours, mensuelles dix ans")
    return ", ".join(said)


def _deciding(core: Core, metric: Metric | None, key: str, zone: str) -> PrivacyRule | None:
    for rule in compile_privacy(core):
        if rule.fits_position(zone) if key == POSITION else metric is not None and rule.fits(metric, zone):
            return rule
    return None


def _plain(key: str, *, home: bool, lang: str) -> str:
    fr = lang == "fr"
    if key == POSITION:
        return (
            "positions sur une grille de 200 m, datées par tranche de 5 min, sans identifiant d'appareil"
            if fr
            else "positions on a grid of 200 m, dated by spans of 5 min, without their device's id"
        )
    if home:
        return "conservé sous un pseudonyme à clé destructible" if fr else "kept under a pseudonym"
    return "conservé tel quel" if fr else "kept as is"


def _days(metrics: Mapping[str, Metric], keys: Iterable[str], *, home: bool) -> int:
    kinds = [
        PLACE if key == POSITION else kind_of(metrics[key], dwelling=home)
        for key in keys
        if key == POSITION or key in metrics
    ]
    return min((kind.retention_days for kind in kinds), default=396)


def _dropped(core: Core, metrics: Mapping[str, Metric]) -> list[str]:
    said = [
        (
            "Sans finalité énoncée : présence, passages, ouvrants, CO2, courbes de charge, positions, textes ; dans un "
            "logement, presque toute mesure."
        ),
        "Les adresses radio des téléphones et montres ne sont ni enregistrées ni hachées.",
    ]
    drops = [rule for rule in compile_privacy(core) if rule.drop]
    return said + [
        f"{_line(describe_data(rule, metrics, 'fr'))} ({', '.join(sorted(rule.zones)) or 'toutes les zones'}) : règle {rule.name}"
        for rule in drops
    ]


def _zones(core: Core, zones: Iterable[str]) -> str:
    return ", ".join(_line(core.zones[zone].name or zone) if zone in core.zones else zone for zone in zones)


def _people(core: Core, zones: Iterable[str]) -> str:
    homes = any(zone in core.zones and is_dwelling(core.zones[zone].use) for zone in zones)
    return "occupants des logements, visiteurs" if homes else f"usagers et agents de ces lieux ; {BLANK}"


def _basis(one: Processing) -> str:
    return f"consentement ({one.consent})" if one.consent else BLANK


def _consents(found: list[Processing]) -> str:
    asked = [one.consent for one in found if one.consent]
    if not asked:
        return f"aucun traitement n'en dépend ; {BLANK}"
    return (
        f"{', '.join(asked)} : par personne et par finalité, daté, journalisé ; le retrait vaut dès la mesure suivante."
    )


def _line(text: str) -> str:
    """Join to one line, so that a person's text cannot start another section of the document."""
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")
