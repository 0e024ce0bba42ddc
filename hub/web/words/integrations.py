"""Integrations."""

WORDS: dict[str, tuple[str, str]] = {
    "restarts": ("Redémarrages", "Restarts"),
    "type": ("Type", "Type"),
    "plugin-running": ("en marche", "running"),
    "plugin-waiting": ("en attente", "waiting"),
    "plugin-stopped": ("arrêtée", "stopped"),
    "plugin-quarantined": ("en quarantaine", "quarantined"),
    "plugin-finished": ("terminée", "finished"),
    "plugin-starting": ("démarre", "starting"),
    "plugin-up": ("établie", "up"),
    "plugin-away": ("coupée", "away"),
    "plugin-refused": ("refusée", "refused"),
    "plugin-failed": ("en échec", "failed"),
}  # fmt: skip
