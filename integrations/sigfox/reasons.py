"""Descriptions of the counted events of Sigfox: reason -> (French, English). Pure data."""

from __future__ import annotations

from hub.sdk.sampling import Sampling

# ruff: noqa: E501 - a table is read across
REASONS: dict[str, tuple[str, str]] = {
    "bad-body": ("Rappel de l'opérateur illisible : corrigez le modèle chez lui", "A callback that cannot be read: correct the operator's template"),
    "bad-data": ("Donnée du rappel illisible : corrigez le modèle chez l'opérateur", "Data of a callback that cannot be read: correct the operator's template"),
    "bad-device": ("Identifiant impossible dans le rappel : corrigez le modèle chez l'opérateur", "An impossible device in a callback: correct the operator's template"),
    "bad-field": ("Champ du rappel illisible : corrigez le modèle chez l'opérateur", "A field of a callback that cannot be read: correct the operator's template"),
    "bad-method": ("Rappel par une méthode inattendue : réglez-le sur POST", "A callback by an unexpected method: set it to POST"),
    "downlink-1": ("Aucune réponse donnée à temps à l'appareil", "No answer was given in time"),
    "downlink-2": ("La réponse n'avait pas 8 octets", "The answer was no 8 bytes"),
    "downlink-3": ("L'appareil a reçu tous ses envois du jour", "The device has used up its downlinks of the day"),
    "downlink-*": ("Le réseau n'a pas transmis l'envoi ({part})", "The network did not carry the downlink ({part})"),
    "failed": ("Erreur de ce côté : le journal dit laquelle", "A fault on this side: the log says which"),
    "no-such-path": ("Rappel à une adresse inconnue : corrigez l'URL chez l'opérateur", "A callback to an unknown address: correct the URL at the operator"),
    "not-a-callback": ("Ceci n'est pas un rappel Sigfox", "This is no Sigfox callback"),
    "not-authorised": ("Rappel sans le bon secret, refusé : corrigez l'en-tête chez l'opérateur", "A callback without the right secret, refused: correct its header at the operator"),
    "operator-silent": ("L'opérateur n'entend plus l'appareil : pile, emplacement ?", "The operator hears nothing from the device: its battery, its place?"),
    "operator-warns": ("L'opérateur signale une station absente", "The operator says that a station is away"),
    "short-payload": ("Message plus court que le format : il manque des valeurs", "A payload shorter than the format: values are missing"),
    "too-late": ("Arrivé trop tard, ou rejoué : changez le secret si cela dure", "Came too late, or was replayed: change the secret if it stays so"),
    "too-many": ("Trop de rappels à la fois, remis à plus tard", "Too many callbacks at once, put off"),
    "too-slow": ("Rappel trop lent à traiter : l'opérateur le redira", "A callback that took too long: the operator comes again"),
    "wrong-kind": ("Valeur qui n'est pas de la sorte de sa grandeur : vérifiez le format", "A value that is not of its metric's kind: check the format"),
}  # fmt: skip
SAMPLING = Sampling(
    reason="sigfox",
    why=(
        "Sigfox lui accorde 140 messages par jour et 4 réponses : sa période ne peut pas être relevée",
        "Sigfox grants it 140 messages a day and 4 answers: its period cannot be raised",
    ),
)
