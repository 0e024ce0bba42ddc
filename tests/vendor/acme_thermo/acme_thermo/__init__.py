from datetime import timedelta

import hub


class AcmeThermo(hub.Config):
    url: hub.HttpUrl
    interval: timedelta = timedelta(seconds=60)


def decode(body: dict[str, float]) -> hub.Report:
    return hub.Report(device=f"acme:{body['sn']}", values={"temperature": body["t"] / 10})


async def run(config: AcmeThermo, session: hub.Session) -> None:
    async for _ in session.every(config.interval):
        reply = await session.http.request("GET", str(config.url))
        await session.emit(decode(reply.json()))


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("acme_thermo", AcmeThermo, run)
