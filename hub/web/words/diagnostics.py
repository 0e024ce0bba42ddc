"""Diagnostics and the log."""

WORDS: dict[str, tuple[str, str]] = {
    "diagnostics": ("Diagnostic", "Diagnostics"),
    "diag-intro": (
        "Une archive pour qui vous aide : versions, état, journal, configuration. Elle ne nomme personne et ne contient ni relevé ni secret.",
        "One archive for whoever helps you: versions, state, log, configuration. It names nobody and holds no reading and no secret.",
    ),
    "diag-take": ("Télécharger l'archive (ZIP)", "Download the archive (ZIP)"),
    "diag-preview": ("Voir son contenu", "See what is in it"),
    "diag-contents": ("Contenu de l'archive", "Contents of the archive"),
    "diag-hide": ("Masquer son contenu", "Hide what is in it"),
    "diag-shown": ("Voici ce qui est envoyé, et rien d'autre.", "This is what the archive holds, and nothing else."),
    "diag-counted": (
        "Pour les règles, les commandes, les emplacements et le concentrateur lui-même ; celui des appareils et des intégrations est sur leurs pages.",
        "For rules, commands, places and the hub itself; that of devices and integrations is on their pages.",
    ),
    "log": ("Journal de marche", "Log"),
    "log-help": (
        "Les 500 dernières lignes, en mémoire seulement ; le plus récent d'abord.",
        "The last 500 lines, in memory only; the newest first.",
    ),
    "log-level": ("À partir de", "From"),
    "log-grade": ("Gravité", "Level"),
    "level-debug": ("détail", "debug"),
    "level-info": ("information", "information"),
    "level-warning": ("avertissement", "warning"),
    "level-error": ("erreur", "error"),
    "log-source": ("Partie", "Part"),
    "log-time": ("Heure", "Time"),
    "log-text": ("Message", "Message"),
    "log-none": ("Aucune ligne.", "No line."),
}
