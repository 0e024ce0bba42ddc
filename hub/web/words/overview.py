"""The overview."""

WORDS: dict[str, tuple[str, str]] = {
    "reporting": ("remontent", "reporting"),
    "reporting-help": (
        "appareils dont un relevé valide est arrivé, sur tous les appareils admis",
        "devices of which a valid report came, of all that are admitted",
    ),
    "no-devices": ("Aucun appareil pour l'instant.", "No device yet."),
    "no-devices-next": (
        "Ajoutez le premier par son étiquette, ou parmi ceux que le concentrateur entend.",
        "Add the first by its label, or from what the hub hears.",
    ),
    "link-state": ("Liaison", "Link"),
    "link-up": ("établie", "up"),
    "link-down": ("coupée : les relevés attendent sur le disque", "down: readings wait on the disk"),
    "autonomy": ("Autonomie du tampon", "Autonomy of the buffer"),
    "autonomy-help": ("sans la liaison, au rythme d'aujourd'hui", "without the link, at today's rate"),
    "autonomy-unknown": ("pas encore connue", "not known yet"),
    "buffered": ("Relevés en attente", "Readings waiting"),
    "acked": ("Relevés confirmés par le serveur", "Readings that the backend confirmed"),
    "alerts": ("Alertes", "Alerts"),
    "all-well": ("Rien à signaler.", "All is well."),
    "up-since": ("En marche depuis", "Running for"),
    "memory": ("Mémoire", "Memory"),
}  # fmt: skip
