"""Descriptions of the counted events of HTTP devices: reason -> (French, English). Pure data."""

from __future__ import annotations

# ruff: noqa: E501 - a table is read across
REASONS: dict[str, tuple[str, str]] = {
    "hook-method": ("Message par une autre méthode que POST ou PUT : réglez l'appareil", "A message by another method than POST or PUT: set the device"),
    "hook-not-authorised": ("Message sans le bon secret, refusé : réglez l'appareil", "A message without the right secret, refused: set the device"),
    "hook-not-kept": ("Message remis à plus tard : le tampon ne prenait rien", "A message put off: the buffer took nothing"),
    "hook-pushed-out": ("Connexion fermée pour en laisser entrer d'autres", "A connection closed to let others in"),
    "hook-too-many": ("Trop de messages à la fois, remis à plus tard : voyez « max_rate »", "Too many messages at once, put off: see `max_rate`"),
    "hook-too-slow": ("Message trop lent à traiter, remis à plus tard", "A message that took too long, put off"),
    "hook-unknown": ("Message à une adresse qu'aucun appareil n'a : réglez l'appareil", "A message to an address that no device has: set the device"),
    "http-body": ("La réponse est une page web, ni JSON ni texte court : vérifiez « path »", "The answer is a web page, neither JSON nor a short text: check `path`"),
    "http-busy": ("L'appareil est occupé : augmentez « interval » si cela dure", "The device is busy: raise `interval` if it stays so"),
    "http-error": ("L'appareil répond par une erreur : allez le voir", "The device answers with an error: look at it"),
    "http-missing": ("Une valeur n'est pas dans la réponse : vérifiez son « path »", "A value is not in the answer: check its `path`"),
    "http-nothing": ("Aucune des valeurs attendues n'y est : vérifiez les « path »", "None of the expected values is there: check each `path`"),
    "http-redirect": ("L'appareil renvoie vers une autre adresse, non suivie : corrigez « url »", "The device points to another host, not followed: correct `url`"),
    "http-refused": ("L'appareil refuse la demande : vérifiez identifiants et « path »", "The device refuses the request: check credentials and `path`"),
    "http-time": ("La date n'est pas dans la réponse, ou n'en est pas une : vérifiez son « path »", "The date is not in the answer, or is none: check its `path`"),
    "http-value": ("Une valeur n'est pas de la sorte attendue : vérifiez son « path »", "A value is not of the kind expected: check its `path`"),
}  # fmt: skip
