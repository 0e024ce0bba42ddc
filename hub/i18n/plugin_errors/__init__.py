"""French for errors that plugins report. Pure.

This module has the words of the system and sentences that several plugins use; `table` has those of one plugin alone,
`outcomes` the outcomes of commands. The sentences are English, of integrations, transports, notifiers and of the
system. Unknown sentences stay English and are marked so; the words of a library or of another machine at the end of one
are quoted as they came, except common ones of the system.
"""

from __future__ import annotations

import re
from functools import cache

from hub.i18n.plugin_errors.outcomes import OUTCOMES
from hub.i18n.plugin_errors.table import RARE
from hub.i18n.typography import KEPT, typeset

# ruff: noqa: E501 - a table is read across
_SYSTEM = (
    (r"(?:\[Errno \d+\] )?(?:Connect call failed.*|Connection refused)", "connexion refusée : rien n'écoute à cette adresse"),
    (r"(?:\[Errno \d+\] )?No route to host.*", "aucune route jusqu'à cette machine"),
    (r"(?:\[Errno \d+\] )?Network is unreachable.*", "réseau injoignable"),
    (r"(?:\[Errno \d+\] )?(?:Host is unreachable|Host is down).*", "machine injoignable"),
    (r"(?:\[Errno \d+\] )?Connection reset by peer", "connexion coupée par l'autre machine"),
    (r"(?:\[Errno \d+\] )?Broken pipe", "connexion coupée"),
    (r"(?:\[Errno -?\d+\] )?(?:Name or service not known|Temporary failure in name resolution|No address associated with hostname)",
     "nom inconnu, ou résolution de noms indisponible"),
    (r"(?:\[Errno \d+\] )?(?:could not open port .*: )?(?:\[Errno \d+\] )?No such file or directory.*",
     "introuvable : débranché ?"),
    (r"(?:\[Errno \d+\] )?(?:could not open port .*: )?(?:\[Errno \d+\] )?Permission denied.*", "accès refusé"),
    (r"(?:\[Errno \d+\] )?(?:Address already in use|error while attempting to bind on address.*)", "adresse déjà prise"),
    (r"(?:\[Errno \d+\] )?No space left on device.*", "disque plein"),
    (r"(?:\[Errno \d+\] )?Read-only file system.*", "système de fichiers en lecture seule"),
    (r"(?:\[Errno \d+\] )?Input/output error.*", "erreur de lecture ou d'écriture du disque"),
    (r"(?:Connection )?[Tt]imed? ?out|TimeoutError|timed out.*", "délai dépassé"),
    (r"the connection was lost", "la connexion a été perdue"),
    (r"not tried yet", "pas encore essayé"),
    (r"none was made", "aucune n'a été faite"),
)  # fmt: skip
_TABLE = (
    (r"(?P<a>.+?) is connected but none of its (?P<n>\d+) devices answers",
     "{a} répond, mais aucun de ses {n} appareils"),
    (r"(?P<a>.+?) accepts no connection: check (?:its )?power, the network and `url`",
     "{a} n'accepte pas la connexion : vérifiez son alimentation, le réseau et `url`"),
    (r"(?P<a>.+?) does not answer: check its address, and that it runs",
     "{a} ne répond pas : vérifiez son adresse, et qu'il fonctionne"),
    (r"(?P<a>.+?) does not answer: is it an EnOcean gateway \(ESP3\)\?",
     "{a} ne répond pas : est-ce une passerelle EnOcean (ESP3) ?"),
    (r"(?P<a>.+?) does not answer: is it an (?P<b>iM871A), at 57600 bit/s\?",
     "{a} ne répond pas : est-ce un {b}, à 57600 bit/s ?"),
    (r"(?P<a>.+?) does not answer within (?P<n>[\d.]+) s", "{a} n'a pas répondu en {n} s"),
    (r"(?P<a>.+?) does not answer in time", "{a} n'a pas répondu à temps"),
    (r"(?P<a>.+?) does not answer a subscription", "{a} ne répond pas à un abonnement"),
    (r"(?P<a>.+?) does not answer: (?P<q>.+)", "{a} ne répond pas"),
    (r"(?P<a>.+?) does not answer", "{a} ne répond pas"),
    (r"(?P<a>.+?) is away: (?P<q>.+)", "{a} est injoignable"),
    (r"(?P<a>.+?) is away", "{a} est injoignable"),
    (r"(?P<a>.+?) is gone: was it unplugged or switched off\?", "{a} a disparu : débranché ou éteint ?"),
    (r"(?P<a>.+?) is gone: (?P<q>.+)", "{a} a disparu"),
    (r"(?P<a>.+?) is gone", "{a} a disparu"),
    (r"(?P<a>.+?) closed the connection", "{a} a fermé la connexion"),
    (r"(?P<a>.+?) (?:ends the connection|ended it): (?P<q>.+)", "{a} met fin à la connexion"),
    (r"(?P<a>.+?) cannot be opened: (?P<q>.+)", "{a} ne s'ouvre pas"),
    (r"(?P<a>.+?) cannot be listened on(?:: (?P<q>.+))?", "impossible d'écouter sur {a}"),
    (r"(?P<a>.+?) cannot be read: (?P<q>.+)", "{a} ne peut pas être lu"),
    (r"(?P<a>.+?) does not open within (?P<n>[\d.]+) s", "{a} ne s'ouvre pas en {n} s"),
    (r"(?P<a>.+?) is held by (?P<b>\S+) already: one line has one reader", "{a} est déjà tenu par {b} : une ligne, un lecteur"),
    (r"(?P<a>.+?) has said nothing that can be read for (?P<n>[\d.]+) s", "{a} n'a rien dit de lisible depuis {n} s"),
    (r"this user may not open (?P<a>.+?): add it to the group dialout, restart the hub",
     "cet utilisateur ne peut pas ouvrir {a} : ajoutez-le au groupe dialout, redémarrez le concentrateur"),
    (r"(?P<a>.+?) answers (?P<n>\d{3})(?:: (?P<q>.+))?", "{a} répond {n}"),
    (r"(?P<a>.+?) refuses user and password \((?P<n>\d+)\): renew (?P<b>\S+)",
     "{a} refuse l'utilisateur et le mot de passe ({n}) : renouvelez {b}"),
    (r"(?P<a>.+?) refuses user (?P<b>'.*?'): check user and password",
     "{a} refuse l'utilisateur {b} : vérifiez user et password"),
    (r"(?P<a>.+?) refuses the user: check `user` and `password`", "{a} refuse l'utilisateur : vérifiez `user` et `password`"),
    (r"(?P<a>.+?) wants other credentials: check (?P<b>.+)", "{a} veut d'autres identifiants : vérifiez {b}"),
    (r"(?P<a>.+?) shows a certificate that is refused: (?P<q>.+)", "{a} montre un certificat refusé"),
    (r"(?P<a>.+?) refuses this hub \((?P<n>\d+)\): its operator admits it again",
     "{a} refuse ce concentrateur ({n}) : son exploitant doit l'admettre de nouveau"),
    (r"(?P<a>.+?) has no free tunnel", "{a} n'a pas de tunnel libre"),
    (r"(?P<a>.+?): no KNX/IP device answers a search", "{a} : aucun appareil KNX/IP ne répond"),
    (r"(?P<a>.+?) wants a key: (?P<b>\S+)", "{a} demande une clé : {b}"),
    (r"(?P<a>.+?) refuses the key: (?P<b>\S+) is another's", "{a} refuse la clé : {b} est celle d'un autre"),
    (r"no backend listens at (?P<a>\S+)", "aucun serveur n'écoute à {a}"),
    (r"no connection: (?P<q>.+)", "pas de connexion"),
    (r"nothing is called: (?P<q>.+)", "rien n'est appelé"),
    (r"the owner's trust document does not let hubs call (?P<a>\S+): the owner adds it",
     "le document de confiance n'autorise pas d'appel à {a} : son propriétaire l'ajoute"),
    (r"device (?P<a>\S+) does not answer Who-Is", "l'appareil {a} ne répond pas à Who-Is"),
    (r"the system D-Bus does not answer \((?P<q>.+)\): is it running here\?", "le D-Bus du système ne répond pas : tourne-t-il ici ?"),
    (r"no integration '(?P<a>.*?)' runs; it is disabled, or the configuration does not have it",
     "aucune intégration {a} ne tourne : désactivée, ou absente de la configuration"),
    (r"it says nothing within (?P<n>\d+) s", "il ne dit rien en {n} s"),
)  # fmt: skip
MAX_SENTENCE = 600
"""Maximum characters of a sentence; the rest is only in the log. Text of another machine may be at its end, a page of
HTML for instance, and the patterns take time with the square of its length."""
_PLUGIN = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_NAMES = (
    ("the backend behind ", "le serveur derrière "), ("the backend", "le serveur"), ("the proxy ", "le proxy "),
    ("the broker ", "le broker "),
)  # fmt: skip


@cache
def _rules() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Compile the patterns when the first sentence is looked up: the start of a hub has none."""
    table = (*_SYSTEM, *OUTCOMES, *RARE, *_TABLE)
    return tuple((re.compile(pattern, re.DOTALL), french) for pattern, french in table)


def translate(sentence: str) -> tuple[str, str]:
    """Return (French, quoted English after it); the first is "" without a translation, the second then the whole. Also
    `name: sentence`."""
    if len(sentence) > MAX_SENTENCE:
        sentence = f"{sentence[: MAX_SENTENCE - 1]}…"
    name, colon, rest = sentence.strip().partition(": ")
    named = bool(colon and _PLUGIN.fullmatch(name))
    said, quoted = _french(rest if named else sentence.strip())
    if named and not said:  # not a plugin's name: `ttyUSB0: …`
        named, (said, quoted) = False, _french(sentence.strip())
    if not said:
        return "", sentence
    return typeset(f"{name} : {said}" if named else said), quoted


def in_french(sentence: str) -> str:
    """Return the sentence in one line, translated as far as possible; also `name: sentence`. Unknown ones stay
    unchanged."""
    said, quoted = translate(sentence)
    return f"{said}{KEPT}: {quoted}" if said and quoted else said or sentence


def _french(sentence: str) -> tuple[str, str]:
    for pattern, french in _rules():
        found = pattern.fullmatch(sentence)
        if found is None:
            continue
        parts = {name: part or "" for name, part in found.groupdict().items()}
        rest = parts.pop("q", "")
        said = french.format(**{name: _named(part) for name, part in parts.items()})
        inner, quoted = _french(rest) if rest else ("", "")
        return (f"{said} ({inner})", quoted) if inner else (said, rest)
    return "", sentence


def _named(part: str) -> str:
    for english, french in _NAMES:
        if part.startswith(english):
            return french + part.removeprefix(english)
    return part
