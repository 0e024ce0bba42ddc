"""A plugin as it was written for the release before: former names of `hub`, former members of a session, words in two
languages in the code. It is not touched when a name moves; it goes when what it uses has ended."""

from datetime import timedelta

import hub

REASONS = {"acme-fault-*": ("Défaut {part} de l'appareil", "Fault {part} of the device")}
SERIAL, TENTHS = hub.JsonPath.parse("sn"), hub.JsonPath.parse("t")
SWING = hub.Metric(key="acme_swing", unit="Cel", low=0, high=100, fr="Amplitude", en="Swing")


class AcmeFormer(hub.Config):
    """A thermometer."""

    help_fr = "Un thermomètre."
    url: hub.HttpUrl
    interval: timedelta = timedelta(seconds=60)


async def run(config: AcmeFormer, session: hub.Session) -> None:
    session.log.info("times of %s", session.timezone)
    for device in session.devices.all():
        session.declare(device.id, model="Former", metrics=(SWING,))
    async for _ in session.rounds(config.interval, lambda: [one.id for one in session.devices.all()]):
        reply = await session.http.request("GET", str(config.url))
        body = hub.shallow_json(reply.body)
        session.tell("gateway", {"bytes": len(body)})
        device = f"former:{SERIAL.of(reply.json())}"
        if session.devices.get(device) is None:
            continue
        values = {"temperature": TENTHS.of(reply.json()) / 10, "acme_swing": 3.5}
        await session.emit_all([hub.Report(device=device, values=values)])
        session.dropped(device, hub.DecodeError("acme-fault-7"))


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("acme_former", AcmeFormer, run, metrics=(SWING,), reasons=REASONS)
