"""Client of ModemManager: the state of a modem and its SIM, and its PIN.

A SIM takes three wrong PINs and then asks for its PUK. A PIN that this SIM refused is never sent again, and none is
sent when one try is left: what was sent is written down before it is sent.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from hub.core.errors import HubError
from hub.core.text import phrase
from hub.operations.network.bus import Bus, Refused
from hub.operations.network.own_facts import MOST_PINS, OwnFacts

SERVICE = "org.freedesktop.ModemManager1"
ROOT = "/org/freedesktop/ModemManager1"
MODEM, GPP, SIM = f"{SERVICE}.Modem", f"{SERVICE}.Modem.Modem3gpp", f"{SERVICE}.Sim"
OBJECTS = "org.freedesktop.DBus.ObjectManager"

FREE, SIM_PIN, SIM_PUK = 1, 2, 4
"""MMModemLock: none; the SIM asks for its PIN; for its PUK."""
LOCKS = {SIM_PIN: "pin", SIM_PUK: "puk"}
STATES = {
    -1: "failed", 1: "starting", 2: "locked", 3: "off", 4: "off", 5: "starting", 6: "on", 7: "searching",
    8: "registered", 9: "registered", 10: "connecting", 11: "connected",
}  # fmt: skip
"""MMModemState in words of the pages."""
MOST_MODEMS = 4


class Modem(NamedTuple):
    """A modem. `tries`: PINs that its SIM still takes, None where it does not say."""

    sim: str
    lock: int
    tries: int | None
    facts: dict[str, Any]


async def modems(bus: Bus) -> list[Modem]:
    """Return the modems that ModemManager knows."""
    (objects,) = await bus.call(SERVICE, ROOT, OBJECTS, "GetManagedObjects")
    found = [(path, interfaces) for path, interfaces in objects.items() if MODEM in interfaces]
    return [await _modem(bus, interfaces) for _, interfaces in found[:MOST_MODEMS]]


async def _modem(bus: Bus, interfaces: dict[str, Any]) -> Modem:
    facts, gpp = interfaces[MODEM], interfaces.get(GPP, {})
    sim = str(facts.get("Sim", "/"))
    card = await bus.properties(SERVICE, sim, SIM) if sim != "/" else {}
    lock = int(facts.get("UnlockRequired", 0))
    tries = facts.get("UnlockRetries", {}).get(SIM_PIN)
    signal = facts.get("SignalQuality") or [None]
    shown = {
        "interface": str(facts.get("PrimaryPort", "")), "model": str(facts.get("Model", ""))[:64],
        "state": STATES.get(int(facts.get("State", 0)), "unknown"),
        "lock": LOCKS.get(lock, "other" if lock > FREE else ""),
        "tries": tries, "operator": str(gpp.get("OperatorName", ""))[:64], "signal": signal[0],
        "has_sim": sim != "/", "sim": str(card.get("SimIdentifier", "")),
    }  # fmt: skip
    return Modem(sim, lock, None if tries is None else int(tries), shown)


async def unlock(bus: Bus, modem: Modem, pin: str, own: OwnFacts) -> None:
    """Give a SIM its PIN. Raises HubError when that must not be tried, or the SIM refuses."""
    refuse_locked(modem)
    if modem.lock != SIM_PIN:
        raise HubError(
            phrase(
                "network-pin-not-asked",
                "the SIM does not ask for a PIN now, so this one cannot be tried: leave it empty",
            )
        )
    if modem.tries is not None and modem.tries <= 1:
        raise HubError(
            phrase(
                "network-pin-last-try",
                "the SIM takes one more PIN, then asks for its PUK: put it into a phone and unlock it there",
            )
        )
    mark = _mark(own, modem, pin)
    if mark in own.facts.refused:
        raise HubError(
            phrase("network-pin-refused-before", "this SIM has refused this PIN before: it is not tried again")
        )
    own.facts.refused = [*own.facts.refused, mark][-MOST_PINS:]
    await own.save()  # before it is sent: a crash in between must not make it be sent twice
    try:
        await bus.call(SERVICE, modem.sim, SIM, "SendPin", "s", pin)
    except Refused as error:
        raise HubError(
            phrase(
                "network-pin-refused",
                "the SIM refuses this PIN; it is not tried again ({reason})",
                reason=error.name.rpartition(".")[2],
            )
        ) from error
    own.facts.refused.remove(mark)
    await own.save()


def refuse_locked(modem: Modem) -> None:
    """Raise HubError where only a person with the SIM in hand can help."""
    if not modem.facts["has_sim"]:
        raise HubError(
            phrase("network-no-sim", "no SIM is in the modem, or it is not read: take it out and insert it again")
        )
    if modem.lock == SIM_PUK:
        raise HubError(
            phrase(
                "network-sim-puk",
                "the SIM is locked and asks for its PUK, which its operator has: put it into a phone and unlock it "
                "there",
            )
        )
    if modem.lock > FREE and modem.lock != SIM_PIN:
        raise HubError(
            phrase("network-sim-other-lock", "the modem is locked to another operator (lock {lock})", lock=modem.lock)
        )


def _mark(own: OwnFacts, modem: Modem, pin: str) -> str:
    """Return the digest of a SIM and a PIN. It hides the PIN from a glance, not from who has the file."""
    sim = modem.facts["sim"] or modem.facts["interface"]
    return hashlib.blake2b(f"{sim}\0{pin}".encode(), key=own.facts.salt.encode()[:64], digest_size=16).hexdigest()
