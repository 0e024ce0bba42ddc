"""Decisions of people about senders in quarantine: adopt, ignore, block; and evidence about suspect devices.

It serves the calls of `ilot quarantine` and of the page. A decision is durable and audited before it takes effect.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from hub.core.actor import asker
from hub.core.errors import ConfigError, HubError, StorageError
from hub.core.security_events import ADMISSION, Events
from hub.core.text import Phrase, phrase, reason_of
from hub.devices.registry import Devices
from hub.onboarding.adoption import decision_table
from hub.onboarding.adoption.audited_store import AuditedStore
from hub.onboarding.adoption.engine import ADDED, Adoption
from hub.pipeline.admission.decisions import BLOCK, CONFIGURATION, IGNORE, Decision, Decisions, Filter
from hub.pipeline.admission.guard import Guard
from hub.pipeline.admission.quarantine import Quarantine, QuarantineEntry
from hub.pipeline.holding_queue import HoldingQueue
from hub.pipeline.pipeline import Pipeline
from hub.protocol.device_labels.device_request import DeviceRequest

Call = Callable[[dict[str, Any]], Awaitable[Any]]

WHY_LIMIT = 200
PERIMETERS = "perimeters"
_log = logging.getLogger("hub.admission")


class DecisionError(ConfigError):
    """A decision that makes no sense; the text says what to do."""


class SenderChecks(NamedTuple):
    """What judges senders of frames: who waits, who was decided about, who looks like a clone, and the security events
    that come of it."""

    quarantine: Quarantine
    decisions: Decisions
    guard: Guard
    events: Events


class QuarantineService:
    """Service of one hub. `paths`: the perimeters that the configuration declares, as `{integration, perimeter…}`."""

    def __init__(
        self,
        *,
        checks: SenderChecks,
        adoption: Adoption,
        holding: HoldingQueue,
        pipeline: Pipeline,
        devices: Devices,
        audited: AuditedStore,
        paths: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._quarantine, self._decisions, self._guard, self._events = checks
        self._adoption, self._holding, self._pipeline, self._devices = adoption, holding, pipeline, devices
        self._store, self._clock, self._changed = audited
        self._paths = paths
        adoption.blocked = self._blocked_by

    async def declare(self, paths: Sequence[Mapping[str, Any]]) -> None:
        """Apply the perimeters of the configuration."""
        self._paths = paths
        await self.run()

    async def run(self) -> None:
        """Write into the audit chain who declared which perimeter, and when, at each change."""
        declared = {str(one["integration"]): dict(one) for one in self._paths if "kind" in one}
        try:
            body = await self._store.get(PERIMETERS)
            former: dict[str, dict[str, Any]] = msgspec.json.decode(body) if body else {}
            for name in sorted(former.keys() | declared.keys()):
                if former.get(name) != declared.get(name):
                    what = {"perimeter": name, "declared": declared.get(name, False)}
                    former.pop(name, None)
                    if name in declared:
                        former[name] = declared[name]
                    said = {PERIMETERS: msgspec.json.encode(former)}
                    await self._store.audit(self._clock.now(), CONFIGURATION, what, said)
        except StorageError as error:
            _log.warning(
                phrase(
                    "perimeters-not-audited",
                    "declared perimeters cannot be written into the audit log: {reason}",
                    reason=reason_of(error),
                )
            )

    def status(self) -> dict[str, Any]:
        return {
            "waiting": sum(not one.known for one in self._quarantine), "evicted": self._quarantine.evicted,
            "ignored": self._number(IGNORE), "blocked": self._number(BLOCK), "suspects": len(self._guard.suspects()),
            "held": self._holding.status(), "events": dict(self._events.counts),
        }  # fmt: skip

    def complaints(self) -> list[str]:
        said: list[str] = []
        if suspects := len(self._guard.suspects()):
            said.append(
                phrase(
                    "devices-look-cloned",
                    "{count} [device looks|devices look] cloned: `ilot quarantine list` shows which and why",
                    count=suspects,
                )
            )
        for device in self._devices:
            found = self._decisions.blocked(device.id, device.integration, device.model)
            if found is not None:
                said.append(
                    phrase(
                        "known-device-blocked",
                        "device {device} is known and blocked ({filter}): nothing of it is taken",
                        device=device.id,
                        filter=found.filter.parts(),
                    )
                )
        return said

    def calls(self) -> dict[str, Call]:
        return {
            "quarantine.list": self._list, "quarantine.adopt": self._adopt, "quarantine.ignore": self._ignore,
            "quarantine.block": self._block, "quarantine.unblock": self._unblock, "quarantine.clear": self._clear,
        }  # fmt: skip

    def waiting(self, chosen: Filter) -> list[QuarantineEntry]:
        """Return the waiting senders that match a filter, the one silent longest first."""
        return [one for one in self._quarantine if not one.known and chosen.fits(one.id, one.integration, one.model)]

    async def release(self, devices: Sequence[str]) -> int:
        """Release held reports of devices that are adopted now; return how many readings."""
        return await self._holding.release([device for device in devices if self._holding.of(device)])

    # calls

    async def _list(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer with {waiting, retired, decisions, suspects, paths}. `waiting` has evidence, and how many reports are
        held of each; `retired`: devices that were replaced here and still speak."""
        counts = self._decisions.counts
        return {
            "waiting": [self._as_dict(one) for one in self._quarantine],
            "retired": [self._as_dict(one) for one in self._quarantine.retired()],
            "evicted": self._quarantine.evicted,
            "decisions": [
                {"kind": one.kind, **msgspec.to_builtins(one.filter), "at": one.at, "by": one.by, "why": one.why,
                 "heard": counts.get(one.filter, 0)}
                for one in self._decisions
            ],
            "suspects": self._guard.suspects(),
            "paths": list(self._paths),
        }  # fmt: skip

    async def _adopt(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {device, place, zone, …: a request; dry_run, by} with {row, released}: see
        `hub.onboarding.adoption.engine.Row`."""
        try:
            request = msgspec.convert({**_request(arguments), "line": 0}, DeviceRequest)
        except msgspec.ValidationError as error:
            raise DecisionError(
                phrase(
                    "adoption-request-unreadable", "this is not a device to adopt: {reason}", reason=reason_of(error)
                )
            ) from None
        heard = next((one for one in self._quarantine if one.id == request.device and not one.known), None)
        self._not_blocked(request.device, heard)
        if heard is None and self._devices.get(request.device) is None:
            raise DecisionError(
                phrase(
                    "device-not-in-quarantine",
                    "{device!r} does not wait in quarantine; `ilot quarantine list` shows who does",
                    device=request.device,
                )
            )
        if heard is not None:
            request = msgspec.structs.replace(
                request, integration=request.integration or heard.integration, model=request.model or heard.model[:100]
            )
        dry_run, by = bool(arguments.get("dry_run")), asker(arguments)
        (row,) = await self._adoption.add([request], dry_run=dry_run, update=False, by=by)
        released = 0
        if row.state == ADDED and not dry_run:
            self._events.tell(ADMISSION, row.device, {"what": "adopt", "by": by})
            released = await self.release([row.device])
        return {"row": msgspec.to_builtins(row), "held": self._holding.of(request.device), "released": released}

    async def _ignore(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {id, integration, model: patterns; why, by, dry_run} with {filter, waiting, devices, destroyed}."""
        return await self._decide(IGNORE, arguments)

    async def _block(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer like `_ignore`; a device of this hub is blocked only by its own id."""
        return await self._decide(BLOCK, arguments)

    async def _unblock(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {id, integration, model, by, dry_run} with {filter, kind}: it is listed again when it next reports."""
        what = filter_of(arguments)
        found = next((one for one in self._decisions if _same(one.filter, what)), None)
        if found is None:
            raise DecisionError(
                phrase(
                    "no-decision-about",
                    "nothing was decided about {filter}; `ilot quarantine list` shows the decisions",
                    filter=what.parts(),
                )
            )
        if found.by == CONFIGURATION:
            raise DecisionError(
                phrase(
                    "filter-in-configuration",
                    "{filter} stands in the configuration, under admission: remove it there",
                    filter=what.parts(),
                )
            )
        if not arguments.get("dry_run"):
            await decision_table.delete_decision(self._store, found.filter, self._clock.now(), asker(arguments))
            self._changed()
            self._decisions.drop(found.filter)
            self._again(found.filter)
            self._events.tell(ADMISSION, str(what), {"what": "unblock", "by": asker(arguments)})
        return {"filter": str(what), "kind": found.kind}

    async def _clear(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {device, by, why} with {device, suspect}: a person has looked at the evidence about a device of this
        hub."""
        device = str(arguments.get("device", ""))
        suspect = self._guard.suspects().get(device, "")
        known = any(one.id == device and one.known for one in self._quarantine)
        if not suspect and not known:
            raise DecisionError(
                phrase(
                    "no-evidence-against",
                    "there is no evidence against {device!r}; `ilot quarantine list` shows what there is",
                    device=device,
                )
            )
        if not arguments.get("dry_run"):
            what = {"quarantine": "clear", "device": device, "suspect": suspect, "why": _why(arguments)}
            await self._store.audit(self._clock.now(), asker(arguments), what)
            self._guard.clear(device)
            self._quarantine.clear(device)
            self._pipeline.recompile(device)
        return {"device": device, "suspect": suspect}

    async def _decide(self, kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
        what = filter_of(arguments)
        if what.everybody:
            raise DecisionError(phrase("filter-of-everybody", "that fits everybody: name an id or a model"))
        own = [one.id for one in self._devices if what.fits(one.id, one.integration, one.model)]
        if own and not (what.one and kind == BLOCK):
            raise DecisionError(
                phrase(
                    "filter-fits-own-devices",
                    "{filter} fits {count} [device|devices] of this hub, {device} among them: `ilot device remove` "
                    "ends an adoption, and `ilot quarantine block ID` keeps one out",
                    filter=what.parts(),
                    count=len(own),
                    device=own[0],
                )
            )
        heard = [one.id for one in self.waiting(what)]
        destroyed = 0
        if not arguments.get("dry_run"):
            decision = Decision(kind=kind, filter=what, at=self._clock.now(), by=asker(arguments), why=_why(arguments))
            self._room(decision)
            await decision_table.store_decision(self._store, decision)
            self._changed()
            self._decisions.put(decision)
            self._again(what)
            for device in heard:
                self._quarantine.release(device)
                destroyed += await self._holding.destroy(device)
            self._events.tell(ADMISSION, str(what), {"what": kind, "by": decision.by})
            _log.info(
                phrase(
                    "quarantine-decision-made",
                    "somebody decided about senders in quarantine; the audit log has who and what",
                )
            )
        return {"filter": str(what), "kind": kind, "waiting": heard, "devices": own, "destroyed": destroyed}

    def _room(self, decision: Decision) -> None:
        try:
            Decisions([], [one for one in self._decisions if one.by != CONFIGURATION]).put(decision)
        except OverflowError as error:
            raise DecisionError(
                phrase(
                    "filter-with-wildcards", "{reason}; a filter with wildcards covers many", reason=reason_of(error)
                )
            ) from None

    def _not_blocked(self, device: str, heard: QuarantineEntry | None) -> None:
        integration, model = (heard.integration, heard.model) if heard is not None else ("", "")
        found = self._decisions.about(device, integration, model)
        if found is not None:
            filter_ = found.filter.parts()
            if found.kind == BLOCK:
                raise DecisionError(
                    phrase(
                        "sender-is-blocked",
                        "{device} is blocked ({filter}): `ilot quarantine unblock` comes first",
                        device=device,
                        filter=filter_,
                    )
                )
            raise DecisionError(
                phrase(
                    "sender-is-ignored",
                    "{device} is ignored ({filter}): `ilot quarantine unblock` comes first",
                    device=device,
                    filter=filter_,
                )
            )

    def _blocked_by(self, device: str, integration: str, model: str) -> str:
        found = self._decisions.blocked(device, integration, model)
        return str(found.filter) if found is not None else ""

    def _again(self, what: Filter) -> None:
        """Re-evaluate the devices that a decision may match."""
        self._pipeline.recompile(what.id if what.one and self._devices.get(what.id) is not None else None)

    def _as_dict(self, one: QuarantineEntry) -> dict[str, Any]:
        return {
            **msgspec.to_builtins(one, builtin_types=(Phrase,)),
            "held": 0 if one.known else self._holding.of(one.id),
        }

    def _number(self, kind: str) -> int:
        return sum(one.kind == kind for one in self._decisions)


def filter_of(arguments: Mapping[str, Any]) -> Filter:
    """Parse a filter. Raises HubError."""
    said = {name: str(arguments.get(name) or "*").strip() for name in ("id", "integration", "model")}
    if any(len(text) > 160 or not text.isprintable() for text in said.values()):
        raise HubError(phrase("filter-too-long", "a pattern is at most 160 printable characters"))
    return Filter(**said)


def _same(one: Filter, other: Filter) -> bool:
    return one == other or (one.one and other.one and one.id.lower() == other.id.lower())


def _request(arguments: Mapping[str, Any]) -> dict[str, Any]:
    names = set(DeviceRequest.__struct_fields__) - {"line", "label"}
    return {name: arguments[name] for name in names if arguments.get(name)}


def _why(arguments: Mapping[str, Any]) -> str:
    return str(arguments.get("why") or "")[:WHY_LIMIT]
