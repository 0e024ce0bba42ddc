"""Hints about what somebody should look at."""

WORDS: dict[str, tuple[str, str]] = {
    "to-look-at": ("Appareils à voir", "Devices to look at"),
    "refused-frames": ("Trames refusées d'appareils connus", "Refused frames of known devices"),
    "candidates": ("Entendus, non admis", "Heard, not admitted"),
    "candidates-help": (
        "Rien n'est transmis de ces appareils tant que vous ne les ajoutez pas.",
        "Nothing from these devices is forwarded until you add them.",
    ),
    "no-candidates": ("Aucun appareil inconnu n'est entendu.", "No unknown device has been heard."),
    "nothing-todo": ("Rien à traiter.", "Nothing to do."),
    "heard-times": ("entendu {count} fois", "heard [once|{count} times]"),
    "adopt": ("Ajouter cet appareil", "Add this device"),
}  # fmt: skip
