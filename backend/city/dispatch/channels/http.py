"""Channels over HTTP: short messages through a gateway, signed webhooks, tickets of GLPI, reports by Open311.

An answer of 408, 425, 429 or 5xx, and none, is tried again; any other refusal is for good. A redirection is refused: it
would carry keys elsewhere.

A webhook is signed: `X-Ilot-Signature: t=UNIX,v1=HEX`, HMAC-SHA256 with the shared secret over the time, a point and
the body. `Idempotency-Key` is the message's id.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from backend.city.dispatch import wording
from backend.city.dispatch.channels.channel import Envelope, Later, Never, Outcome, Sent
from backend.city.dispatch.channels.settings import Glpi, Open311, Sms, Webhook
from hub.core.nesting import shallow_json
from hub.core.text import phrase

AGAIN = (408, 425, 429)
MOST_ANSWER = 64 << 10


class _Http:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(
        self, method: str, url: str, timeout: float, headers: Mapping[str, str], data: bytes | dict[str, str] | None
    ) -> tuple[int, bytes] | Later:
        """Return status and body of an answer."""
        try:
            async with self._session.request(
                method, url, headers=headers, data=data, allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout),
            ) as answer:  # fmt: skip
                return answer.status, await answer.content.read(MOST_ANSWER)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            host = urlsplit(url).hostname or ""
            return Later(
                phrase("dispatch-http-away", "{host} does not answer: {reason}", host=host, reason=type(error).__name__)
            )


def _judged(url: str, status: int, reference: str = "") -> Outcome:
    if 200 <= status < 300:
        return Sent(reference)
    said = phrase("dispatch-http-refused", "{host} answers {status}", host=urlsplit(url).hostname or "", status=status)
    return Later(said) if status in AGAIN or status >= 500 else Never(said)


class SmsChannel(_Http):
    """A gateway of short messages."""

    def __init__(self, settings: Sms, session: aiohttp.ClientSession) -> None:
        super().__init__(session)
        self._settings = settings

    async def send(self, message: Envelope) -> Outcome:
        one = self._settings
        text = wording.short(message.facts, message.language)
        words = {"{to}": message.address, "{text}": text, "{key}": message.id}
        fields = {name: _filled(value, words) for name, value in one.fields.items()}
        headers = {"Idempotency-Key": message.id, **one.headers}
        if not one.form:
            headers["Content-Type"] = "application/json"
        data: Any = fields if one.form else json.dumps(fields, ensure_ascii=False).encode()
        answer = await self.ask("POST", one.url, one.timeout, headers, data)
        return answer if isinstance(answer, Later) else _judged(one.url, answer[0])


def _filled(template: str, words: Mapping[str, str]) -> str:
    """Replace each placeholder in one pass: what is put in is not looked at again."""
    made, at = "", 0
    while at < len(template):
        word = next((one for one in words if template.startswith(one, at)), None)
        made += words[word] if word else template[at]
        at += len(word) if word else 1
    return made


class WebhookChannel(_Http):
    """Signed POSTs of JSON to a person's address."""

    def __init__(self, settings: Webhook, session: aiohttp.ClientSession) -> None:
        super().__init__(session)
        self._settings = settings

    async def send(self, message: Envelope) -> Outcome:
        told = {"id": message.id, "sentence": wording.subject(message.facts, message.language),
                **msgspec.structs.asdict(message.facts)}  # fmt: skip
        body = json.dumps(told, ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json", "Idempotency-Key": message.id,
            "X-Ilot-Signature": signature(self._settings.secret, body, int(time.time())),
        }  # fmt: skip
        answer = await self.ask("POST", message.address, self._settings.timeout, headers, body)
        return answer if isinstance(answer, Later) else _judged(message.address, answer[0])


def signature(secret: str, body: bytes, now: int) -> str:
    """Return the signature of a webhook."""
    mac = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256)
    return f"t={now},v1={mac.hexdigest()}"


class GlpiChannel(_Http):
    """Tickets of GLPI: one for each alert, and a follow-up for each later change."""

    def __init__(self, settings: Glpi, session: aiohttp.ClientSession) -> None:
        super().__init__(session)
        self._settings = settings

    async def send(self, message: Envelope) -> Outcome:
        one, url = self._settings, self._settings.url.rstrip("/")
        headers = {"App-Token": one.app_token, "Content-Type": "application/json"}
        begun = await self.ask(
            "GET", f"{url}/initSession", one.timeout, headers | {"Authorization": f"user_token {one.user_token}"}, None
        )
        if isinstance(begun, Later):
            return begun
        token = _field(begun[1], "session_token")
        if begun[0] != 200 or not token:
            return _judged(url, begun[0] if begun[0] != 200 else 502)
        headers["Session-Token"] = token
        try:
            return await self._ticket(message, url, headers)
        finally:
            await self.ask("GET", f"{url}/killSession", one.timeout, headers, None)

    async def _ticket(self, message: Envelope, url: str, headers: Mapping[str, str]) -> Outcome:
        facts = message.facts
        text = wording.body(facts, message.language, message.zone)
        if message.reference:
            made: dict[str, Any] = {"itemtype": "Ticket", "items_id": int(message.reference), "content": text}
            path = f"Ticket/{int(message.reference)}/ITILFollowup"
        else:
            urgency = {"critical": 5, "warning": 3}.get(facts.severity, 2)
            made = {"name": wording.subject(facts, message.language)[:250], "content": text, "urgency": urgency,
                    "externalid": message.id}  # fmt: skip
            if message.address.isdecimal():
                made["entities_id"] = int(message.address)
            path = "Ticket"
        data = json.dumps({"input": made}, ensure_ascii=False).encode()
        answer = await self.ask("POST", f"{url}/{path}", self._settings.timeout, headers, data)
        if isinstance(answer, Later):
            return answer
        return _judged(url, answer[0], message.reference or _field(answer[1], "id"))


class Open311Channel(_Http):
    """Reports to another system by Open311 GeoReport v2. The protocol has no later changes: only the first is sent."""

    def __init__(self, settings: Open311, session: aiohttp.ClientSession) -> None:
        super().__init__(session)
        self._settings = settings

    async def send(self, message: Envelope) -> Outcome:
        one, facts = self._settings, message.facts
        if facts.what != "raised":
            return Sent(message.reference)
        fields = {
            "api_key": one.api_key, "service_code": message.address,
            "address_string": " / ".join(x for x in (facts.site, facts.zone, facts.place) if x) or facts.hub,
            "description": wording.body(facts, message.language, message.zone), "device_id": message.id,
        } | ({"jurisdiction_id": one.jurisdiction} if one.jurisdiction else {})  # fmt: skip
        url = f"{one.url.rstrip('/')}/requests.json"
        answer = await self.ask("POST", url, one.timeout, {"Idempotency-Key": message.id}, fields)
        if isinstance(answer, Later):
            return answer
        return _judged(url, answer[0], _field(answer[1], "service_request_id"))


def _field(body: bytes, name: str) -> str:
    """Return a field of a JSON object, or of the first of a list of them."""
    try:
        said = json.loads(shallow_json(body))
    except ValueError:
        return ""
    said = said[0] if isinstance(said, list) and said else said
    return str(said.get(name, "")) if isinstance(said, dict) else ""
