"""Adding a device."""

WORDS: dict[str, tuple[str, str]] = {
    "add-title": ("Ajouter un appareil", "Add a device"),
    "add-help": (
        "Par le texte de son étiquette ou de son QR code, ou par son identifiant.",
        "By the text of its label or QR code, or by its id.",
    ),
    "label": ("Texte de l'étiquette ou du QR code", "Text of the label or QR code"),
    "or-id": ("ou identifiant de l'appareil", "or the device's id"),
    "id-help": ("comme lorawan:70B3D57ED0000001", "like lorawan:70B3D57ED0000001"),
    "place-help": ("ce qu'il mesure, par exemple classe-3", "what it measures, for example classe-3"),
    "add-more": ("Nom, pack, intégration…", "Name, pack, integration…"),
    "zone-new": ("Zone, si l'emplacement est nouveau", "Zone, if the place is new"),
    "device-name": ("Nom", "Name"),
    "check": ("Vérifier sans ajouter", "Check without adding"),
    "would-add": ("Ce serait ajouté : {device} à {place}.", "This would be added: {device} at {place}."),
    "already": ("Déjà présent : {device}.", "Already present: {device}."),
}  # fmt: skip
