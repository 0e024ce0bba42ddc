"""Reasons for raising a device not at all or less than requested: a slug to count, and a sentence for people. Pure."""

from __future__ import annotations

import msgspec

FR, EN = 0, 1

WORDS: dict[str, tuple[str, str]] = {
    # left out
    "unknown-period": (
        "sa période n'est pas encore connue : il faut l'avoir entendu plusieurs fois",
        "its period is not known yet: it must be heard a few times first",
    ),
    "often-enough": ("il parle déjà aussi souvent", "it speaks as often already"),
    "cut-off": ("sa liaison est coupée par l'isolement", "its integration is cut off by the isolation"),
    "not-running": ("sa liaison ne fonctionne pas en ce moment", "its integration does not run now"),
    "no-downlink": (
        "son modèle ne déclare aucune commande qui règle sa période",
        "its pack declares no downlink that sets its period",
    ),
    "no-pack": ("il n'a pas de modèle que l'on puisse lire", "it has no pack that can be read"),
    "not-heard": ("il n'a pas encore été entendu ici", "it was not heard here yet"),
    "no-way-back": (
        "sa période d'aujourd'hui ({was}) ne pourrait pas lui être rendue : la commande va de {low} à {high}",
        "its present period ({was}) could not be given back: the downlink goes from {low} to {high}",
    ),
    "battery-unknown": (
        "rien ne dit encore combien sa pile durera : il faut 14 jours de mesures",
        "nothing says yet how long its battery lasts: that takes 14 days of readings",
    ),
    "battery": (
        "sa pile ne le permet pas : il lui reste {left} j, et {keep} j doivent rester",
        "its battery does not allow it: {left} d are left, and {keep} d must remain",
    ),
    # left out or clipped
    "battery-clip": ("limité par sa pile", "clipped by its battery"),
    "duty": ("limité par le temps d'antenne légal", "clipped by its legal airtime"),
    "reads": ("limité : un compteur à pile n'est lu que {reads} fois par jour",
              "clipped: a meter with a battery is read {reads} times a day at most"),
    "bounds": ("limité par la plus courte période que son modèle admet ({low})",
               "clipped by the shortest period that its pack allows ({low})"),
    "tick": ("limité : sa liaison ne demande pas plus souvent que toutes les {low}",
             "clipped: its integration asks every {low} at most"),
    "channel": ("limité par l'occupation du canal LoRaWAN", "clipped by the load of the LoRaWAN channels"),
    "line": ("limité par la charge de la ligne {line}", "clipped by the load of line {line}"),
    # while it is being told
    "read-only": (
        "attend : le concentrateur est en lecture seule, rien n'est écrit",
        "waits: the hub is read-only, nothing is written",
    ),
    "stopped": ("attend : toutes les commandes sont arrêtées", "waits: all writes are stopped"),
    "too-many": ("attend : trop de commandes sont en cours", "waits: too many commands are under way"),
    "too-soon": ("attend : une commande vient de partir", "waits: a command has just left"),
    "refused": ("la commande est refusée ; voyez le journal d'audit", "the command is refused; see the audit log"),
    "command-failed": ("la commande a échoué ; voyez la page Commandes", "the command failed; see `ilot command list`"),
    "command-expired": (
        "la commande a expiré sans partir ; l'appareil n'a pas parlé",
        "the command expired before it could leave; the device did not speak",
    ),
    "not-noticed": ("pas observé à cette période", "not observed at that period"),
    "step": ("arrondi à ce que l'appareil sait compter", "rounded to what the device can count"),
}  # fmt: skip


class Reason(msgspec.Struct, frozen=True):
    """A reason: `slug` of WORDS; `facts` fill its sentence."""

    slug: str
    facts: dict[str, str] = {}
    words: tuple[str, str] | None = None

    def text(self, language: int) -> str:
        """Return the sentence; `language`: FR or EN."""
        return self.words[language] if self.words else WORDS[self.slug][language].format(**self.facts)

    def as_dict(self) -> dict[str, str]:
        """Return the reason as calls answer it."""
        return {"reason": self.slug, "why": self.text(EN), "why_fr": self.text(FR)}
