"""The pages as a browser meets them: a real server on loopback, a real store, and a hub behind it that is a table."""

from __future__ import annotations

import asyncio
import io
import re
from pathlib import Path
from typing import Any, ClassVar

import aiohttp

from hub.automation.commands.policy import Order, check_order
from hub.config.parts.web import Web as Options
from hub.core.clock import SystemClock
from hub.core.errors import HubError
from hub.core.metric_catalogue import METRICS
from hub.core.model import Device, Metric, Place, Report, Writable
from hub.core.store import Store
from hub.core.text import phrase
from hub.devices.places import Places
from hub.devices.registry import Devices
from hub.history.latest import LatestValues
from hub.i18n.reasons import meaning
from hub.operations.crisis import State, guard
from hub.rpc.audit import AuditCalls
from hub.web import areas
from hub.web.services import PageServices
from hub.web.web_part import PageIdentity, Web

NAME, PASSWORD = "camille", "trois lampes et un chat"
HEATING = Device(
    id="knx:1", integration="knx", place="p", writable={"setpoint": Writable(10.0, 25.0, "technicien", 1.0)}
)
HOT = Order(device="knx:1", metric="setpoint", value=99.0, by="x", role="technicien", why="x")
TEMPERATURE = Metric(key="temperature", unit="Cel", fr="Température", en="Temperature")
KNOWN = {"temperature": TEMPERATURE, **{key: METRICS[key] for key in ("setpoint", "light", "lock")}}


def roster(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What `roster.show` answers."""
    steps = ("site", "zones", "plan", "cards", "inventory", "scan", "report")
    green = sum(1 for row in rows if row["colour"] == "green")
    return {
        "began": 0.0, "by": "", "ended": None, "rows": [dict(row) for row in rows], "expected": len(rows),
        "green": green, "pins": {}, "positions": {}, "skipped": {}, "optional": ("plan", "cards", "inventory"),
        "steps": {step: [1.0, "x"] if step == "site" else None for step in steps},
    }  # fmt: skip


def expected(n: int, colour: str, why: str = "", action: str = "") -> dict[str, Any]:
    """One row of it."""
    remedy = {"fr": "Clé fausse", "en": "Wrong key", "do_fr": "Voir", "do_en": "Look", "action": action}
    return {
        "n": n, "how": "scan", "at": 1.0, "by": "web:x", "device": f"lorawan:{n:016x}", "label": "", "name": "",
        "place": f"salle-{n}", "place_name": f"Salle {n}", "zone": "rooms", "colour": colour, "why": why,
        "state": "green", "first_heard": None, "en": "said", "fr": "dit",
        "remedy": None if colour == "green" else remedy,
    }  # fmt: skip


METER: dict[str, Any] = {
    "place": "salle-0", "name": "Chaleur", "zone": "rooms", "zone_name": "Salles", "zone_use": "", "site": "school",
    "metric": "energy", "unit": "kW.h", "carrier": "heat", "use": "chauffage", "serial": "A1", "accuracy": "2",
    "calibrated": "", "kwh": 1.0, "wraps": None, "reference": None, "device": "ble:A4:C1:38:00:00:00", "trust": "A",
    "since": 0, "swaps": [{"at": 1_790_000_000.0, "final": 1.0, "initial": 0.0, "serial": "B"}],
    "swaps_undeclared": [1],
    "months": [], "used": 12.5, "estimated": 0.5, "completeness": 98.0, "missing": [],
    "drift": {
        "state": "drift", "size": 0.12, "since": "2026-03-02", "reference": ["2025-01-01", "2025-12-31"],
        "last_30_used": 112.0, "last_30_expected": 100.0, "finds": 0.084, "r2": 0.941, "cv": 0.077, "nmbe": -0.004,
        "parameters": 5, "heating_below": 15.5, "cooling_above": 21.0,
    },
}  # fmt: skip
SHOWN: dict[str, Any] = {
    "unit": "kW.h", "counter": True, "step": "hour", "from": 1_790_000_000, "to": 1_790_010_800,
    "timezone": "Europe/Paris",
    "cells": [[1_790_000_000, 2.5, None, None, 0.5, 100.0], [1_790_003_600, None, None, None, 0.0, 0.0],
              [1_790_007_200, 3.0, 2.0, 4.0, 0.0, 50.0]],
}  # fmt: skip


NETWORK: dict[str, Any] = {
    "error": "", "version": "1.52.1", "pending": None, "last": {}, "modem_error": "", "time_error": "",
    "forwarding": [], "interfaces": [], "modems": [], "wanted_time_servers": [],
    "time": {"servers": [], "others": [], "server": "", "synchronised": False},
    "access_point": {"possible": False, "name": "Ilot-ab12", "on": False, "left_s": None, "error": "", "url": ""},
}  # fmt: skip
"""A machine whose network NetworkManager does not know; see test_network.py."""


CONCENTRATOR: dict[str, Any] = {
    "found": {}, "plan": None, "verdicts": [], "models": [],
    "proposed": {"model": "", "possible": [], "device": "", "euis": [], "where": ["FR"]},
}  # fmt: skip
"""A machine without a concentrator; see areas/test_concentrator.py."""


def running(name: str, **known: Any) -> dict[str, Any]:
    """Return an instance of a plugin in the status."""
    return {
        "name": name, "type": name, "state": "running", "error": "", "since": 0, "restarts": 0, "crashes": 0,
        "emits": 12, "apart": False, "cpu_s": 0.0, "memory": 0, "version": "1.0", "may": [], "owner": "", "contact": "",
        "end_of_support": "", "shipped": known.get("distribution") == "ilot", **known,
    }  # fmt: skip


class RaisedSampling:
    """What the hub answers of raised sampling; `held` None: it is as ever."""

    held: dict[str, Any] | None = None
    refuses = ""

    def answer(self, name: str) -> dict[str, Any]:
        if self.refuses and name.endswith(".raise"):
            raise HubError(self.refuses)
        if not name.endswith(".plan"):
            return self.held or {"phase": "over", "counts": {}, "entries": [], "unconfirmed": []}
        named = {"devices": ["lorawan:1"], "integration": "lorawan", "how": "downlink"}
        clip = {
            "reason": "duty",
            "why": "clipped by its legal airtime",
            "why_fr": "limité par le temps d'antenne légal",
        }
        left = {"reason": "broadcasts", "why": "it broadcasts by itself", "why_fr": "il émet de lui-même"}
        load = {"before": 0.001, "after": 0.02, "budget": 0.05, "rate_before": 0.1, "rate_after": 0.5}
        return {
            "digest": "3f9c2b8a71d04e55", "period_s": 300.0, "for_s": 86_400.0, "budgets": {},
            "entries": [
                {**named, "name": "lorawan:1", "was_s": 900.0, "to_s": 360.0, "line": None, **clip,
                 "battery": {"days": 900, "after_days": 897, "endless_days": 360},
                 "air": {"band": "M", "of_s": 36.0, "before_s": 1.5, "after_s": 3.75}},
                {**named, "name": "<b>modbus</b>", "was_s": 60.0, "to_s": 10.0, "battery": None, "air": None,
                 "reason": "", "why": "", "why_fr": "",
                 "line": {"name": "rs485", "turn_s": 0.2, "requests": 4, "before": 0.01, "after": 0.06}},
            ],
            "left": [{**named, "name": "ble:1", "was_s": None, **left}],
            "loads": [{**load, "name": "LoRaWAN", "collide_before": 0.002, "collide_after": 0.039, "can_rate": None},
                      {**load, "name": "rs485", "can_rate": 25.0}],
            "telling": {"downlinks": 1, "air_s": 0.07, "takes_s": 900.0},
        }  # fmt: skip


class Hub:
    """`asked`: what was called, with which arguments."""

    def __init__(self, many: int = 3) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.sampling = RaisedSampling()
        self.read_only, self.remembered = False, True
        self.devices = [
            Device(
                id=f"lorawan:{n:016X}",
                integration="lorawan",
                place=f"salle-{n}",
                name=f"Sonde {n}",
                writable={"setpoint": Writable(10, 25, "technicien", reason="always")} if n == 0 else {},
            )
            for n in range(many)
        ]
        self.live = LatestValues()
        self.slots = {device.id: self.live.slot(device, (TEMPERATURE,)) for device in self.devices}
        self.answers: dict[str, Any] = {}  # calls that a real part answers
        self.waiting: list[dict[str, Any]] = []
        self.retired: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []
        self.positions: dict[str, dict[str, Any]] = {}
        self.degraded: list[str] = []
        self.decisions: list[dict[str, Any]] = []
        self.suspects: dict[str, str] = {}
        self.recette = False
        self.alerts: list[dict[str, Any]] = []
        self.carriers: list[dict[str, Any]] = []
        self.trouble: list[str] = []
        self.command: dict[str, Any] = {"id": "c1", "state": "done", "detail": "", "device": self.devices[0].id}

    def hear(self, number: int, value: float) -> None:
        device = self.devices[number]
        slot = self.slots[device.id]
        slot.report = Report(device=device.id, values={"temperature": value})
        slot.time = slot.came = 1_790_000_000.0 + number

    def row(self, device: Device) -> dict[str, Any]:
        seen = self.live.last_seen(device.id)
        return {
            "id": device.id, "name": device.name, "place": device.place, "zone": "rooms", "site": "school",
            "model": "", "firmware": "", "integration": "lorawan", "keyed": True, "heard": {"gw": -97},
            "last_seen_s": 3.5 if seen else None, "errors": {"late": 2}, "latency_ms": 12.5,
            "state": "green" if seen else "waiting", "why": "" if seen else "not-heard", "adopted": True,
            "first_heard": seen,
            "en": "reports" if seen else "waiting for its first report",
            "fr": "remonte" if seen else "en attente de son premier relevé",
        }  # fmt: skip

    async def _answer(self, name: str, arguments: dict[str, Any]) -> Any:
        self.asked.append((name, arguments))
        if name in self.answers:
            return await self.answers[name](arguments)
        if name == "devices":
            return {"devices": [self.row(device) for device in self.devices], "quarantine": self.waiting}
        if name == "status":
            green = sum(1 for device in self.devices if self.live.last_seen(device.id))
            return {
                "devices": {"devices": len(self.devices), "green": green, "trouble": self.trouble},
                "alerts": {"open": len(self.alerts)}, "quarantine": self.waiting, "degraded": self.degraded,
                "buffer": {
                    "readings": 7, "autonomy_s": 90_000.0, "bytes": 1234, "pending_rows": 0, "readings_rate": 1.5,
                    "rate": 12.0, "evicted": 0, "error": "", "oldest_age_s": 4.0,
                },
                "link": {
                    "uplinks": [{"name": "https", "state": "up", "error": ""}], "error": "", "acked": 12,
                    "last_ack_s": 2.0, "month": {"up": 1, "down": 2}, "metered": False,
                },
                "readings": 19, "up_s": 61.0, "clock_sure": True, "mirror": {}, "certificate": {},
                "memory": {"private_mib": 61.2, "pss_mib": 70.4, "processes": [
                    {"name": "hub", "private_mib": 48.0}, {"name": "codecs", "private_mib": 13.2},
                ]},
                "backup": {"made": None, "error": "", "backend": {"at": None, "error": ""}},
                "clock": {"sure": True}, "kept": {"frames": 2, "bytes": 60}, "plugins": [
                    running("lorawan", distribution="ilot", runs="hub"),
                    running("acme", distribution="ilot-acme", runs="process", may=["calls hosts: configured"],
                            cpu_s=1.5, memory=20 << 20, owner="Acme SAS", contact="psirt@acme.test"),
                    running("leftover", distribution="ilot-leftover", runs="unprotected"),
                ],
                "stalls": {"count": 1, "last": None, "longest": None,
                           "by": {"leftover": {"count": 1, "seconds": 3.2, "longest_s": 3.2}}},
            }  # fmt: skip
        if name == "release.list":
            return {
                "wanted": 101, "package": 100, "stale": False, "releases": [], "can_return": True, "keys": 1,
                "trial": None, "phase": "", "progress": None, "waiting": False, "failed": {}, "running": 101,
                "last": {"result": "installed", "counter": 101, "at": 1_790_000_000.0, "by": "x", "reason": ""},
            }  # fmt: skip
        if name == "plugin.list":
            return {"plugins": [], "index": None, "vendors": ["Acme"]}
        if name == "counted":
            return {"counted": [
                {"subject": arguments.get("subject", "lorawan"), "reason": reason, "times": times,
                 "meaning": meaning(reason) or ""}
                for reason, times in (("repeat", 2), ("acme-drift", 1))
            ]}  # fmt: skip
        if name.startswith("config."):
            return self.configuration(name)
        if name == "alert.list":
            return {"alerts": [one for one in self.alerts if arguments.get("all") or one["state"] != "cleared"]}
        if name.startswith("alert."):
            found = next((one for one in self.alerts if one["id"] == arguments["id"]), None)
            if found is None:
                raise HubError("no such alert")
            if name == "alert.mute" and not 1 <= arguments["seconds"] <= 31 * 86_400:
                raise HubError("an alert is muted for 1 s to 31 days")
            states = {"alert.ack": "acknowledged", "alert.mute": "muted", "alert.clear": "cleared"}
            return {**found, "state": states.get(name, found["state"])}
        if name == "device.add":
            row = {"device": "lorawan:AA", "state": "added", "place": "salle-9", "en": "", "fr": ""}
            return {"rows": [row]}
        if name == "command.set" and arguments["value"] == "99":
            check_order(HOT, HEATING, Metric(key="setpoint", unit="Cel"), None, 0.0)  # raises
        if name in ("command.set", "command.wait"):
            return self.command
        if name == "find.lines":
            return {"lines": [], "types": [], "ports": [], "buses": {}}
        if name == "radio":
            told = {
                "place": "salle-0", "zone": "rooms", "integration": "lorawan", "join": "joined", "joined_at": None,
                "heard": 9, "lost": 1, "lost_share": 0.1, "margin_db": 12.0, "margin_low_db": 6.5, "margin": "enough",
                "fr": "marge suffisante", "en": "enough margin", "rates": {"SF7": 9}, "period_s": 600.0,
                "last_seen_s": 3.0, "late": False, "battery": 80.0, "battery_days": 400.0, "battery_per_day": 0.2,
            }  # fmt: skip
            silent = {
                **told,
                "margin": "",
                "margin_db": None,
                "margin_low_db": None,
                "lost_share": None,
                "battery": None,
            }
            gateway = {"id": "AA55", "integration": "lorawan", "last_heard_s": 4.0, "silent": False,
                       "duty": {"868.0-868.6": {"left_s": 35.5, "of_s": 36.0}}}  # fmt: skip
            first, second = self.devices[0].id, self.devices[1].id
            return {"devices": [{**told, "id": first}, {**silent, "id": second}], "gateways": [gateway]}
        if name == "history.moving":
            return {"metrics": []}
        if name.startswith("crisis.sampling."):
            return self.sampling.answer(name)
        if name.startswith("crisis."):
            part = {"name": "linky", "goes_on": True, "why": "it names no other machine",
                    "why_fr": "elle ne nomme aucune autre machine"}  # fmt: skip
            return {"isolated": True, "read_only": self.read_only, "since": 1_790_000_000.0, "by": "cli",
                    "why": "exercice", "remembered": self.remembered, "error": "",
                    "html": "<p>", "parts": [part], "sampling": self.sampling.held}  # fmt: skip
        if name == "pack.list":
            return {"packs": []}
        if name == "pack.drafts":
            return {"drafts": []}
        if name == "pack.draft":
            return {"pack": arguments["pack"], "title": "Acme T", "layout": "ChirpStack", "untested": True,
                    "vectors": 0, "undecided": 0, "values": 0, "vendor": "Acme", "model": "T", "mac": "1.0.3",
                    "class": "A", "licence": "MIT", "examples": 0, "remarks": [], "proposed": [],
                    "metrics": []}  # fmt: skip
        if name == "logs":
            lines = ["<b>away</b>", phrase("certificate-made-anew", "the certificate is dated ahead, and made anew")]
            return {
                "lines": [{"at": 1_790_000_000.0, "level": "error", "source": "lorawan", "text": one} for one in lines]
            }
        if name.startswith("doctor."):
            return {"state": "never", "at": None, "by": "", "took_s": 0.0, "error": "", "found": []}
        if name == "diagnostics":
            return {"files": {"about.json": "{}"}, "archive": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}
        if name == "support":
            return {"document": "eyJwYXJ0Ijoic3VwcG9ydCJ9Cg==", "contents": {}, "personal": "none", "raised_s": 0.0}
        if name == "support.lines":
            return {"lines": [], "raised_s": 600.0}
        if name == "factory.reset.page":
            return {"hub": "hub-test", "code": "ABCD-EFGH"}
        if name == "privacy.view":
            zone = {"zone": "rooms", "name": "Salles", "dwelling": False, "rules": [], "purposes": {}}
            return {"processings": [], "rules": [], "zones": [zone], "withheld": {}, "figures": [], "kinds": []}
        if name == "privacy.document":
            return {"name": "register.csv", "text": ""}
        if name == "consent.list":
            return {"consents": [], "erasures": [], "asked": [], "timezone": "Europe/Paris"}
        if name == "quarantine.list":
            return {
                "waiting": self.waiting,
                "retired": self.retired,
                "evicted": 0,
                "decisions": self.decisions,
                "suspects": self.suspects,
                "paths": [
                    {"integration": "lorawan", "type": "lorawan"},
                    {
                        "integration": "boiler",
                        "type": "modbus",
                        "kind": "locked room",
                        "declared_by": "Ville",
                        "declared_on": "2026-01-15",
                    },
                ],
            }
        if name == "quarantine.adopt":
            wrong = arguments.get("zone") == "nowhere"
            row = {"device": arguments["device"], "state": "wrong" if wrong else "added", "en": "no zone", "fr": "zone"}
            return {"row": row, "held": 0, "released": 3}
        if name.startswith("recette."):
            self.recette = {"recette.start": True, "recette.end": False}.get(name, self.recette)
            if name == "recette.adopt":
                return {
                    "rows": [{"device": "ble:A", "place": "salle-01", "state": "added", "en": "", "fr": ""}],
                    "released": 0,
                }
            return {"active": self.recette, "left_s": 3600 if self.recette else 0, "by": "cli", "adopted": 2}
        if name in ("roster.show", "roster.report"):
            shown = {**roster(self.rows), "positions": self.positions}
            report = {
                "hub": "hub-test", "at": 1_790_000_000.0, "by": "web:camille", "ended": None, "fingerprint": "AB:CD",
                "keys": {"fr": "clés", "en": "keys"},
                "plugins": [running("acme", distribution="ilot-acme", runs="process")],
            }  # fmt: skip
            return shown if name == "roster.show" else {"report": report, "body": "{}", "identity": "", "signature": ""}
        if name in ("device.keep", "inventory.load"):
            return {"rows": []}
        if name.startswith("roster."):
            return {"row": self.rows[0] if self.rows else {}, "known": False}
        if name == "energy.meters":
            return {
                "year": 2026, "this_year": 2026, "meters": [METER], "outdoor": "", "operators": {"cvc": ""},
                "zones": [{"zone": "rooms", "name": "Salles", "site": "school", "use": ""}],
            }  # fmt: skip
        if name == "network.show":
            return NETWORK
        if name == "concentrator":
            return CONCENTRATOR
        if name == "energy.today":
            return {"carriers": self.carriers}
        if name == "energy.meter":
            return {**METER, **SHOWN}
        if name == "energy.zone":
            sums = [{**SHOWN, "carrier": "heat", "meters": [{"place": "salle-0", "name": "Chaleur"}]}]
            return {
                "zone": "rooms", "name": "Salles", "site": "school", "use": "", "sums": sums,
                "temperature": {**SHOWN, "unit": "Cel", "counter": False},
            }  # fmt: skip
        if name == "energy.report":
            return {"name": "r175-2026.html", "document": "<p>", "signature": ""}
        if name == "history":
            return {**SHOWN, "series": "salle-0/temperature", "line": [], "counter": False, "unit": "Cel",
                    "raw_from": SHOWN["from"]}  # fmt: skip
        if name == "history.raw":
            at = int(arguments.get("from") or 0)
            return {"series": "salle-0/temperature", "metric": "temperature", "unit": "Cel", "timezone": "Europe/Paris",
                    "readings": [[at, 20.5], [at + 60, -1.25]], "next": at + 120 if at < 600 else None}  # fmt: skip
        if name == "command.list":
            return {"commands": [], "stopped": None, "open": 0}
        return {}

    text, wrong = "hub: {name: École}\nlink: {proxy: 'http://u:secret@p'}\n", list[dict[str, Any]]()
    field: ClassVar[dict[str, Any]] = {}

    def configuration(self, name: str) -> dict[str, Any]:
        progress = {"stage": "", "confirm_s": None, "last": {}, "restart": [], "undone": ""}
        field = {"name": "name", "kind": "text", "value": "École", "default": "", "about": "", "unit": "",
                 "choices": [], "required": False, "set": True, **self.field}  # fmt: skip
        return {
            "config.show": {
                "first": "config.yaml",
                "files": {"config.yaml": self.text},
                "digest": "d1",
                "mode": "local",
                "managed_by": "",
                "problems": self.wrong,
                "progress": progress,
            },
            "config.log": {"revisions": [], "running": "d1"},
            "config.progress": progress,
            "config.stage": progress,
            "config.form": {
                "form": {
                    "path": ["hub"],
                    "about": "",
                    "fields": [field],
                    "entries": [],
                    "is_map": False,
                    "types": [],
                    "new": False,
                },
                "digest": "d1",
                "edits": [],
            },
        }.get(name, {"state": "same", "ok": True, "problems": [], "diff": ""})

    def calls(self) -> dict[str, Any]:
        names = (
            "plugin.list", "plugin.begin", "plugin.offered", "plugin.install", "plugin.discard", "plugin.remove",
            "plugin.index",
            "status", "counted", "devices", "device.add", "device.remove", "device.replace", "device.label",
            "command.set",
            "roster.show", "roster.report", "roster.scan", "roster.unreadable", "roster.retry", "roster.replace",
            "roster.forget", "roster.step", "roster.pin", "roster.position",
            "roster.end", "roster.begin", "roster.expect", "device.key",
            "device.keep", "inventory.load", "command.wait", "command.list", "command.stop", "command.resume",
            "backup", "radio", "pack.list", "factory.reset.page",
            "pack.install", "pack.import", "pack.drafts", "pack.draft", "pack.decide", "pack.discard",
            "redecode", "logs", "diagnostics", "crisis.status",
            "crisis.isolate", "crisis.readonly", "crisis.end", "crisis.runbook",
            "crisis.sampling.plan", "crisis.sampling.status", "crisis.sampling.raise", "crisis.sampling.restore",
            "alert.list", "alert.show", "alert.ack", "alert.mute", "alert.clear",
            "quarantine.list", "quarantine.adopt", "quarantine.ignore", "quarantine.block", "quarantine.unblock",
            "quarantine.clear", "recette.status", "recette.start", "recette.end", "recette.adopt",
            "privacy.view", "privacy.document", "consent.list", "consent.withdraw",
            "energy.meters", "energy.meter", "energy.zone", "energy.restart", "energy.report", "history",
            "history.list", "history.moving", "history.raw", "rule.limits", "plugin.restart",
            "config.show", "config.log", "config.progress", "config.stage", "config.form", "config.check",
            "config.diff", "config.apply", "config.confirm", "config.revert", "zone.add",
        )  # fmt: skip

        def called(name: str) -> Any:
            async def call(arguments: dict[str, Any]) -> Any:
                return await self._answer(name, arguments)

            return call

        return {name: called(name) for name in (*names, *asked_by_pages())}


def asked_by_pages() -> set[str]:
    """The calls that pages name: of one that `Hub` has no answer for, the answer is `{}`."""
    sources = (path.read_text() for path in Path(areas.__path__[0]).rglob("*.py"))
    return {name for text in sources for name in re.findall(r'\b(?:call|cached_call)\(\s*"([a-z.]+)"', text)}


class Pages:
    """A running server. `async with Pages(path) as pages`."""

    def __init__(
        self, path: Path, hub: Hub | None = None, options: Options | None = None, *, enrolled: bool = True
    ) -> None:
        self.path, self.hub, self.enrolled = path, hub or Hub(), enrolled
        self.options = options or Options(address="127.0.0.1", port=0)
        self.broken: list[tuple[str, str]] = []

    async def __aenter__(self) -> Pages:
        self.store = await Store.open(self.path / "store.db", b"k" * 32)
        places = Places([Place(id=f"salle-{n}", site="school", zone="rooms") for n in range(3)])
        parts = PageServices(
            live=self.hub.live,
            devices=Devices(self.hub.devices),
            places=places,
            metric=lambda device, key: KNOWN.get(key),
            zones={"rooms": ("Salles", "school")},
            title="École",
            timezone="Europe/Paris",
            contact=self.options.contact,
            enrolled=self.enrolled,
        )
        self.web = Web(
            self.options,
            PageIdentity("hub-test", self.path),
            parts=parts,
            store=self.store,
            clock=SystemClock(),
            calls=self.calls,
            changed=lambda: None,
            broken_glass=lambda name, address: self.broken.append((name, address)),
        )
        self._task = asyncio.create_task(self.web.run())
        async with asyncio.timeout(60):
            while not self.web.status()["served"] or not self.web._port:
                await asyncio.sleep(0.01)
        self.port = self.web._port
        self.url = f"https://127.0.0.1:{self.port}"
        opening = self.web.opening
        assert opening is not None
        self.site: Any = (await opening.server()).site  # as after the first caller
        self._sessions: list[aiohttp.ClientSession] = []
        return self

    def calls(self) -> dict[str, Any]:
        calls = {**self.hub.calls(), **AuditCalls(self.store).calls(), **self.web.calls()}
        return guard(calls, lambda: State(read_only=self.hub.read_only, by="cli", why="exercice"))

    async def __aexit__(self, *error: object) -> None:
        for session in self._sessions:
            await session.close()
        self._task.cancel()
        await asyncio.wait([self._task])
        await self.store.close()

    def browser(self) -> Browser:
        session = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True), connector=aiohttp.TCPConnector(ssl=False)
        )
        self._sessions.append(session)
        return Browser(self, session)

    async def code(self, *, new: bool = False) -> str:
        return str((await self.web.calls()["web.label"]({"new": new}))["code"])

    async def claimed(self) -> Browser:
        """A browser in which the administrateur is signed in."""
        browser = self.browser()
        assert (await browser.claim(await self.code()))[0] == 303
        return browser

    async def person(self, role: str) -> Browser:
        """A browser in which somebody with this role is signed in; the hub is claimed already."""
        await self.site.accounts.put(f"p-{role}", PASSWORD, role, "test")
        browser = self.browser()
        assert (await browser.sign_in(f"p-{role}", PASSWORD))[0] == 303
        return browser


class Browser:
    """Sends what a browser sends of itself: Origin, Sec-Fetch-Site, cookies, the form's token."""

    def __init__(self, pages: Pages, session: aiohttp.ClientSession) -> None:
        self.pages, self.session = pages, session

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, str, Any]:
        """(status, text, headers)."""
        async with self.session.request(method, self.pages.url + path, allow_redirects=False, **more) as answer:
            return answer.status, await answer.text(), answer.headers

    async def get(self, path: str, **headers: str) -> tuple[int, str, Any]:
        return await self.ask("GET", path, headers=headers)

    async def token(self, path: str) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', (await self.get(path))[1])
        assert found is not None
        return found[1]

    async def post(self, path: str, page: str, /, **fields: str) -> tuple[int, str, Any]:
        """Send the form of a page."""
        data = {"csrf": await self.token(page), **fields}
        headers = {"Origin": self.pages.url, "Sec-Fetch-Site": "same-origin"}
        return await self.ask("POST", path, data=data, headers=headers)

    async def upload(
        self, path: str, page: str, data: bytes, *, field: str = "archive", **fields: str
    ) -> tuple[int, str, Any]:
        """Send a file with the form of a page."""
        form = aiohttp.FormData({"csrf": await self.token(page), **fields})
        form.add_field(field, io.BytesIO(data), filename="acme.zip", content_type="application/zip")
        headers = {"Origin": self.pages.url, "Sec-Fetch-Site": "same-origin"}
        return await self.ask("POST", path, data=form, headers=headers)

    async def api(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        import json

        csrf = json.loads((await self.get("/api/1/session"))[1]).get("csrf", "")
        headers = {"Origin": self.pages.url, "X-CSRF": csrf}
        status, text, _ = await self.ask(
            method, f"/api/1{path}", json=body if body is not None else {}, headers=headers
        )
        return status, json.loads(text)

    async def claim(self, code: str, name: str = NAME, password: str = PASSWORD) -> tuple[int, str, Any]:
        return await self.post("/claim", "/claim", code=code, name=name, password=password, again=password)

    async def sign_in(self, name: str = NAME, password: str = PASSWORD) -> tuple[int, str, Any]:
        return await self.post("/signin", "/signin", name=name, password=password)
