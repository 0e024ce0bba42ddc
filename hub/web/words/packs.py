"""Device packs."""

WORDS: dict[str, tuple[str, str]] = {
    "packs": ("Packs d'appareils", "Device packs"),
    "packs-intro": (
        "Un pack décrit un modèle d'appareil : ce qu'il envoie, en quelles unités. Il n'est installé que si toutes ses épreuves passent.",
        "A pack describes a device model: what it sends, and in which units. It is installed only if all of its own tests pass.",
    ),
    "pack-name": ("Pack", "Pack"),
    "pack-version": ("Version", "Version"),
    "pack-origin": ("Origine", "Origin"),
    "origin-shipped": ("livré", "shipped"),
    "origin-installed": ("installé ici", "installed here"),
    "pack-devices": ("Appareils ici", "Devices here"),
    "pack-vectors": ("Épreuves", "Tests"),
    "pack-upload": ("Installer un pack", "Install a pack"),
    "pack-file": ("Fichier ZIP du dossier d'un pack", "ZIP file of a pack's folder"),
    "pack-file-help": (
        "{size} au plus. Il est éprouvé avant d'être installé ; une version plus ancienne est refusée.",
        "{size} at most. It is tested before it is installed; an older version is refused.",
    ),
    "pack-install": ("Éprouver et installer", "Test and install"),
    "pack-installed": ("Pack installé ; il sert dès maintenant.", "Pack installed; it is in use from now on."),
    "kept": ("Messages gardés", "Kept messages"),
    "kept-text": (
        "{count} message[|s] qu'aucun pack n'a su lire, gardé[|s] sept jours et relu[|s] quand son pack change.",
        "{count} message[|s] that no pack could read, kept for seven days and read again when the pack changes.",
    ),
    "redecode": ("Relire maintenant", "Read again now"),
    "redecoded": ("Messages relus.", "Messages read again."),
}
