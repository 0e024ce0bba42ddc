"""Descriptions of the counted events of KNX: reason -> (French, English). Pure data."""

from __future__ import annotations

# ruff: noqa: E501 - a table is read across
REASONS: dict[str, tuple[str, str]] = {
    "knx-cannot-say": ("Valeur que ce type de point ne sait pas dire : vérifiez « dpt »", "A value that this datapoint type cannot say: check `dpt`"),
    "knx-data-secure": ("Télégramme KNX Data Secure non ouvert ou interdit en clair : exportez de nouveau le trousseau", "A KNX Data Secure telegram that does not open, or one in clear where none may be: export the keyring again"),
    "knx-invalid": ("L'émetteur dit n'avoir pas de valeur : voyez la sonde", "The sender says that it has no value: look at the sensor"),
    "knx-no-answer": ("Personne ne répond : activez le drapeau Lecture dans ETS, ou retirez « read » et « every »", "Nobody answers: set the read flag in ETS, or leave out `read` and `every`"),
    "knx-no-release": ("Cette adresse de groupe ne se libère pas : écrivez une valeur", "This group address cannot be let go of: write a value"),
    "knx-no-status": ("Aucune adresse d'état pour confirmer l'écriture : donnez « status »", "No status address to confirm the write: give `status`"),
    "knx-no-type": ("Adresse de groupe sans type : donnez « dpt »", "A group address without a type: give `dpt`"),
    "knx-no-write": ("Grandeur sans adresse d'écriture : donnez « write »", "A metric without an address to write to: give `write`"),
    "knx-not-acknowledged": ("Personne sur le bus n'a accusé réception : adresse juste, appareil alimenté ?", "Nobody on the bus acknowledged it: is the address right, the device on?"),
    "knx-not-done": ("L'appareil n'a pas pris la valeur écrite : voyez-le", "The device did not take the value written: look at it"),
    "knx-not-finite": ("La sonde envoie autre chose qu'un nombre : voyez-la", "The sensor sends something else than a number: look at it"),
    "knx-not-sent": ("L'interface n'a pas envoyé la question : voyez l'interface", "The interface did not send the question: look at the interface"),
    "knx-overflow": ("Plus de télégrammes que le concentrateur n'en prend : une boucle entre routeurs ?", "More telegrams than the hub can take: a loop between routers?"),
    "knx-size": ("Taille qui ne va pas avec le « dpt » donné : vérifiez « dpt »", "A size that does not fit the `dpt` given: check `dpt`"),
    "knx-unknown-group": ("Adresse de groupe connue, mais non configurée", "A group address that is known and not configured"),
    "no-cemi": ("Ligne sans télégramme (cemi)", "A line without a telegram (cemi)"),
    "no-type": ("Adresse de groupe dont le type n'est pas donné", "A group address whose type is not given"),
    "not-l-data": ("Message de l'interface qui n'est pas un télégramme", "A message of the interface that is no telegram"),
}  # fmt: skip
