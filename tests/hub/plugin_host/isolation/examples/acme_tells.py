"""A notifier of somebody else: calls a host for each notification, and remembers how often it tried."""

import os

import hub
from hub.sdk.notification import Notifications, RegisterNotifier


class Options(hub.Config):
    url: str


async def run(config: Options, notices: Notifications) -> None:
    async for notice in notices:
        tried = notices.memory[notice.key] = notices.memory.get(notice.key, 0) + 1
        if notice.rule == "dies" and tried == 1:
            await notices.http.request("POST", config.url, body=b"first")
            os._exit(7)
        reply = await notices.http.request("POST", config.url, body=f"{notice.sentence('en')} {tried}".encode())
        if reply.status < 300:
            notices.done(notice)


@hub.hookimpl
def register_notifiers(register: RegisterNotifier) -> None:
    register("acme_tells", Options, run)
