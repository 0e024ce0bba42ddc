"""Tokens for scripts."""

WORDS: dict[str, tuple[str, str]] = {
    "tokens": ("Jetons", "Tokens"),
    "tokens-title": ("Jetons pour les scripts", "Tokens for scripts"),
    "tokens-intro": (
        ("Un script appelle l'API avec l'en-tête « Authorization: Bearer … ». Un jeton a un rôle et une fin ; il ne "
        "peut créer ni compte ni jeton."),
        ("A script calls the API with the header “Authorization: Bearer …”. A token has a role and an expiry; it can create "
        "neither accounts nor tokens."),
    ),
    "tokens-empty": (
        "Aucun jeton. Créez-en un pour le premier script, avec le rôle le plus faible qui suffit.",
        "No tokens. Create one for your first script, with the least powerful role that will do.",
    ),
    "token-new": ("Nouveau jeton", "New token"),
    "token-name": ("Nom du script", "Name of the script"),
    "token-days": ("Valable, en jours", "Valid for, in days"),
    "token-days-help": ("366 au plus", "366 at most"),
    "token-make": ("Créer le jeton", "Create the token"),
    "token-made": (
        "Copiez ce jeton maintenant : il n'est affiché qu'une fois.", "Copy this token now: it is shown only once.",
    ),
    "token-revoke": ("Révoquer", "Revoke"),
    "token-revoke-who": ("Révoquer le jeton {name}", "Revoke token {name}"),
    "token-revoked": ("Révoqué : ce jeton n'ouvre plus rien.", "Revoked: this token no longer opens anything."),
    "token-expires": ("Fin", "Ends"),
    "token-by": ("Créé par", "Created by"),
    "token-name-bad": (
        "Nom refusé : 1 à 32 lettres, chiffres, espaces, points ou tirets.",
        "Not a name: 1 to 32 letters, digits, spaces, dots or dashes.",
    ),
    "token-days-bad": ("La durée va de plus de 0 à 366 jours.", "Its validity is more than 0 and at most 366 days."),
    "token-unknown": ("Ce jeton n'existe pas.", "There is no such token."),
    "tokens-full": ("64 jetons au plus : révoquez-en un.", "64 tokens at most: revoke one."),
}  # fmt: skip
