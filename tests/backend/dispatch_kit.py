"""What the tests of dispatch share: alerts as hubs leave them in the backend's database, a plan, an ear for each
channel, a real SMTP server."""

from __future__ import annotations

import asyncio
import email
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP

from backend.city.city import City
from backend.city.dispatch import plan_file, plan_table
from backend.city.dispatch.channels.channel import Envelope, Outcome, Sent
from backend.city.dispatch.dispatcher import Dispatcher
from backend.city.dispatch.plan import Plan
from backend.storage.engine import Storage
from backend.storage.tables import AlertChange

PLAN = """
zone: Europe/Paris
calendar: france
services:
  waste: {name: Propreté}
  heat: {name: Chauffage}
  night: {name: Astreinte}
people:
  jeanne: {name: Jeanne, service: waste, account: jeanne, email: jeanne@ville.example}
  paul: {name: Paul, service: heat, account: paul, email: paul@ville.example, sms: "+33612345678"}
  nour: {name: Nour, service: night, language: en, email: nour@ville.example, sms: "+33612345679"}
rota:
  - {service: waste, people: [jeanne]}
  - {service: heat, people: [paul]}
  - {service: night, people: [nour]}
routes:
  - id: bins
    rules: ["bin-*"]
    service: waste
    crew: true
    chain: [{by: email}, {after: 15m, by: email sms, service: night}]
  - {id: heat, rules: ["loop*"], service: heat, chain: [{by: email}, {after: 10m, by: sms}]}
  - {id: rest, service: night, chain: [{by: email}]}
"""
NOW = 1_800_000_000.0


class Clock:
    """Unix seconds that the test moves; also as a monotonic clock."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Ear:
    """A channel that keeps what it is given, and answers as it is told to."""

    def __init__(self) -> None:
        self.heard: list[Envelope] = []
        self.answers: dict[str, Outcome] = {}

    async def send(self, message: Envelope) -> Outcome:
        answer = self.answers.get(message.address, Sent("ref"))
        if isinstance(answer, Sent):
            self.heard.append(message)
        return answer

    def told(self, *, alarms: bool = False) -> list[tuple[str, str]]:
        """Return (what, address) of what was heard of alerts, or of alarms, in order."""
        return [(one.facts.what, one.address) for one in self.heard if one.facts.alert.startswith("alarm:") is alarms]


def change(alert: str = "a1", n: int = 1, state: str = "raised", **more: Any) -> AlertChange:
    at = more.pop("at", NOW)
    given = {
        "hub": "h1", "rule": "bin-full", "key": "b7", "severity": "warning", "by": "rule:bin-full", "why": "",
        "value": "100 %", "text": "bin 7 is full", "text_fr": "bac 7 plein", "device": "lorawan:b7", "place": "b7",
        "site": "square", "zone": "north", "integration": "lorawan", "raised_at": at, "changed_at": at,
        "received_at": at, **more,
    }  # fmt: skip
    return AlertChange(alert=alert, n=n, state=state, **given)


async def arrive(city: City, *changes: AlertChange) -> None:
    """Store changes as ingest does."""

    def work(storage: Storage) -> None:
        with storage.transaction():
            for one in changes:
                if storage.alerts.find(one.hub, one.alert) is None:
                    storage.alerts.add(one)
                else:
                    storage.alerts.replace(one, keep_request=one.state not in ("acknowledged", "cleared"))

    await city.storage.call(work)


async def plan(city: City, text: str = PLAN) -> Plan:
    """Let a plan count."""
    made = plan_file.read_yaml(text)
    await city.store.write(lambda t: plan_table.store(t, made, "test", city.clock()))
    return made


def dispatcher(city: City, ear: Ear | None = None, *, hold_s: float = 0.0, **more: Any) -> Dispatcher:
    """A dispatcher by the city's clock, whose channels are an ear."""
    ears = {} if ear is None else dict.fromkeys(("email", "sms", "webhook", "glpi", "open311"), ear)
    return Dispatcher(city, channels=ears, hold_s=hold_s, monotonic=more.pop("monotonic", city.clock), **more)


async def turns(one: Dispatcher, count: int = 3) -> None:
    """Let so many passes be done, each with all that it sends."""
    for _ in range(count):
        await one.turn(wait=True)


class Mailbox:
    """What a mail server accepted."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.arrived = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.refused: dict[str, str] = {}
        self.port = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        letter = email.message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(letter, EmailMessage)
        self.letters.append(letter)
        self.loop.call_soon_threadsafe(self.arrived.set)
        return "250 OK"

    def text(self, at: int = -1) -> str:
        return str(self.letters[at].get_content())


@asynccontextmanager
async def mail_server(starttls: ssl.SSLContext | None = None) -> AsyncIterator[Mailbox]:
    """Run an SMTP server on loopback; with `starttls` it takes nothing in clear."""
    box = Mailbox()
    options: dict[str, Any] = {"enable_SMTPUTF8": True, "loop": box.loop}
    if starttls is not None:
        options |= {"tls_context": starttls, "require_starttls": True}
    server = await box.loop.create_server(lambda: SMTP(box, **options), "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()
