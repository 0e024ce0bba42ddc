"""Status of a device, as a slug and as sentences for people: waiting, green, or in trouble. Pure.

waiting   admitted, not validly heard yet; it may have joined
green     its first valid report is in, and it still reports
trouble   somebody should look: refused, silent, not decoded, its integration down
"""

from __future__ import annotations

from typing import NamedTuple

from hub.i18n.plugin_errors import in_french

WAITING, GREEN, TROUBLE = "waiting", "green", "trouble"

JOIN_S = 900.0
"""Seconds without a report after a join that mean that the device does not hear us, or hears another hub."""


class Text(NamedTuple):
    en: str
    fr: str


class DeviceStatus(NamedTuple):
    """Status of a device. `why` is a slug; `said` the sentence."""

    state: str
    why: str
    said: Text


REFUSED = {
    "bad-mic": Text(
        "wrong key: what it sends does not fit the key given here. Check it, `ilot device key` gives another",
        "clé fausse : ce qu'il envoie ne correspond pas à la clé saisie. Vérifiez-la et donnez la bonne",
    ),
    "bad-key": Text(
        "wrong key: it does not open what it sends. Check it, `ilot device key` gives another",
        "clé fausse : elle n'ouvre pas ce qu'il envoie. Vérifiez-la et donnez la bonne",
    ),
    "needs-key": Text(
        "its key is missing: what it sends is sealed. `ilot device key` gives it one",
        "clé manquante : ce qu'il envoie est chiffré. Donnez-lui sa clé",
    ),
    "clear-but-keyed": Text(
        "speaks in clear though it has a key: it was reset and has to be paired again, or somebody forges it",
        "parle en clair alors qu'il a une clé : réinitialisé, à appairer de nouveau, ou contrefait",
    ),
    "suspect": Text(
        "looks cloned: what it says is kept out until somebody has looked, on the page Quarantine",
        "semble cloné : ses relevés sont retenus tant que personne n'a vérifié, page Quarantaine",
    ),
    "too-often": Text(
        "speaks far more often than it should: the excess is kept out",
        "parle bien plus souvent que prévu : l'excédent est retenu",
    ),
    "replay": Text(
        "its counter went back: a new battery, then it needs a new key; or replayed frames",
        "compteur revenu en arrière : pile changée (il lui faut une nouvelle clé), ou trames rejouées",
    ),
    "used-devnonce": Text(
        "asks to join with a number that it used before: a new battery? Let it join again",
        "demande à rejoindre avec un numéro déjà utilisé : pile changée ? Autorisez-le à rejoindre",
    ),
    "devnonce-not-rising": Text(
        "asks to join with a number that it used before: a new battery? Let it join again",
        "demande à rejoindre avec un numéro déjà utilisé : pile changée ? Autorisez-le à rejoindre",
    ),
    "join-of-abp-device": Text(
        "asks to join, but was added with the address and session keys of ABP: add it with its AppKey",
        "demande à rejoindre, mais a été ajouté en ABP (adresse et clés de session) : ajoutez-le avec son AppKey",
    ),
    "unreachable": Text(
        "does not answer: its power, its address, its line?", "ne répond pas : alimentation, adresse, câble ?"
    ),
}
"""Sentences for refused frames of a device, by the slug under which they are counted."""

UNREAD = ("no-codec", "no-pack", "bad-pack")
"""Counters of payloads that nothing decodes."""

_SILENT = Text("nothing is heard of it: out of range, or switched off?", "aucune nouvelle : hors de portée ou éteint ?")


class Evidence(NamedTuple):
    """Facts about one device. `plugin`: why its integration does not run, "" when it does; `refused`: a slug of
    `REFUSED`, or ""; `spoke`: it ever sent a valid report; `silent_s`: seconds since then, or since it is expected;
    `joined_s`: seconds since a join without a report, or None; `patience_s`: seconds of silence that are normal;
    `resting`: outside its duty hours."""

    plugin: str
    refused: str
    unread: bool
    spoke: bool
    silent_s: float
    joined_s: float | None
    patience_s: float
    resting: bool = False


def device_status(evidence: Evidence) -> DeviceStatus:
    """Return the worst status that applies."""
    if evidence.plugin:
        said = Text(f"cannot be heard: {evidence.plugin}", f"ne peut être entendu : {in_french(evidence.plugin)}")
        return DeviceStatus(TROUBLE, "integration", said)
    if evidence.refused:
        return DeviceStatus(TROUBLE, evidence.refused, REFUSED[evidence.refused])
    if evidence.joined_s is not None and not evidence.spoke:
        return _joined(evidence.joined_s)
    if evidence.resting:
        said = Text("rests: its duty hours are over for now", "au repos : hors de ses heures de service")
        return DeviceStatus(WAITING, "resting", said)
    if evidence.silent_s > evidence.patience_s:
        return DeviceStatus(TROUBLE, "silent", _SILENT)
    if not evidence.spoke:
        return DeviceStatus(
            WAITING, "not-heard", Text("waiting for its first report", "en attente de son premier relevé")
        )
    if evidence.unread:
        said = Text(
            "is heard, but nothing reads what it says: give it a pack",
            "entendu, mais ses relevés ne sont pas décodés : donnez-lui un pack",
        )
        return DeviceStatus(TROUBLE, "unread", said)
    return DeviceStatus(GREEN, "", Text("reports", "remonte"))


def _joined(seconds: float) -> DeviceStatus:
    if seconds <= JOIN_S:
        return DeviceStatus(
            WAITING,
            "joined",
            Text("has joined; its first report is awaited", "a rejoint le réseau ; premier relevé attendu"),
        )
    said = Text(
        "was let in and does not speak here: another network or hub answers it first, or it does not hear the gateway",
        "accepté, mais muet ici : un autre réseau ou concentrateur lui répond, ou il n'entend pas la passerelle",
    )
    return DeviceStatus(TROUBLE, "elsewhere", said)
