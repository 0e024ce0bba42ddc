"""Commands."""

WORDS: dict[str, tuple[str, str]] = {
    "no-commands": ("Aucune commande.", "No command."),
    "by": ("Par", "By"),
    "stopped-by": ("Toutes les écritures sont arrêtées par {by} : {why}", "All writes are stopped by {by}: {why}"),
    "stop-all": ("Tout arrêter", "Stop all writes"),
    "stop-help": (
        "Arrêt manuel (code de la construction, R175-3) : plus rien n'est écrit, et ce qui l'a été est rendu.",
        "Manual stop (code de la construction, R175-3): nothing more is written, and what was is let go.",
    ),
    "resume-all": ("Autoriser de nouveau", "Allow again"),
    "command-accepted": ("acceptée", "accepted"),
    "command-queued": ("en file", "queued"),
    "command-sent": ("envoyée", "sent"),
    "command-done": ("faite", "done"),
    "command-failed": ("échec", "failed"),
    "command-expired": ("expirée", "expired"),
}  # fmt: skip
