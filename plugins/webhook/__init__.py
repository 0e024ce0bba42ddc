"""Alerts as JSON, posted to a configured address.

One POST for each change of an alert, `Content-Type: application/json`, with `Idempotency-Key`: the alert's id and the
number of its change. Any 2xx counts as received. Without an answer, and at 408, 425, 429 and 5xx, it is posted again at
growing intervals; at any other answer it is given up, and logged once.
"""

from __future__ import annotations

import json
from datetime import timedelta

from pydantic import Field, HttpUrl, SecretStr

import hub
from hub.sdk.notification import Notification, Notifications, RegisterNotifier
from hub.sdk.phrases import phrase

__all__ = ["Config", "register_notifiers", "run"]

AGAIN = (408, 425, 429)


class Config(hub.Config):
    """Where alerts are posted."""

    url: HttpUrl = Field(
        description="The address, https:// as a rule. That it stands here lets the hub call it.",
    )
    token: SecretStr | None = Field(
        default=None,
        description="Sent as `Authorization: Bearer`, always by way of `!secret`.",
    )
    timeout: timedelta = Field(
        default=timedelta(seconds=10),
        ge=timedelta(seconds=1),
        le=timedelta(minutes=1),
        description="How long one answer may take.",
    )


async def run(config: Config, notices: Notifications) -> None:
    """Post until cancelled. Raises NotReady when there is no answer, AuthFailed when the token is refused."""
    refused = False
    async for notice in notices:
        status = await _post(config, notice, notices)
        if status in (401, 403):
            raise hub.AuthFailed(
                phrase(
                    "webhook.token-refused",
                    "{host} refuses the token ({status}): renew `{option}`",
                    host=config.url.host,
                    status=status,
                    option=f"notifiers.{notices.name}.token",
                )
            )
        if status in AGAIN or status >= 500:
            raise hub.NotReady(
                phrase("webhook.address-answers", "{host} answers {status}", host=config.url.host, status=status)
            )
        if not 200 <= status < 300:
            if not refused:
                notices.log.error(
                    phrase(
                        "webhook.alerts-not-taken",
                        "{host} answers {status}: alerts are not taken there",
                        host=config.url.host,
                        status=status,
                    )
                )
            refused = True
        else:
            refused = False
        notices.done(notice)


async def _post(config: Config, notice: Notification, notices: Notifications) -> int:
    headers = {"Content-Type": "application/json", "Idempotency-Key": notice.key}
    if config.token is not None:
        headers["Authorization"] = f"Bearer {config.token.get_secret_value()}"
    data = json.dumps(notice.document(notices.hub), ensure_ascii=False).encode()
    reply = await notices.http.request("POST", str(config.url), headers=headers, body=data, timeout=config.timeout)
    return reply.status


@hub.hookimpl
def register_notifiers(register: RegisterNotifier) -> None:
    register("webhook", Config, run)
