"""The overview."""

WORDS: dict[str, tuple[str, str]] = {
    "reporting": ("remontent", "reporting"),
    "reporting-help": (
        "appareils dont un relevé valide est arrivé, sur tous les appareils admis",
        "devices with a valid report, out of all that are admitted",
    ),
    "see-devices": ("Voir les appareils", "See the devices"),
    "see-alerts": ("Voir les alertes", "See the alerts"),
    "see-link": ("Voir le tampon et la liaison", "See buffer and link"),
    "raised-help": ("ouvertes, selon les règles du concentrateur", "open, raised by this hub's rules"),
    "strangers": (
        "Entendus sans être admis : {count}. Rien d'eux n'est transmis tant que vous n'avez pas décidé.",
        "Heard and not admitted: {count}. Nothing from them is forwarded until you decide.",
    ),
    "strangers-see": ("Voir la quarantaine", "See the quarantine"),
    "mebibytes": ("Mio", "MiB"),
    "no-devices": ("Aucun appareil pour l'instant.", "No device yet."),
    "no-devices-next": (
        "Ajoutez le premier par son étiquette, ou parmi ceux que le concentrateur entend.",
        "Add the first by its label, or from those that the hub hears.",
    ),
    "link-state": ("Liaison", "Link"),
    "link-up": ("établie", "up"),
    "link-down": ("coupée : les relevés attendent sur le disque", "down: readings are waiting on the disk"),
    "autonomy": ("Autonomie sans liaison", "Autonomy without the link"),
    "autonomy-help": ("avant que le tampon soit plein, au rythme d'aujourd'hui", "until the buffer is full, at today's rate"),
    "autonomy-unknown": ("pas encore connue", "not known yet"),
    "autonomy-later": ("elle s'estime après dix minutes de marche", "estimated after ten minutes of running"),
    "buffered": ("Relevés en attente", "Readings waiting"),
    "acked": ("Relevés confirmés par le serveur", "Readings confirmed by the backend"),
    "alerts": ("Santé du concentrateur", "Health of the hub"),
    "all-well": ("Rien à signaler.", "All is well."),
    "up-since": ("En marche depuis", "Running for"),
    "memory": ("Mémoire", "Memory"),
}  # fmt: skip
