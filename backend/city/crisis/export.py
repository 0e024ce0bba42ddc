"""Export of a scope: a ZIP of CSV tables and the same as JSON, with a file that says what it is.

LISEZ-MOI.txt      what, for whom, when, which scope; EXERCICE where it is of a drill
situation.json     everything, as the board shows it
*.csv              hubs, alerts, rooms, measures, log: French spreadsheets open them (`;`, decimal comma, BOM), or
                   RFC 4180 in English
MANIFEST.json      SHA-256 of each file
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from backend.city.crisis.situation import Situation
from backend.city.crisis.texts import word
from hub.page_kit import formatting
from hub.page_kit.tables import rows_of_csv

DRILL_MARK = "EXERCICE"


def archive(one: Situation, *, who: str, scope: str, lang: str, zone: ZoneInfo) -> tuple[str, bytes]:
    """Return (name of the file, ZIP)."""

    def at(moment: float | None) -> str:
        return "" if moment is None else formatting.moment_text(moment, lang, zone)

    def head(*keys: str) -> list[str]:
        return [word(f"crisis-{key}", lang) for key in keys]

    def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
        marked: list[Sequence[Any]] = [[f"{DRILL_MARK} / DRILL: {one.drill}"]] if one.drill else []
        return rows_of_csv([*marked, header, *rows], lang, first=True)

    files = {
        "LISEZ-MOI.txt": _about(one, who, scope, zone).encode(),
        "situation.json": msgspec.json.format(msgspec.json.encode(one), indent=1),
        "hubs.csv": table(
            [*head("hub", "site", "state", "last-heard"), "id"],
            [
                (hub.name, hub.site, word(f"crisis-{state}", lang), at(hub.at), hub.hub)
                for state, hubs in (
                    ("silent", one.silent_hubs), ("read-only", one.read_only), ("isolated", one.isolated)
                )
                for hub in hubs
            ],
        ),
        "alerts.csv": table(
            head("raised", "site", "alert", "state", "hub"),
            [
                (
                    at(alert.raised_at), alert.site,
                    alert.text_fr if lang == "fr" and alert.text_fr else alert.text, alert.state, alert.hub,
                )
                for alert in one.alerts
            ],
        ),
        "rooms.csv": table(
            head("heat", "threshold", "site", "room", "temperature", "at"),
            [
                (heat.text, heat.threshold, room.site, room.name, room.value, at(room.at))
                for heat in one.heat
                for room in heat.rooms
            ],
        ),
        "measures.csv": table(
            [*head("measure", "crew-place", "by", "at", "hours-help")],
            [
                (held.text, held.place, held.who, at(held.begun), at(held.expires))
                for held in (*one.measures, *one.crews)
            ],
        ),
        "log.csv": table(
            ["n", *head("at", "by", "log-kind", "log-line"), "digest"],
            [(line.n, at(line.at), line.who, line.kind, line.text, line.digest) for line in one.log],
        ),
    }  # fmt: skip
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    files["MANIFEST.json"] = json.dumps({"drill": one.drill, "made": one.made, "files": digests}, indent=1).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(zipfile.ZipInfo(name, datetime.fromtimestamp(one.made, zone).timetuple()[:6]), data)
    moment = f"{datetime.fromtimestamp(one.made, zone):%Y%m%d-%H%M}"
    return f"{DRILL_MARK + '-' if one.drill else ''}crise-{moment}.zip", out.getvalue()


def _about(one: Situation, who: str, scope: str, zone: ZoneInfo) -> str:
    at = datetime.fromtimestamp(one.made, zone).isoformat(timespec="seconds")
    mark = f"*** EXERCICE / DRILL : {one.drill} ***\n\n" if one.drill else ""
    return (
        f"{mark}Îlot, vue de la ville : {one.city}\n"
        f"Situation au {at}, demandée par {who}, périmètre : {scope}.\n"
        f"{one.hubs} concentrateurs, {one.silent} muets, {one.critical} alertes critiques.\n"
        f"Main courante : {one.log_lines} lignes, empreinte de la dernière : {one.log_head or '-'}\n"
        "MANIFEST.json donne l'empreinte SHA-256 de chaque fichier.\n\n"
        f"Îlot, the city's view. Situation at {at}, asked for by {who}, scope: {scope}.\n{mark}"
    )
