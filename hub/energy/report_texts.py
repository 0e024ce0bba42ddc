"""Texts of reports: key → (French, English)."""

from __future__ import annotations

MONTHS = (
    ("janvier", "January"), ("février", "February"), ("mars", "March"), ("avril", "April"), ("mai", "May"),
    ("juin", "June"), ("juillet", "July"), ("août", "August"), ("septembre", "September"), ("octobre", "October"),
    ("novembre", "November"), ("décembre", "December"),
)  # fmt: skip

WORDS: dict[str, tuple[str, str]] = {
    "r175": ("Rapport R175-3", "R175-3 report"),
    "dossier": ("Dossier d'inspection (R175-5-1)", "Inspection dossier (R175-5-1)"),
    "intro": (
        "Données produites par le système d'automatisation et de contrôle du bâtiment ; elles appartiennent au "
        "propriétaire de ce système. Lecture technique des textes, non un avis juridique.",
        "Data produced by the building automation and control system; they belong to the owner of that system. A "
        "technical reading of the texts, not legal advice.",
    ),
    "year": ("Année", "Year"), "year-under-way": ("{year} (en cours)", "{year} (under way)"), "made": ("Établi le", "Made on"), "hub": ("Concentrateur", "Hub"),
    "district": ("Collectivité", "District"),
    "district-req-3": (
        "Les liaisons avec les systèmes techniques sont celles du concentrateur de chaque bâtiment ; son propre rapport les liste.",
        "Links to the technical systems are those of each building's hub; its own report lists them."),
    "district-req-4": (
        "L'arrêt manuel et la gestion autonome se font au concentrateur de chaque bâtiment, et jamais à distance depuis cette vue ; "
        "son propre rapport liste ce qui peut être commandé.",
        "Manual stop and autonomous operation are at each building's hub, never from afar by this view; its own report lists what can be "
        "commanded."),
    "district-signed": (
        "Calculé sur les relevés reçus des concentrateurs, par la méthode qui est la leur. Ce document n'est pas signé ; le rapport du "
        "concentrateur de chaque bâtiment l'est.",
        "Computed from the readings that came from the hubs, by their own method. This document is not signed; the report of each building's "
        "hub is."),
    "operator": ("Exploitant destinataire", "Operator"),
    "req-1": (
        "1° Suivi, enregistrement et analyse en continu, par zone fonctionnelle et heure par heure ; conservation "
        "mensuelle pendant cinq ans",
        "1. Continuous monitoring, recording and analysis, by functional zone and hour by hour; monthly figures kept for "
        "five years",
    ),
    "req-2": (
        "2° Valeurs de référence, pertes d'efficacité détectées, exploitant informé",
        "2. Reference values, efficiency losses detected, operator informed",
    ),
    "req-3": ("3° Interopérabilité avec les systèmes techniques", "3. Interoperability with the technical systems"),
    "req-4": ("4° Arrêt manuel et gestion autonome", "4. Manual stop and autonomous operation"),
    "zones": ("Zones fonctionnelles", "Functional zones"), "zones-meters": ("Zones et compteurs", "Zones and meters"),
    "zone": ("Zone", "Zone"), "use": ("Usage", "Use"),
    "meters": ("Compteurs", "Meters"), "meter": ("Compteur", "Meter"), "serial": ("N° de série", "Serial"),
    "class": ("Classe", "Class"), "calibrated": ("Étalonné le", "Calibrated"), "carrier": ("Énergie", "Carrier"),
    "trust": ("Confiance du chemin", "Trust of the path"),
    "trust-help": (
        "Confiance du chemin, du dernier relevé : A, authentifié et frais ; B, chemin protégé ; C, identité en clair seulement.",
        "Trust of the path, of the last reading: A, authenticated and fresh; B, protected path; C, clear identity only."),
    "swaps": ("Remplacements", "Replacements"),
    "swap-row": (
        "{at} : {before} déposé (index final : {final}), {serial} posé (index initial : {initial})",
        "{at}: {before} removed (final index: {final}), {serial} installed (initial index: {initial})"),
    "swap-before": ("{serial} : classe {accuracy}, étalonné le {calibrated}", "{serial}: class {accuracy}, calibrated {calibrated}"),
    "without-serial": ("compteur sans numéro", "meter without a serial number"), "undeclared-fact": ("non déclaré", "not declared"),
    "undeclared": (
        "{at} : appareil remplacé, index non déclarés : consommation entre les deux inconnue",
        "{at}: device replaced, index readings not declared: consumption in between unknown",
    ),
    "month": ("Mois", "Month"), "used": ("Consommation", "Consumption"), "estimated": ("dont estimée", "of which estimated"),
    "complete": ("Complétude", "Completeness"), "total": ("Total", "Total"), "gap": ("lacune", "gap"),
    "gaps": ("Lacunes déclarées (rien n'est connu, rien n'est comblé)", "Declared gaps (nothing is known, nothing is filled)"),
    "estimates": (
        "Périodes estimées (total relevé, répartition horaire estimée)", "Estimated periods (the total was read, its hours are estimated)"),
    "no-gaps": ("Aucune lacune d'une heure ou plus.", "No gap of an hour or more."),
    "no-estimates": ("Aucune heure estimée.", "No estimated hour."),
    "from": ("Du", "From"), "to": ("Au", "To"), "hours": ("Heures", "Hours"), "never": ("jamais relevé", "never read"),
    "more-rows": ("… et {count} autres, dans le fichier JSON du même rapport.", "… and {count} more, in the JSON file of this report."),
    "archive": ("Archive mensuelle", "Monthly archive"), "since": ("Depuis", "Since"), "kept": ("Mois conservés", "Months kept"),
    "missing": ("Mois manquants", "Months missing"), "none": ("aucun", "none"), "unread": ("non relevé", "not read"),
    "reference": ("Référence au prorata des mois relevés", "Reference, for the months that were read"), "ratio": ("Écart", "Difference"),
    "no-reference": ("aucune valeur de référence déclarée", "no reference value declared"),
    "drift": ("Dérive", "Drift"), "drift-steady": ("aucune dérive détectée", "no drift found"),
    "drift-drift": ("dérive de {size} depuis le {since}", "drift of {size} since {since}"),
    "finds": ("Dérive trouvée en deux semaines, neuf fois sur dix", "Drift found within two weeks, nine times in ten"),
    "reference-period": ("Période de référence", "Reference period"), "fit": ("Modèle · R² · CV(RMSE) · NMBE", "Model · R² · CV(RMSE) · NMBE"),
    "model-base": ("{parameters}P : socle", "{parameters}P: base load"),
    "model-heats": (", chauffage sous {balance} °C", ", heating below {balance} °C"),
    "model-cools": (", froid au-dessus de {balance} °C", ", cooling above {balance} °C"),
    "under-way": ("en cours", "under way"),
    "drift-learning": ("apprentissage : {days} jours sur {needed}", "learning: {days} of {needed} days"),
    "drift-off": ("non suivie", "not watched"), "drift-no-outdoor": (
        "pas de température extérieure : non suivie", "no outdoor temperature: not watched"),
    "drift-idle": ("non suivie : presque rien n'est consommé", "not watched: almost nothing is used"),
    "drift-waiting": ("pas encore jugée", "not assessed yet"), "drift-error": ("non jugée : erreur", "not assessed: error"),
    "degree": ("Degrés-jours unifiés, base {base} °C", "Degree days, base {base} °C"),
    "degree-days": ("DJU", "Degree days"), "degree-missing": ("Jours sans donnée", "Days without data"), "no-outdoor": (
        "Aucune température extérieure n'est déclarée (energy: outdoor).",
        "No outdoor temperature is declared (energy: outdoor)."),
    "no-day": ("Aucun jour entier de cette année n'est encore passé.", "No whole day of this year has passed yet."),
    "systems": ("Liaisons avec les systèmes techniques", "Links to the technical systems"),
    "name": ("Nom", "Name"), "state": ("État", "State"),
    "state-running": ("en service", "running"), "state-waiting": ("en attente", "waiting"),
    "state-starting": ("démarre", "starting"), "state-stopped": ("arrêtée", "stopped"), "state-failed": ("en panne", "failed"),
    "state-backing-off": ("injoignable, réessaie", "unreachable, retrying"),
    "state-quarantined": ("mise à l'écart", "quarantined"), "state-green": ("remonte", "reporting"),
    "state-red": ("muet", "silent"), "state-trouble": ("à voir", "needs attention"),
    "no-systems": (
        "Aucune liaison n'est configurée (integrations) : l'exigence n'est pas couverte par ce concentrateur.",
        "No link is configured (integrations): this hub does not cover the requirement."),
    "commands": ("Dernières commandes", "Latest commands"), "no-commands": ("Aucune commande n'a encore été donnée.", "No command has been given yet."),
    "at": ("Le", "At"), "value": ("Valeur", "Value"), "by": ("Par", "By"),
    "no-alerts": ("Aucune alerte cette année-là.", "No alert that year."), "no-devices": ("Aucun appareil.", "No device."),
    "alerts-year": ("Alertes déclenchées en {year}", "Alerts raised in {year}"),
    "alerts-sum": ("{count} en tout.", "{count} in all."), "alerts-open": ("En cours aujourd'hui : {count}.", "Open today: {count}."),
    "alerts-cut": (
        "Un mois en compte plus de 1 000 : les plus anciennes de ce mois ne sont pas listées.",
        "A month has more than 1,000 of them: the oldest of that month are not listed."),
    "alert": ("Alerte", "Alert"), "severity": ("Gravité", "Severity"), "raised": ("Déclenchée le", "Raised"),
    "severity-info": ("info", "info"), "severity-warning": ("avertissement", "warning"), "severity-critical": ("critique", "critical"),
    "alert-raised": ("déclenchée", "raised"), "alert-acknowledged": ("prise en charge", "acknowledged"),
    "alert-muted": ("en sourdine", "muted"), "alert-escalated": ("escaladée", "escalated"), "alert-cleared": ("close", "cleared"),
    "cmd-accepted": ("acceptée", "accepted"), "cmd-queued": ("en file", "queued"), "cmd-sent": ("envoyée", "sent"),
    "cmd-done": ("faite", "done"), "cmd-failed": ("échec", "failed"), "cmd-expired": ("expirée", "expired"),
    "writable": ("Grandeurs qui peuvent être commandées ou arrêtées", "What can be commanded or stopped"),
    "device": ("Appareil", "Device"), "metric": ("Grandeur", "Metric"), "bounds": ("Bornes", "Bounds"), "role": ("Rôle requis", "Role needed"),
    "role-technicien": ("technicien", "technician"), "role-administrateur": ("administrateur", "administrator"),
    "bounds-of": ("de {low} à {high}", "from {low} to {high}"), "released": ("main rendue", "released"),
    "stop": (
        "Arrêt manuel : « ilot command stop », ou la page Commandes. Les règles déclarées agissent seules et rendent la main.",
        "Manual stop: “ilot command stop”, or the Commands page. Declared rules act by themselves, then release.",
    ),
    "nothing-writable": (
        "Aucune grandeur n'est déclarée commandable (devices: writable) : l'exigence n'est pas couverte par ce concentrateur.",
        "Nothing is declared writable (devices: writable): this hub does not cover the requirement.",
    ),
    "devices": ("Appareils", "Devices"),
    "model": ("Modèle", "Model"), "method": ("Méthode", "Method"),
    "method-text": (
        "Les index relevés sont conservés, non leurs différences. Une consommation est répartie linéairement entre deux "
        "relevés et coupée aux heures de l'horloge du site ; la somme des heures égale exactement l'écart des index, "
        "remplacements et retours à zéro compris. Entre deux relevés de plus de 90 minutes la répartition est marquée "
        "« estimée ». Une lacune est déclarée, jamais comblée. Complétude : part du temps couverte par des relevés. "
        "Dérive : IPMVP option C, modèle à changement de pente (ASHRAE Guideline 14) sur la température extérieure et "
        "le jour, chauffage et froid ; moyenne des écarts sur deux et six semaines, avec un seuil propre à chaque compteur, "
        "calculé pour moins d'une fausse alerte par an. La plus petite dérive trouvée en deux semaines est donnée par compteur.",
        "Index readings are kept, not their differences. Consumption is spread in a straight line between "
        "two readings and cut at the hours of the site's clocks; the hours add up exactly to the difference of the "
        "index readings, replacements and roll-overs included. Between two readings more than 90 minutes apart it is "
        "marked as estimated. A gap is declared, never filled. Completeness: the share of the time that readings cover. "
        "Drift: IPMVP option C, a change-point model (ASHRAE Guideline 14) of outdoor temperature and kind of day, for "
        "heating and cooling; the mean of what it does not explain over two and six weeks, with a threshold of each meter's "
        "own, calculated for less than one false alarm a year. The smallest drift found within two weeks is given for each meter.",
    ),
    "signed": (
        "Signé par le concentrateur ; « ilot evidence verify FICHIER » le vérifie sur toute machine.",
        "Signed by the hub; “ilot evidence verify FILE” checks it on any machine.",
    ),
    "no-meters": (
        "Aucun compteur n'est déclaré : décrivez-les sous « places: … meter: ».",
        "No meter is declared: describe them under “places: … meter:”.",
    ),
    "operat-year": ("Année", "Year"), "operat-site": ("Site", "Site"), "operat-carrier": ("Énergie", "Carrier"),
    "operat-used": ("Consommation", "Consumption"), "operat-unit": ("Unité", "Unit"),
    "operat-kwh": ("Consommation en kWh (gaz : PCS)", "Consumption in kWh (gas: gross calorific value)"),
    "operat-estimated": ("Dont estimée", "Of which estimated"), "operat-complete": ("Complétude (%)", "Completeness (%)"),
    "operat-missing": ("Mois manquants", "Missing months"), "operat-meters": ("Compteurs", "Meters"),
    "operat-meter": ("{name} (n° {serial})", "{name} (no. {serial})"), "operat-span": ("{first} à {last}", "{first} to {last}"),
    "hourly": ("Suivi horaire", "Hourly data"), "yes": ("oui", "yes"), "no": ("non", "no"),
    "electricity": ("électricité", "electricity"), "gas": ("gaz", "gas"), "heat": ("chaleur", "heat"), "cold": ("froid", "cold"),
    "wood": ("bois", "wood"), "fuel-oil": ("fioul", "fuel oil"), "water": ("eau", "water"), "other": ("autre", "other"),
}  # fmt: skip
# ruff: noqa: E501, ISC004 - a table is read across


def word(key: str, lang: str, **filled: object) -> str:
    """Return a text in French, or in English where `lang` is "en"."""
    text = WORDS[key][lang == "en"]
    return text.format(**filled) if filled else text
