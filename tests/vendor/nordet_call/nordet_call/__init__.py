"""Alerts for the watch centre of Nordet, which calls whoever is on duty."""

from __future__ import annotations

import json

import hub
from hub.sdk.notification import Notifications, RegisterNotifier
from hub.sdk.phrases import phrase
from pydantic import Field, SecretStr

__all__ = ["Centre", "register_notifiers", "run"]


class Centre(hub.Config):
    """The watch centre, and who is called."""

    url: hub.HttpUrl = Field(description="Address of the watch centre.")
    token: SecretStr = Field(description="The customer's token, by way of `!secret`.")
    duty: str = Field(
        pattern=r"^[a-z0-9-]{1,40}$",
        description="Name of the duty list, as the watch centre has it.",
    )


async def run(config: Centre, notices: Notifications) -> None:
    """Hand on until cancelled. Raises NotReady and AuthFailed."""
    headers = {"Authorization": f"Bearer {config.token.get_secret_value()}"}
    async for notice in notices:
        told = {
            "duty": config.duty,
            "key": notice.key,
            "hub": notices.hub,
            "text": notice.sentence("fr"),
        }
        reply = await notices.http.request(
            "POST",
            str(config.url),
            headers={**headers, "Content-Type": "application/json"},
            body=json.dumps(told, ensure_ascii=False).encode(),
        )
        if reply.status in (401, 403):
            raise hub.AuthFailed(
                phrase(
                    "nordet_call.refused",
                    "the watch centre refuses the token ({status})",
                    status=reply.status,
                )
            )
        if reply.status != 202:
            raise hub.NotReady(
                phrase(
                    "nordet_call.not-taken",
                    "the watch centre answers {status}",
                    status=reply.status,
                )
            )
        notices.done(notice)


@hub.hookimpl
def register_notifiers(register: RegisterNotifier) -> None:
    register("nordet_call", Centre, run, per_hour=20)
