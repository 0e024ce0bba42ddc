"""Descriptions of the counted events of M-Bus, wired and wireless: reason -> (French, English). Pure data."""

from __future__ import annotations

from hub.sdk.sampling import BROADCASTS, Sampling

# ruff: noqa: E501 - a table is read across
REASONS: dict[str, tuple[str, str]] = {
    "mbus-address": ("Compteur sans adresse : donnez « address », ou nommez-le par son numéro", "A meter without an address: give `address`, or name it by its number"),
    "mbus-checksum": ("Télégramme abîmé en route : câblage, charge du bus ?", "A telegram damaged on its way: the wiring, too many meters?"),
    "mbus-ci": ("Télégramme M-Bus d'une sorte non lue", "An M-Bus telegram of a kind that is not read"),
    "mbus-collision": ("Plusieurs compteurs répondent ensemble : donnez à chacun son adresse", "Several meters answer at once: give each its own address"),
    "mbus-empty": ("Télégramme sans donnée", "A telegram without data"),
    "mbus-error": ("Le compteur signale une erreur : allez le voir", "The meter reports an error: look at it"),
    "mbus-frame": ("Télégramme mal formé : parité, vitesse, câblage ?", "A malformed telegram: parity, speed, wiring?"),
    "mbus-header": ("En-tête de télégramme incomplet", "A header of a telegram that ends too early"),
    "mbus-mode": ("Télégramme chiffré sur le bus filaire, non lu", "A sealed telegram on the wired bus, not read"),
    "mbus-other-meter": ("Un autre compteur est à cette adresse : vérifiez « address »", "Another meter is at this address: check `address`"),
    "mbus-record": ("Une donnée du télégramme est illisible, la suite n'est pas lue", "A record of the telegram cannot be read, nor what follows it"),
    "mbus-silent": ("Le compteur ne répond pas : câblage, adresse, vitesse ?", "The meter does not answer: its wiring, its address, its speed?"),
    "mbus-twins": ("Deux compteurs que rien ne distingue sur la ligne : donnez-leur des adresses", "Two meters that nothing tells apart on the line: give them addresses"),
    "wmbus-crc": ("Télégramme radio abîmé : réception faible ?", "A damaged radio telegram: weak reception?"),
    "wmbus-fragment": ("Télégramme radio en plusieurs parties, non lu", "A radio telegram in parts, not read"),
    "wmbus-frame": ("Télégramme radio mal formé", "A malformed radio telegram"),
    "wmbus-line": ("Ligne illisible du récepteur", "A line of the receiver that cannot be read"),
    "wmbus-mode": ("Mode de sécurité non lu : demandez un mode 5 ou 7 au fournisseur", "A security mode that is not read: ask the supplier for mode 5 or 7"),
    "wmbus-receiver": ("Message abîmé du récepteur radio : voyez la clé USB", "A damaged message of the radio receiver: look at the USB stick"),
}  # fmt: skip
SAMPLING = Sampling(reason="broadcasts", why=BROADCASTS, meters=True)
"""Sampling of wired meters; wireless ones send by themselves."""
