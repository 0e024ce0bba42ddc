"""Rows, figures and words of pages and API, from the hub's answers. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hub.page_kit.formatting import number
from hub.page_kit.tables import without_formula

SORTS = ("name", "id", "state", "zone", "place", "last_seen", "signal", "model", "integration")
STATES = ("trouble", "waiting", "green")


def summary(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of the overview, from the answer of `status`."""
    buffer, link = status["buffer"], status["link"]
    waiting, raised = status.get("quarantine", ()), status.get("alerts", {}).get("open", 0)
    strangers = sum(not one["known"] for one in waiting)
    silent = len(status["devices"].get("trouble", ()))
    return {
        "devices": status["devices"]["devices"], "green": status["devices"]["green"],
        "link": "up" if any(one["state"] == "up" for one in link["uplinks"]) else "down",
        "link_error": link["error"], "buffered": buffer["readings"], "autonomy_s": buffer["autonomy_s"],
        "acked": link["acked"], "readings": status["readings"], "alerts": len(status["degraded"]),
        "raised": raised, "raised_changes": status.get("alerts", {}).get("changes", 0),
        "strangers": strangers,
        # what « À traiter » lists; all strangers together are one thing to do
        "todo": raised + len(status["degraded"]) + silent + len(waiting) - strangers + bool(strangers),
    }  # fmt: skip


def rows(devices: Iterable[Mapping[str, Any]], query: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the devices that match a query, in its order: `q` text, `state`, `zone`, `integration`, `sort`, `dir`."""
    text = query.get("q", "").casefold()[:100]
    exact = {name: query[name] for name in ("state", "zone", "integration") if query.get(name)}
    found = [
        {**one, "signal": strongest(one["heard"])}
        for one in devices
        if all(one[name] == value for name, value in exact.items()) and (not text or text in _searched(one))
    ]
    sort = query.get("sort", "")
    found.sort(key=_key(sort if sort in SORTS else "state"), reverse=query.get("dir") == "desc")
    return found


def strongest(heard: Mapping[str, Any] | None) -> int | None:
    """Return the dBm at the receiver that hears it best."""
    return max((level for level in (heard or {}).values() if isinstance(level, int)), default=None)


def signal_word(device: str, dbm: int | None) -> str:
    """Return a key of the catalogue for a signal: a strong one for LoRa is nothing for Bluetooth."""
    if dbm is None:
        return ""
    strong, fair = (-100, -115) if device.startswith("lorawan:") else (-70, -85)
    return "signal-strong" if dbm >= strong else "signal-fair" if dbm >= fair else "signal-weak"


def table(found: Iterable[Mapping[str, Any]], lang: str, heads: Sequence[str], states: Mapping[str, str]) -> bytes:
    """Return CSV. In French for a French spreadsheet: semicolons, a decimal comma, a byte order mark; otherwise as in
    RFC 4180. No cell begins a formula."""
    out = io.StringIO()
    write = csv.writer(out, delimiter=";" if lang == "fr" else ",", lineterminator="\r\n")
    write.writerow(heads)
    for one in found:
        seen = one["last_seen_s"]
        cells = (
            one["id"], one["name"], states[one["state"]], one[lang if one["state"] != "green" else "why"], one["place"],
            one["zone"], one["site"], one["model"], one["integration"],
            "" if one["signal"] is None else one["signal"], "" if seen is None else number(seen, 1, lang),
        )  # fmt: skip
        write.writerow([without_formula(cell) for cell in cells])
    text = out.getvalue()
    return text.encode("utf-8-sig" if lang == "fr" else "utf-8")


def _searched(one: Mapping[str, Any]) -> str:
    names = ("id", "name", "place", "zone", "model", "integration")
    return "\n".join(str(one[name]) for name in names).casefold()


def _key(sort: str) -> Any:
    def key(one: Mapping[str, Any]) -> tuple[Any, ...]:
        title = (one["name"] or one["place"] or one["id"]).casefold()
        if sort == "state":
            return (STATES.index(one["state"]), title, one["id"])
        if sort == "last_seen":
            seen = one["last_seen_s"]
            return (seen is None, seen or 0.0, one["id"])
        if sort == "signal":
            return (one["signal"] is None, one["signal"] or 0, one["id"])
        return (title if sort == "name" else str(one[sort]).casefold(), one["id"])

    return key
