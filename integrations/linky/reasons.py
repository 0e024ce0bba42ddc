"""Descriptions of the counted events of the TIC: reason -> (French, English). Pure data."""

from __future__ import annotations

from hub.sdk.sampling import Sampling

# ruff: noqa: E501 - a table is read across
REASONS: dict[str, tuple[str, str]] = {
    "tic-checksum": ("Trame abîmée : vérifiez le câblage de la TIC", "A damaged frame: check the wiring of the TIC"),
    "tic-frame": ("Ce texte n'est pas une trame de la TIC", "This text is no frame of the TIC"),
    "tic-group": ("Groupe mal formé dans la trame : vérifiez le câblage de la TIC", "A group of the frame that is malformed: check the wiring of the TIC"),
    "tic-label": ("Étiquette de la TIC inconnue ici, non lue", "A label of the TIC that is not known here, not read"),
    "tic-mixed": ("Mode historique et mode standard mêlés dans une trame : vérifiez le câblage", "Historical and standard mode mixed in one frame: check the wiring"),
    "tic-no-meter": ("Trame sans numéro de compteur", "A frame without a meter's number"),
    "tic-other-meter": ("Un autre compteur est sur ce port : vérifiez « meter » et le branchement", "Another meter is on this port: check `meter` and the wires"),
    "tic-stamp": ("Horodate illisible du compteur", "A date of the meter that cannot be read"),
    "tic-tariff": ("Période tarifaire inconnue du compteur", "An unknown tariff period of the meter"),
    "tic-unit": ("Unité inattendue du compteur", "An unexpected unit of the meter"),
    "tic-value": ("Valeur impossible du compteur, écartée", "An impossible value of the meter, left out"),
}  # fmt: skip
SAMPLING = Sampling(
    reason="meter-tic",
    why=(
        "le compteur parle de lui-même ; ce qui en est gardé relève de la vie privée",
        "the meter speaks by itself; how often that is kept is a matter of privacy",
    ),
)
