"""Accounts and one's own password."""

WORDS: dict[str, tuple[str, str]] = {
    "role-name": ("Rôle", "Role"),
    "role-lecteur": ("lecteur", "reader"),
    "role-auditeur": ("auditeur", "auditor"),
    "role-technicien": ("technicien", "technician"),
    "role-administrateur": ("administrateur", "administrator"),
    "new-account": ("Nouveau compte, ou nouveau mot de passe", "New account, or new password"),
    "no-password": (
        "Vous êtes entré avec un badge : il n'y a pas de mot de passe ici.",
        "You signed in with a badge: there is no password here.",
    ),
    "save": ("Enregistrer", "Save"),
    "delete": ("Supprimer", "Delete"),
    "delete-who": ("Supprimer le compte {name}", "Delete account {name}"),
    "change-password": ("Changer mon mot de passe", "Change my password"),
    "former-password": ("Mot de passe actuel", "Current password"),
    "new-password": ("Nouveau mot de passe", "New password"),
    "again": ("Encore une fois", "Once more"),
    "saved": ("Enregistré.", "Saved."),
    "device-added": (
        "Ajouté. Il passera à « remonte » à son premier relevé.", "Added. It turns to “reporting” at its first reading.",
    ),
    "device-removed": ("Retiré.", "Removed."),
    "device-replaced": ("Remplacé.", "Replaced."),
    "command-given": ("Commande transmise.", "Command sent."),
}  # fmt: skip
