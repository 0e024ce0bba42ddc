"""Runbook for a day without network: one page to print, in French, made of the configuration. Pure.

It holds no secret: roles say who has which key. Contacts come from `crisis.contacts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import NamedTuple

from hub.i18n.typography import fingerprint_lines, typeset
from hub.operations.crisis.isolation import Verdict


class Facts(NamedTuple):
    """Data of the page. `contacts`: role → name and number; `plugins`: which would go on and which would stop;
    `writable`: device → metrics that may be written; `autonomy`: in words, as measured now, "" while it is not known;
    `longest`: the maximum time of raised sampling, in words."""

    hub: str
    title: str
    site: str
    made: str
    contacts: Mapping[str, str]
    plugins: Iterable[Verdict]
    writable: Mapping[str, Iterable[str]]
    autonomy: str
    fingerprint: str
    longest: str = "24 h"


STYLE = (
    "body{font:11pt/1.45 sans-serif;max-width:48em;margin:2em auto;padding:0 1em;color:#000;background:#fff}"
    "h1{font-size:1.5em}h2{font-size:1.15em;border-bottom:1px solid #000;margin-top:1.6em}"
    "code{font-family:monospace;background:#eee;padding:0 .2em;overflow-wrap:anywhere}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{border:1px solid #000;padding:.3em .5em;text-align:left;vertical-align:top}ol li{margin:.4em 0}"
    "code span{white-space:nowrap}"
    "@page{margin:13mm 15mm}"
    "@media print{body{margin:0;max-width:none;padding:0;font-size:9.5pt;line-height:1.35}"
    "h1{margin:0}h2{break-after:avoid;margin-top:1em}"
    "p{margin:.5em 0}ol li{margin:.25em 0}section{break-inside:avoid}"
    "code{background:none;padding:0;font-weight:bold}}"
)


_WHY = '<span>--why "…"</span>'
"""Markup that keeps a line from breaking at the hyphens of an option."""
NO_CONTACTS = "<p>À compléter : <code>crisis.contacts</code> dans la configuration.</p>"
NOTHING_WRITABLE = "<p>Rien : il ne fait que lire.</p>"


def page(facts: Facts) -> str:
    """Return a self-contained HTML page: no script, nothing from elsewhere."""
    goes_on = [one for one in facts.plugins if one.goes_on]
    stops = [one for one in facts.plugins if not one.goes_on]
    contacts = "".join(
        f'<tr><th scope="row">{escape(role)}</th><td>{escape(who)}</td></tr>' for role, who in facts.contacts.items()
    )
    writable = "".join(
        f"<li>{escape(device)} : {escape(', '.join(keys))}</li>" for device, keys in facts.writable.items()
    )
    return typeset(f"""<!doctype html>
<html lang="fr"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fiche de crise · {escape(facts.title or facts.hub)}</title>
<style>{STYLE}</style></head><body>
<h1>Fiche de crise : {escape(facts.title or facts.hub)}</h1>
<p>Concentrateur <code>{escape(facts.hub)}</code>, site {escape(facts.site or "non renseigné")}. Fiche faite le
{escape(facts.made)}. À imprimer et à ranger près du concentrateur ; elle ne contient aucun secret.</p>
<section><h2>Qui appeler</h2>
{f"<table>{contacts}</table>" if contacts else NO_CONTACTS}</section>
<section><h2>Ce qui continue tout seul</h2>
<p>Sans réseau, le concentrateur continue de relever, de surveiller et de garder les relevés scellés sur son disque.
Autonomie mesurée : <strong>{escape(facts.autonomy or "pas encore connue")}</strong>. Rien n'est perdu avant ;
au-delà, les plus
anciens relevés sont abandonnés les premiers, et leur perte est déclarée. Les automates du bâtiment continuent
sans lui.</p></section>
<section><h2>Les gestes</h2>
<ol>
<li><strong>Attaque ou doute sur le réseau informatique :</strong> page « Crise », bouton « Isoler », ou
<code>ilot crisis isolate {_WHY}</code>. Plus rien ne sort : ni liaison, ni notifications, ni exports.</li>
<li><strong>Plus personne ne doit rien changer :</strong> page « Crise », bouton « Passer en lecture seule »,
ou <code>ilot crisis readonly {_WHY}</code>.
Les écritures vers les équipements s'arrêtent ; les alertes restent traitées sur place.</li>
<li><strong>Arrêter seulement les commandes (R175-3 4°) :</strong> <code>ilot command stop {_WHY}</code>.</li>
<li><strong>Relever plus souvent (crue, canicule) :</strong> page « Crise », « Relever plus souvent », ou
<code>ilot crisis sampling plan 5min</code>, qui montre d'abord ce que cela coûte aux piles, aux ondes et aux bus ; puis
<code>ilot crisis sampling raise … {_WHY}</code>. Les périodes d'avant reviennent seules, au plus tard
après {escape(facts.longest)}.</li>
<li><strong>Remettre les données à quelqu'un :</strong> clé USB, puis
<code>ilot crisis export /media/cle/export</code>. Les relevés y restent scellés.</li>
<li><strong>Lire l'état sur place :</strong> page « Tableau de crise » ou <code>ilot status</code>, <code>ilot
alerts</code>.</li>
<li><strong>Sortir de la crise :</strong> « Sortir de la crise », ou <code>ilot crisis end {_WHY}</code>. Le
concentrateur dit si sa
configuration est restée la même ; ce qui attendait est remis au serveur, les alertes d'abord.</li>
</ol></section>
<section><h2>En cas d'isolement</h2>
<p>Continuent : {_names(goes_on)}.</p>
<p>S'arrêtent : {_names(stops)}.</p></section>
<section><h2>Ce que ce concentrateur peut écrire</h2>
{f"<ul>{writable}</ul>" if writable else NOTHING_WRITABLE}</section>
<section><h2>Si le matériel est perdu</h2>
<p>Un autre concentrateur reprend avec <code>ilot restore</code>, la sauvegarde scellée et la clé de secours gardée
hors ligne
par la collectivité. Les capteurs ne sont pas touchés.</p>
<p>Empreinte du certificat des pages (SHA-256) :
<code>{escape(" ".join(fingerprint_lines(facts.fingerprint, 8)) or "aucune page n'est servie")}</code></p></section>
</body></html>
""")


def spell(seconds: float | None) -> str:
    """Return a time span for people, in French; "" where it is not known."""
    if seconds is None:
        return ""
    hours = int(seconds // 3600)
    if hours < 1:
        return f"{int(seconds // 60)} min"
    return f"{hours // 24} j {hours % 24} h" if hours >= 48 else f"{hours} h"


def _names(verdicts: Iterable[Verdict]) -> str:
    return ", ".join(escape(one.name) for one in verdicts) or "aucune liaison"
