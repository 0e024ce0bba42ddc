"""Calls about the concentrator of this machine: look at it, and set it up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from hub.config.load import Loaded
from hub.core.actor import asker
from hub.core.errors import HubError
from hub.core.text import phrase
from hub.operations.concentrator import plan as plans
from hub.operations.concentrator import store, watch
from hub.operations.concentrator.detect import Found
from hub.operations.concentrator.models import MODELS

Call = Callable[[dict[str, Any]], Awaitable[Any]]
_CERTIFICATE = 64 * 1024


class Concentrator:
    """The calls `concentrator` and `concentrator.setup`. `radio` and `apply` are the calls of these names; `audit`
    records who did what."""

    def __init__(
        self,
        machine: watch.Machine,
        loaded: Callable[[], Loaded],
        *,
        radio: Call,
        apply: Call,
        audit: Callable[[str, Mapping[str, object]], Awaitable[None]],
    ) -> None:
        self._machine, self._loaded = machine, loaded
        self._radio, self._apply, self._audit = radio, apply, audit

    def calls(self) -> dict[str, Call]:
        return {"concentrator": self._look, "concentrator.setup": self._setup}

    async def _look(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {} with {found, plan, verdicts, models, proposed}: see `hub.operations.concentrator.watch`."""
        loaded, gateways = self._loaded(), (await self._radio({}))["gateways"]
        return await asyncio.to_thread(_seen, self._machine, loaded, gateways)

    async def _setup(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {model, eui, device?, reset?, power?, region?, where?, antenna_gain?, by, dry_run?} with the plan and
        `state`, the result of the change of the configuration. The gateway is listed first, then the forwarder is
        started. Raises plan.Refused, and as `config.apply`."""
        choice = read_choice(arguments)
        loaded = self._loaded()
        made = plans.make(choice, await asyncio.to_thread(endpoint, loaded))
        answer = made.shown()
        if arguments.get("dry_run"):
            return {**answer, "state": "planned"}
        by = asker(arguments)
        changed: dict[str, Any] = {"state": "same"}
        if made.edits:
            asked: dict[str, Any] = {name: arguments[name] for name in ("by", "origin") if name in arguments}
            changed = await self._apply(
                {
                    **asked,
                    "edits": made.edits,
                    "base": loaded.digest,
                    "reason": f"concentrator {made.eui}",
                    "anyway": True,
                }
            )
        await self._audit(by, {"concentrator": made.model.key, "eui": made.eui})
        if changed["state"] != "taken-back":
            await asyncio.to_thread(store.write, made.document, self._machine.plan)
        return {**answer, "state": changed["state"], "why": changed.get("why", "")}


def read_choice(arguments: Mapping[str, Any]) -> plans.Choice:
    """Read the choice in the arguments of a call or the fields of a form. Raises plan.Refused."""

    def number(name: str) -> int | None:
        said = str(arguments.get(name) if arguments.get(name) is not None else "").strip()
        if not said:
            return None
        if not (said.isascii() and said.isdigit() and len(said) < 4):
            raise plans.Refused(phrase("radio-pin-malformed", "{text} is no number of a GPIO line", text=said[:20]))
        return int(said)

    said = str(arguments.get("antenna_gain") if arguments.get("antenna_gain") is not None else "").replace(",", ".")
    try:
        gain = float(said or "0")
    except ValueError:
        gain = float("nan")
    if not -10 <= gain <= 20:
        raise plans.Refused(
            phrase("radio-gain-malformed", "{text} is no antenna gain from -10 to 20 dB", text=said[:20])
        )
    return plans.Choice(
        model=str(arguments.get("model") or ""),
        eui=str(arguments.get("eui") or ""),
        device=str(arguments.get("device") or "").strip(),
        reset=number("reset"),
        power=number("power"),
        region=str(arguments.get("region") or "").strip(),
        where=str(arguments.get("where") or "FR").strip(),
        antenna_gain=gain if said else None,
    )


def endpoint(loaded: Loaded) -> plans.Endpoint:
    """Return the LNS endpoint of a configuration. Reads its certificate."""
    options = {one.name: one.config for one in loaded.integrations if one.type == plans.TYPE}
    station = next((one.station for one in options.values()), None)
    return plans.endpoint_of(
        options, _names(station.certificate) if station is not None and station.certificate else ()
    )


def _names(certificate: str) -> tuple[str, ...]:
    """Return the DNS names of a certificate, () where it cannot be read or has none."""
    from cryptography import x509  # imported late: most hubs have no such certificate

    try:
        with Path(certificate).open("rb") as file:
            first = x509.load_pem_x509_certificate(file.read(_CERTIFICATE))
        names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return tuple(names.get_values_for_type(x509.DNSName))
    except (OSError, ValueError, x509.ExtensionNotFound):
        return ()


def proposal(found: Found) -> dict[str, Any]:
    """Return what a form begins with: the likeliest model, its device, and the EUI of each network card."""
    certain = found.certain()
    euis = [{"from": name, "eui": plans.eui_of_mac(address)} for name, address in found.cards.items()]
    return {
        "model": certain.key if certain else "",
        "possible": [one.key for one in found.models()],
        "device": found.device_of(certain) if certain else "",
        "euis": sorted(euis, key=lambda one: not one["from"].startswith("e")),
        "where": ["FR", *plans.OVERSEAS],
    }


def _seen(machine: watch.Machine, loaded: Loaded, gateways: list[dict[str, Any]]) -> dict[str, Any]:
    found = machine.look()
    try:
        plan = machine.read_plan()
    except HubError:
        plan = None  # the verdicts say so
    here = endpoint(loaded)
    return {
        "found": found.row(),
        "plan": plan and _plan_row(plan, here),
        "verdicts": [one._asdict() for one in watch.judge(machine, heard_of(plan, here, gateways, silence(loaded)))],
        "models": [one.row() for one in MODELS.values()],
        "proposed": proposal(found),
    }


def _plan_row(plan: dict[str, Any], here: plans.Endpoint) -> dict[str, Any]:
    """Return the plan without its files: they hold the token. `reset` and `power` where they are not the model's."""
    model = MODELS.get(plan["model"])
    others = {
        name: pin
        for name, usual in (("reset", model and model.reset), ("power", model and model.power))
        if (pin := plan["lines"].get(name)) != usual
    }
    return {
        **{name: plan[name] for name in ("model", "eui", "device", "lines")},
        **others,
        "antenna_gain": here.gateways.get(plan["eui"], 0.0),
    }


def silence(loaded: Loaded) -> float:
    """Return after how many seconds the network server calls a gateway silent."""
    for one in loaded.integrations:
        if one.type == plans.TYPE:
            return float(one.config.silence.total_seconds())
    return 300.0


def heard_of(
    plan: dict[str, Any] | None, here: plans.Endpoint, gateways: list[dict[str, Any]], silence_s: float
) -> watch.Heard:
    """Return what the hub hears of the plan's gateway, from the answer of the call `radio`."""
    eui = plan["eui"] if plan else ""
    mine = next((one for one in gateways if one["id"] == eui), None)
    spent = tuple(band for band, duty in (mine or {}).get("duty", {}).items() if duty["left_s"] <= 0)
    return watch.Heard(
        listed=eui in here.gateways,
        quiet_s=mine["last_heard_s"] if mine else None,
        duty_spent=spent,
        known=mine is not None,
        silence_s=silence_s,
        displaced=mine.get("displaced", 0) if mine else 0,
    )
