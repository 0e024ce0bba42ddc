"""Descriptions of the counted events of EnOcean: reason -> (French, English). Pure data."""

from __future__ import annotations

from hub.sdk.sampling import BROADCASTS, Sampling

# ruff: noqa: E501 - a table is read across
REASONS: dict[str, tuple[str, str]] = {
    "enocean-length": ("Télégramme d'une longueur qui ne va pas avec son profil : vérifiez « eep »", "A telegram of a length that does not fit its profile: check `eep`"),
    "enocean-profile": ("Profil EnOcean non lu : vérifiez « eep »", "An EnOcean profile that is not read: check `eep`"),
    "enocean-psk": ("Appairage sécurisé dont le code ne va pas : vérifiez le code de l'étiquette", "A secure teach-in whose code does not fit: check the code of the label"),
    "enocean-rlc": ("Code tournant inconnu : à appairer de nouveau", "Its rolling code is not known: teach it in again"),
    "enocean-secure": ("Télégramme sécurisé d'une sorte non lue", "A secure telegram of a kind that is not read"),
    "enocean-slf": ("Niveau de sécurité non accepté : réglez l'appareil sur un niveau plus élevé", "A level of security that is not accepted: set the device higher"),
    "enocean-teach-in": ("Appairage illisible : recommencez près de la passerelle", "A teach-in that cannot be read: do it again near the gateway"),
    "esp3-crc": ("Message de la passerelle abîmé : voyez le câble ou la clé USB", "A damaged message of the gateway: look at the cable or the USB stick"),
    "esp3-radio": ("Message radio de la passerelle illisible", "A radio message of the gateway that cannot be read"),
    "pairing-closed": ("Appairage hors d'une fenêtre d'appairage : ouvrez-en une", "A teach-in outside of a pairing window: open one"),
}  # fmt: skip
SAMPLING = Sampling(reason="broadcasts", why=BROADCASTS)
