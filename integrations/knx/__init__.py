"""KNX through KNX/IP: tunnelling, routing, KNX IP Secure and KNX Data Secure.

Devices are `knx:<name>`: group addresses with their datapoint types, updated by the telegrams on the bus. Values are
requested or written only where the configuration says so. `ilot import knx` reads ETS projects.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import hub
from hub.sdk.phrases import phrase, reason_of
from integrations.knx import addresses, decode
from integrations.knx.finder import FINDER
from integrations.knx.packs import Groups
from integrations.knx.reasons import REASONS
from integrations.knx.settings import Config, DeviceSettings, Group

__all__ = ["Config", "DeviceSettings", "Group", "listen", "probe", "register_decoders", "register_integrations", "run"]

KIND = "knx"


async def run(config: Config, session: hub.Session) -> None:
    """Listen to the bus until cancelled. Raises NotReady when it cannot be reached, AuthFailed when the keyring is
    wrong."""
    from integrations.knx import bus  # imports xknx, so only where it is used

    await bus.run(config, session)


async def probe(config: Config) -> str:
    """Request the interface's description; opens no tunnel. Raises NotReady."""
    from integrations.knx import monitor

    return await monitor.probe(config)


async def listen(config: Config, hear: Any) -> None:
    """Run the group monitor. Raises NotReady, AuthFailed."""
    from integrations.knx import monitor

    await monitor.listen(config, hear)


def read(frame: hub.Frame, keys: object) -> hub.Decoded:
    """Return the sender of a frame. Its values depend on a datapoint type that no telegram carries: readings need the
    configuration."""
    if "gateway" in frame.data:
        return hub.Decoded(device=f"knx:{frame.address}", values={}, model=frame.name)
    if "cemi" in frame.data:
        telegram = decode.cemi(frame.data["cemi"])
        return hub.Decoded(device=f"knx:{addresses.show_individual(telegram.source)}", values={})
    return hub.Decoded(device=f"knx:{frame.address}", values={})


def explain(frame: hub.Frame, keys: object) -> Iterator[dict[str, Any]]:
    """Describe a cEMI frame; with `dpt` in its line also the value, without it the values that it may stand for."""
    from integrations.knx import points, values

    if "cemi" not in frame.data:
        raise hub.DecodeError(
            "no-cemi",
            phrase(
                "knx.expected-cemi-frame",
                'expected a cEMI frame: hexadecimal, or {{"cemi": hexadecimal, "dpt": "9.001"}}',
            ),
        )
    telegram = decode.cemi(frame.data["cemi"])
    told = decode.describe(telegram)
    if telegram.payload is not None:
        if dpt := frame.data.get("dpt", b"").decode():
            point = points.POINTS[dpt]
            told |= {"dpt": dpt, "value": values.read(point, telegram.payload), "unit": point.unit or "1"}
        else:
            told["could_be"] = values.guesses(telegram.payload)
    yield told


def line(fields: dict[str, Any]) -> hub.Frame:
    """Parse one line of `ilot decode knx` or `ilot capture knx`. Raises DecodeError."""
    from integrations.knx import points

    source = str(fields.get("source", ""))
    if "gateway" in fields:
        name = str(fields.get("name", ""))[:200]
        return hub.Frame(kind=KIND, address=source, data={"gateway": str(fields["gateway"]).encode()}, name=name)
    data: dict[str, bytes] = {}
    if (text := fields.get("raw", fields.get("cemi"))) is not None:
        try:
            data["cemi"] = bytes.fromhex(text)
        except (TypeError, ValueError):
            raise hub.DecodeError(
                "not-hex", phrase("knx.cemi-not-hexadecimal", "a cEMI frame is hexadecimal")
            ) from None
    elif not source:
        raise hub.DecodeError(
            "no-cemi",
            phrase(
                "knx.neither-frame-nor-telegram",
                "neither a cEMI frame nor a telegram: {line}",
                line=json.dumps(fields)[:80],
            ),
        )
    if dpt := fields.get("dpt"):
        try:
            data["dpt"] = points.canonical(dpt).encode()
        except ValueError as error:
            raise hub.DecodeError("no-type", reason_of(error)) from None
    destination = str(fields.get("destination", ""))
    return hub.Frame(
        kind=KIND, address=source, data=data, name=" ".join(filter(None, (destination, str(fields.get("name", "")))))
    )


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register(
        "knx",
        Config,
        run,
        device=DeviceSettings,
        probe=probe,
        listen=listen,
        pack=Groups,
        reasons=REASONS,
        finder=FINDER,
    )


@hub.hookimpl
def register_decoders(register: hub.RegisterDecoder) -> None:
    register("knx", KIND, read, line=line, explain=explain)
