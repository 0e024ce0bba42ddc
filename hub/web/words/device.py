"""One device."""

WORDS: dict[str, tuple[str, str]] = {
    "place": ("Emplacement", "Place"),
    "site": ("Site", "Site"),
    "model": ("Modèle", "Model"),
    "firmware": ("Micrologiciel", "Firmware"),
    "integration": ("Intégration", "Integration"),
    "pack": ("Pack", "Pack"),
    "keyed": ("Clé connue", "Key known"),
    "values": ("Valeurs", "Values"),
    "metric": ("Grandeur", "Metric"),
    "value": ("Valeur", "Value"),
    "trust": ("Confiance", "Trust"),
    "trust-help": (
        "A : authentifié et frais · B : chemin protégé · C : identité en clair seulement",
        "A: authenticated and fresh · B: protected path · C: clear identity only",
    ),
    "at": ("Reçue le", "At"),
    "no-values": ("Rien n'est encore arrivé depuis le démarrage.", "Nothing came since the start."),
    "write": ("Commander", "Command"),
    "write-bounds": ("de {low} à {high} {unit}", "from {low} to {high} {unit}"),
    "new-value": ("Nouvelle valeur", "New value"),
    "why": ("Motif (pour le journal)", "Reason (for the log)"),
    "send": ("Envoyer", "Send"),
    "release": ("Rendre la main", "Let go"),
    "read-only": ("Lecture seule.", "Read-only."),
    "replace": ("Remplacer l'appareil", "Replace the device"),
    "replace-help": (
        "Le nouvel appareil prend l'emplacement, les séries et les réglages de celui-ci.",
        "The new device takes the place, the series and the settings of this one.",
    ),
    "new-device": ("Identifiant du nouvel appareil", "Id of the new device"),
    "key": ("Clé (hexadécimal)", "Key (hexadecimal)"),
    "optional": ("facultatif", "optional"),
    "remove": ("Retirer l'appareil", "Remove the device"),
    "remove-help": (
        "Il n'est plus admis ; son emplacement et son historique restent.",
        "It is admitted no longer; its place and its history stay.",
    ),
    "remove-not": (
        "Il figure dans la configuration : retirez-le là.", "It stands in the configuration: remove it there.",
    ),
}  # fmt: skip
