"""Sends one message to one number, by modem or by gateway."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import hub
from hub.sdk import serial_line
from hub.sdk.notification import Notification, Notifications
from hub.sdk.phrases import phrase, reason_of
from plugins.sms.alphabet import plain
from plugins.sms.modem import Modem, Refused
from plugins.sms.pdu import submits

if TYPE_CHECKING:
    from plugins.sms import Config

AGAIN = (408, 425, 429)


def text_of(config: Config, notice: Notification) -> str:
    """Return the text in the alphabet of short messages, for a gateway as well: one that has to change to UCS2 bills
    two or three messages."""
    return plain(notice.sentence(config.language))


async def by_modem(config: Config, notice: Notification, number: str, notices: Notifications) -> None:
    """Sign on for each message, since modems reset themselves and alerts are rare. A permanent refusal by the network
    is logged and not tried again. Raises NotReady, AuthFailed."""
    assert config.modem is not None  # noqa: S101 - `run` chose it
    pdus = submits(number, text_of(config, notice), zlib.crc32(notice.key.encode()))
    async with serial_line.open_serial_line(
        config.modem.port, baudrate=config.modem.baudrate, holder=notices.name
    ) as line:
        modem = Modem(line)
        await modem.sign_on(config.modem.pin.get_secret_value())
        try:
            for pdu in pdus:
                await modem.submit(pdu)
        except Refused as error:
            notices.log.error(
                phrase(
                    "sms.refused-for-good",
                    "the network refuses a message for good ({reason}): look at the numbers of `to`",
                    reason=reason_of(error),
                )
            )


async def by_gateway(config: Config, notice: Notification, number: str, notices: Notifications) -> None:
    """Send through the gateway. Raises NotReady, AuthFailed."""
    assert config.gateway is not None  # noqa: S101 - `run` chose it
    gateway = config.gateway
    words = {"{to}": number, "{text}": text_of(config, notice), "{key}": notice.key}
    fields = {name: _filled(value, words) for name, value in gateway.fields.items()}
    kind = "application/json" if gateway.format == "json" else "application/x-www-form-urlencoded"
    headers = {"Content-Type": kind, "Idempotency-Key": f"{notice.key}-{number}"}
    headers |= {name: value.get_secret_value() for name, value in gateway.headers.items()}
    data = json.dumps(fields, ensure_ascii=False) if gateway.format == "json" else urlencode(fields)
    reply = await notices.http.request(
        "POST", str(gateway.url), headers=headers, body=data.encode(), timeout=gateway.timeout
    )
    host = gateway.url.host
    if reply.status in (401, 402, 403):
        raise hub.AuthFailed(
            phrase(
                "sms.gateway-refuses",
                "{host} refuses ({status}): renew {option}, or its credit",
                host=host,
                status=reply.status,
                option=f"notifiers.{notices.name}.gateway",
            )
        )
    if reply.status in AGAIN or reply.status >= 500:
        raise hub.NotReady(phrase("sms.gateway-answers", "{host} answers {status}", host=host, status=reply.status))
    if not 200 <= reply.status < 300:
        notices.log.error(
            phrase(
                "sms.message-given-up",
                "{host} answers {status}: the message is given up; look at `fields` and `to`",
                host=host,
                status=reply.status,
            )
        )


def _filled(template: str, words: dict[str, str]) -> str:
    """Replace each placeholder in one pass: inserted text is not scanned again."""
    made, at = "", 0
    while at < len(template):
        word = next((one for one in words if template.startswith(one, at)), None)
        made += words[word] if word else template[at]
        at += len(word) if word else 1
    return made
