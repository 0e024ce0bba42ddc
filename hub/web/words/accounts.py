"""Accounts and one's own password."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "role-name": "Role",
    "role-lecteur": "reader",
    "role-auditeur": "auditor",
    "role-technicien": "technician",
    "role-administrateur": "administrator",
    "new-account": "New account, or new password",
    "no-password": "You signed in with a badge: there is no password here.",
    "save": "Save",
    "delete": "Delete",
    "delete-who": "Delete account {name}",
    "change-password": "Change my password",
    "former-password": "Current password",
    "new-password": "New password",
    "again": "Once more",
    "saved": "Saved.",
    "device-added": "Added. It turns to “reporting” at its first reading.",
    "device-removed": "Removed.",
    "device-replaced": "Replaced.",
}
