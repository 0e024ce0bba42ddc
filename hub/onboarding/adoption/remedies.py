"""Remedies for a device that does not report, by reason. Pure.

Five of them have a name, the same on the phone and in the report: a wrong key, out of range, a label that cannot be
read, at another hub, no key. The others have the hub's sentence.
"""

from __future__ import annotations

from typing import NamedTuple

from hub.i18n.typography import typeset

GREY, BLUE, AMBER, GREEN, RED = "grey", "blue", "amber", "green", "red"
"""Colours of a row: unknown · its key is known · its join was seen · its first valid reading is in · trouble."""


class Remedy(NamedTuple):
    """A remedy: `name` in French and English, `do` likewise; `action` is the page's offer."""

    name: tuple[str, str]
    do: tuple[str, str]
    action: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the remedy as in rows and reports."""
        return {
            "fr": typeset(self.name[0]), "en": self.name[1], "do_fr": typeset(self.do[0]), "do_en": self.do[1],
            "action": self.action,
        }  # fmt: skip


WRONG_KEY = Remedy(
    ("Clé fausse", "Wrong key"),
    (
        "Comparez l'AppKey avec celle du fabricant et saisissez la bonne, ou remplacez l'appareil.",
        "Compare its AppKey with the maker's and enter the right one, or replace the device.",
    ),
    "key",
)
OUT_OF_RANGE = Remedy(
    ("Hors de portée", "Out of range"),
    (
        "Rien n'a été entendu : vérifiez la pile, forcez un envoi (bouton, aimant), sinon rapprochez la passerelle.",
        "Nothing was heard: check its battery, make it send (button, magnet), or bring the gateway nearer.",
    ),
    "replace",
)
UNREADABLE = Remedy(
    ("Étiquette illisible", "Label that cannot be read"),
    (
        "Saisissez à la main le DevEUI imprimé (et l'AppKey si elle n'est pas dans l'inventaire).",
        "Enter the printed DevEUI by hand (and the AppKey where no inventory has it).",
    ),
    "manual",
)
ELSEWHERE = Remedy(
    ("Déjà sur un autre concentrateur", "At another hub already"),
    (
        "Retirez-le là-bas (ou gardez-le là-bas et retirez cette ligne), puis forcez-le à rejoindre.",
        "Remove it there (or keep it there and take this row away), then make it join again.",
    ),
    "forget",
)
NO_KEY = Remedy(
    ("Clé absente", "No key"),
    (
        "Ni l'étiquette ni l'inventaire ne portent sa clé : chargez l'inventaire de la collectivité ou saisissez-la.",
        "Neither its label nor an inventory has its key: load the district's inventory, or enter it.",
    ),
    "inventory",
)
JOINED = Remedy(
    ("Premier relevé attendu", "First reading awaited"),
    ("Il a rejoint le réseau : forcez un envoi ou patientez.", "It has joined: make it send, or wait."),
)
UNREAD = Remedy(
    ("Pas de pack", "No pack"),
    ("Donnez-lui le pack de son modèle.", "Give it the pack of its model."),
    "device",
)
OTHER = Remedy(("À voir", "To be looked at"), ("Voyez la page de l'appareil.", "See the page of the device."), "device")

_BY_WHY = {
    "bad-mic": WRONG_KEY, "bad-key": WRONG_KEY, "needs-key": NO_KEY, "no-key": NO_KEY, "unreadable": UNREADABLE,
    "not-heard": OUT_OF_RANGE, "silent": OUT_OF_RANGE, "elsewhere": ELSEWHERE, "joined": JOINED, "unread": UNREAD,
}  # fmt: skip


def remedy(why: str, hub: str = "") -> Remedy:
    """Return the remedy. `hub`: another hub that last heard the device; "" where unknown."""
    if hub:
        name = tuple(f"{text} : {hub}" if n == 0 else f"{text}: {hub}" for n, text in enumerate(ELSEWHERE.name))
        return ELSEWHERE._replace(name=(name[0], name[1]))
    return _BY_WHY.get(why, OTHER)


def colour(state: str, why: str, *, known: bool) -> str:
    """Return the colour. `state` and `why` of `hub.onboarding.adoption.device_status`; `known`: it is admitted."""
    if not known:
        return GREY
    if state == "green":
        return GREEN
    return RED if state == "trouble" else AMBER if why == "joined" else BLUE
