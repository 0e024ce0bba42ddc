"""Processing of data frames: finds the device, rejects replays, decrypts, reports and answers. Sans-I/O.

Nothing of a frame is trusted before its MIC fits a session. Several devices may share a DevAddr: each is tried.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from hub.sdk.phrases import phrase
from integrations.lorawan import adr, commands, joining
from integrations.lorawan.answering import Answering
from integrations.lorawan.counters import LOW, Ring, Verdict
from integrations.lorawan.device import Radio, Session
from integrations.lorawan.entry import MOST_REPEATS, Entry, Reply
from integrations.lorawan.mac import Link, Negotiation
from integrations.lorawan.parts import Audit, Count, Decision, Joined, Reception, Uplink, digest
from integrations.lorawan.phy import Data
from integrations.lorawan.region import FASTEST_ADR, RATES
from integrations.lorawan.roster import Roster

REJOINED = phrase("lorawan.rejoined-as-authorised", "rejoined on a person's word")

AFTER_RX2_S = 2.0
"""Seconds for which a class C device is sent nothing, until its class A windows after an uplink are over."""


class Plan(NamedTuple):
    """Network-wide settings for OTAA devices.

    RX1 5 s after an uplink, as in large networks: a stalled SD card or a gateway behind a mobile link is then still in
    time, and it costs the device nothing. ABP devices keep their factory settings: they lose any others whenever they
    restart.

    `status_s`: interval at which a device is asked for its battery level, 0 never. `margin`: dB to spare that ADR
    leaves."""

    net_id: int = 0
    radio: Radio = Radio(rx_delay=5)
    status_s: float = 86_400.0
    margin: float = adr.MARGIN


class Uplinks:
    """Processes data frames once all copies have arrived."""

    def __init__(self, roster: Roster, answering: Answering, plan: Plan) -> None:
        self._roster = roster
        self._answering = answering
        self._plan = plan

    def take(self, frame: Data, copies: tuple[Reception, ...], now: float) -> list[Decision]:
        """Process an uplink with its receptions, best first."""
        owners = self._roster.at(frame.dev_addr)
        if not owners:
            return [Count("unknown-devaddr", gateway=copies[0].gateway)]
        for entry, ring in owners:
            verdict, fcnt = ring.judge(frame)
            if verdict is Verdict.FRESH:
                return self._fresh(entry, ring, frame, fcnt, copies, now)
            if verdict is Verdict.REPEAT:
                return self._repeat(entry, ring, frame, fcnt, copies, now)
            if verdict is not Verdict.BAD_MIC:
                return [Count(verdict.value, entry.device.dev_eui, stale=_stale(ring, frame, fcnt))]
        owner = owners[0][0].device.dev_eui if len({id(entry) for entry, _ in owners}) == 1 else None
        return [Count(Verdict.BAD_MIC.value, owner, copies[0].gateway)]

    def _repeat(
        self, entry: Entry, ring: Ring, frame: Data, fcnt: int, copies: tuple[Reception, ...], now: float
    ) -> list[Decision]:
        """Process a repetition of the last frame. Its report is offered again only where it may not have reached the
        disk; a confirmed one is answered in any case."""
        counted: list[Decision] = [Count(Verdict.REPEAT.value, entry.device.dev_eui, stale=_stale(ring, frame, fcnt))]
        entry.repeats += 1
        if ring.session is not entry.memory.current or entry.repeats > MOST_REPEATS:
            return counted
        reply = None
        if frame.confirmed:
            entry.last = copies
            reply = Reply(entry, ring.session, copies, ack=True)
            if entry.ticket and self._answering.again(entry, reply):
                return counted
        report, entry.unkept = entry.unkept, None
        if report is not None:
            report = replace(report, receptions=copies)
        elif entry.restored:
            report = replace(_report(entry, ring, frame, fcnt, copies, None), again=True)
        entry.restored = False
        if report is not None:
            return [*counted, *self._answering.keep(entry, now, report, reply, durable=frame.confirmed)]
        return [*counted, *self._answering.send(reply, now)] if reply is not None else counted

    def _fresh(
        self, entry: Entry, ring: Ring, frame: Data, fcnt: int, copies: tuple[Reception, ...], now: float
    ) -> list[Decision]:
        told: list[Decision] = []
        if ring.session is not entry.memory.current:
            told += self._proven(entry, ring.session)
        session, best = ring.session, copies[0]
        session.fcnt_up = fcnt
        entry.last, entry.repeats, entry.unkept, entry.restored = copies, 0, None, False
        entry.quiet = best.at + session.radio.rx_delay + AFTER_RX2_S
        clear = ring.open(frame, fcnt)
        mac = entry.mac or Negotiation(session.radio)
        battery, slugs = self._commands(mac, frame, clear, copies)
        session.radio = mac.radio
        told += [Count(slug, entry.device.dev_eui) for slug in slugs]
        told += entry.queue.uplink(ack=frame.ack)
        self._ask(entry, mac, frame, fcnt, best, now)
        report = _report(entry, ring, frame, fcnt, copies, battery)
        reply = None
        must = mac.must_answer or frame.adr_ack_req
        if frame.confirmed or must or mac.waiting or entry.queue.next() is not None:
            reply = Reply(entry, session, copies, ack=frame.confirmed, must=must)
        return [*told, *self._answering.keep(entry, now, report, reply, durable=frame.confirmed)]

    def _proven(self, entry: Entry, session: Session) -> list[Decision]:
        word = joining.prove(entry.memory, session)
        self._roster.refresh(entry)
        told: list[Decision] = [Joined(entry.device.dev_eui, session.dev_addr, True)]
        if word:
            told.append(Audit(entry.device.dev_eui, REJOINED, word))
        return told

    def _commands(
        self, mac: Negotiation, frame: Data, clear: bytes, copies: tuple[Reception, ...]
    ) -> tuple[float | None, list[str]]:
        """Process its MAC commands. Returns the battery level in %, if reported, and slugs to count."""
        row, slug = commands.parse(clear if frame.fport == 0 else frame.fopts, uplink=True)
        best = copies[0]
        slugs = mac.heard(row, Link(best.snr - RATES[best.rate].snr, len(copies), best.time))
        if slug:
            slugs.append(slug)
        status = next((c for c in row if isinstance(c, commands.DevStatusAns)), None)
        if status is None or not 1 <= status.battery <= 254:  # 0: external supply, 255: not known
            return None, slugs
        return round((status.battery - 1) / 253 * 100, 1), slugs

    def _ask(self, entry: Entry, mac: Negotiation, frame: Data, fcnt: int, best: Reception, now: float) -> None:
        """Choose the requests for this device."""
        if entry.device.abp is None:
            mac.want(self._plan.radio)
        if self._plan.status_s and (entry.status_at is None or now - entry.status_at >= self._plan.status_s):
            entry.status_at = now
            mac.want_status()
        entry.history.append(adr.Heard(fcnt, best.snr, mac.radio.power))
        if not (frame.adr and entry.device.adr) or best.rate > FASTEST_ADR:
            return
        setting = adr.Setting(best.rate, mac.radio.power, mac.radio.nb_trans)
        fastest, weakest = mac.limits
        limits = adr.Limits(min(fastest, entry.device.fastest), weakest)
        wanted = adr.decide(entry.history, setting, limits, self._plan.margin)
        if wanted != setting:
            mac.want_adr(wanted)


def _stale(ring: Ring, frame: Data, fcnt: int) -> tuple[int, int] | None:
    """Return counter and digest of a frame that is not new; None for a low counter, as after a restart of the
    device."""
    if fcnt < LOW:
        return None
    clear = b"" if frame.fport == 0 else ring.open(frame, fcnt)
    return ring.session.number << 32 | fcnt, digest(frame.fport, clear)


def _report(
    entry: Entry, ring: Ring, frame: Data, fcnt: int, copies: tuple[Reception, ...], battery: float | None
) -> Uplink:
    return Uplink(
        dev_eui=entry.device.dev_eui,
        counter=ring.session.number << 32 | fcnt,
        fcnt=fcnt,
        port=frame.fport,
        payload=b"" if frame.fport == 0 else ring.open(frame, fcnt),
        confirmed=frame.confirmed,
        otaa=entry.device.abp is None,
        receptions=copies,
        battery=battery,
    )
