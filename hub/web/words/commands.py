"""Commands."""

WORDS: dict[str, tuple[str, str]] = {
    "no-commands": ("Aucune commande.", "No command."),
    "no-commands-next": (
        "Une commande part de la page d'un appareil que la configuration autorise à commander (writable).",
        "Commands are given on the page of a device that the configuration allows to be written (writable).",
    ),
    "by": ("Par", "By"),
    "stopped-by": ("Toutes les écritures sont arrêtées par {by} : {why}", "All writes are stopped by {by}: {why}"),
    "stop-all": ("Tout arrêter", "Stop all writes"),
    "stop-help": (
        "Arrêt manuel (code de la construction, R175-3) : plus rien n'est écrit, et ce qui l'a été est rendu.",
        "Manual stop (code de la construction, R175-3): nothing more is written, and whatever was written is released.",
    ),
    "resume-all": ("Autoriser de nouveau", "Allow writes again"),
    "command-accepted": ("acceptée", "accepted"),
    "command-queued": ("en file", "queued"),
    "command-sent": ("envoyée", "sent"),
    "command-done": ("faite", "done"),
    "command-failed": ("échec", "failed"),
    "command-expired": ("expirée", "expired"),
}  # fmt: skip
