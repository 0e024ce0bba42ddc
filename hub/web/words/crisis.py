"""Crisis and its board."""

WORDS: dict[str, tuple[str, str]] = {
    "crisis": ("Crise", "Crisis"),
    "board": ("Tableau de crise", "Crisis board"),
    "crisis-none": ("Aucune crise en cours.", "No crisis holds."),
    "crisis-isolated": ("Concentrateur isolé : rien ne sort.", "Hub isolated: nothing leaves it."),
    "crisis-readonly": ("Lecture seule : rien n'est écrit ni modifié.", "Read-only: nothing is written or changed."),
    "crisis-since": ("Depuis {when}, par {who} : {why}", "Since {when}, by {who}: {why}"),
    "crisis-why": ("Motif", "Reason"),
    "crisis-why-help": (
        "Il reste affiché et figure au journal d'audit.",
        "It stays on show and stands in the audit log.",
    ),
    "crisis-isolate": ("Isoler", "Isolate"),
    "crisis-isolate-help": (
        "Plus de liaison, de notifications ni d'exports. Les relevés restent scellés sur le disque et partent ensuite.",
        "No link, no notifications, no exports. Readings stay sealed on the disk and leave afterwards.",
    ),
    "crisis-freeze": ("Passer en lecture seule", "Make it read-only"),
    "crisis-freeze-help": (
        "Aucune écriture vers les équipements, aucun changement de réglage. Les alertes restent traitées.",
        "No write to devices, no change of settings. Alerts are still answered.",
    ),
    "crisis-end": ("Sortir de la crise", "Leave the crisis"),
    "crisis-end-help": (
        "Le concentrateur dit au journal si sa configuration est restée la même.",
        "The log says whether the configuration is still the same.",
    ),
    "crisis-entered": ("C'est fait : la crise est déclarée.", "Done: the crisis is declared."),
    "crisis-left": ("La crise est terminée.", "The crisis is over."),
    "crisis-parts": ("Si le concentrateur est isolé", "If the hub is isolated"),
    "crisis-part": ("Partie", "Part"),
    "crisis-becomes": ("En isolement", "When isolated"),
    "crisis-goes-on": ("continue", "goes on"),
    "crisis-stops": ("s'arrête", "stops"),
    "crisis-because": ("Parce que", "Because"),
    "crisis-sheet": ("Fiche de crise à imprimer", "Sheet to print"),
    "board-calm": ("Aucune alerte ouverte.", "No open alert."),
    "board-alerts": ("Alertes ouvertes", "Open alerts"),
    "board-more": ("et {count} autres", "and {count} more"),
    "board-at": ("Situation à {when}", "As of {when}"),
    "board-reports": ("remontent", "report"),
}
