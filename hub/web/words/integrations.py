"""Integrations."""

WORDS: dict[str, tuple[str, str]] = {
    "restarts": ("Redémarrages", "Restarts"),
    "integrations-help": (
        "Chacune tourne à part : redémarrer l'une n'arrête pas les autres.",
        "Each runs on its own: restarting one does not stop the others.",
    ),
    "kind-integration": ("intégration", "integration"),
    "kind-exporter": ("exportateur", "exporter"),
    "kind-notifier": ("notification", "notifier"),
    "kind-uplink": ("liaison", "link"),
    "plugin-since": ("depuis le {at}", "since {at}"),
    "plugin-restart": ("Redémarrer", "Restart"),
    "plugin-restart-who": ("Redémarrer {name}", "Restart {name}"),
    "plugin-restarted": ("Redémarrée ; son état se voit ci-dessous.", "Restarted; its state is below."),
    "plugin-do-stopped": (
        "Corrigez ce qui est dit ci-dessous dans la configuration, puis redémarrez-la.",
        "Correct the configuration as said below, then restart it.",
    ),
    "plugin-do-quarantined": (
        "Arrêtée après trop d'échecs en une heure. Lisez son journal, puis redémarrez-la.",
        "Stopped after too many failures within an hour. Read its log, then restart it.",
    ),
    "plugin-counted": ("Refusé, écarté ou noté", "Refused, left out or noted"),
    "plugin-log": ("Dernières lignes du journal", "Last lines of its log"),
    "plugin-log-none": ("Rien depuis le démarrage du concentrateur.", "Nothing since the hub started."),
    "plugin-log-all": ("Tout son journal", "All of its log"),
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
