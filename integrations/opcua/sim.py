"""A simulated plant on OPC UA: `ilot sim opcua`.

A boiler and an air handling unit in their own namespace, with units and ranges. It prints its port and the settings of
its devices as one line of JSON, and ends on SIGTERM. Without security: it is for trying out on one machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import signal
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

NAMESPACE = "urn:ilot:sim"
PERIOD_S = 1.0


class Signal(NamedTuple):
    """A variable of the plant: its value at `t` seconds, its unit as (UN/CEFACT id, name), and whether it may be
    written."""

    metric: str
    value: Callable[[float], float | bool]
    unit: tuple[int, str] | None = None
    writable: bool = False


def plant(seed: int) -> dict[str, dict[str, Signal]]:
    """Return object -> variable -> signal. Temperatures follow each other with a lag; energy is the integral of
    power."""
    rng = random.Random(seed)  # noqa: S311 - a simulation
    setpoint, base, swing = rng.choice([60.0, 65.0, 70.0]), rng.uniform(20, 40), rng.uniform(5, 10)
    cycle, lead = 480.0, rng.uniform(0, 480)

    def wave(t: float, lag: float = 0.0) -> float:
        return math.sin(math.tau * (t + lead - lag) / cycle)

    def energy(t: float) -> float:
        swung = swing * cycle / math.tau * (math.cos(math.tau * lead / cycle) - math.cos(math.tau * (t + lead) / cycle))
        return 1_234_000 + (base * t + swung) / 3.6  # W.h of kW over seconds

    celsius, percent = (4408652, "°C"), (20529, "%")
    return {
        "Chaudiere": {
            "TempDepart": Signal("flow_temperature", lambda t: setpoint + 4 * wave(t), celsius),
            "TempRetour": Signal("return_temperature", lambda t: setpoint - 12 + 3 * wave(t, 40), celsius),
            "Consigne": Signal("setpoint", lambda _: setpoint, celsius, writable=True),
            "Puissance": Signal("power", lambda t: base + swing * wave(t), (4937556, "kW")),
            "Energie": Signal("energy", energy, (5720146, "W·h")),
            "PressionEau": Signal("water_pressure", lambda t: 1.6 + 0.05 * wave(t), (4342098, "bar")),
            "Marche": Signal("running", lambda t: wave(t) > -0.5),
            "Defaut": Signal("fault", lambda t: t % 3600 >= 3540),
        },
        "CTA": {
            "Temperature": Signal("temperature", lambda t: 20.5 + wave(t, 120), celsius),
            "HygrometrieHR": Signal("humidity", lambda t: 45 + 5 * wave(t, 200), percent),
            "VannePosition": Signal("valve_position", lambda t: 50 + 40 * wave(t, 20), percent),
            "CO2": Signal("co2", lambda t: 600 + 150 * wave(t, 300), (13625, "ppm")),
        },
    }


def devices(seed: int) -> dict[str, dict[str, Any]]:
    """Return the settings that read the plant."""
    return {
        f"opcua:{name.lower()}": {
            "namespace": NAMESPACE,
            "nodes": {f"/{name}/{variable}": {"metric": signal.metric} for variable, signal in signals.items()},
        }
        for name, signals in plant(seed).items()
    }


async def serve(host: str, port: int, seed: int, stop: asyncio.Event) -> None:
    """Listen until `stop`."""
    from asyncua import Server, ua

    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://{host}:{port}/")
    server.set_server_name("Ilot plant simulator")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(NAMESPACE)
    running: list[tuple[Any, Signal]] = []
    for name, signals in plant(seed).items():
        parent = await server.nodes.objects.add_object(index, name)
        for variable, signal_ in signals.items():
            node = await parent.add_variable(index, variable, signal_.value(0.0))
            if signal_.unit is not None:
                unit = ua.EUInformation("http://www.opcfoundation.org/UA/units/un/cefact", signal_.unit[0])
                unit.DisplayName = ua.LocalizedText(signal_.unit[1])
                await node.add_property(0, "EngineeringUnits", unit)
            if signal_.writable:
                await node.set_writable()
            else:
                running.append((node, signal_))
    async with server:
        loop = asyncio.get_running_loop()
        began = loop.time()
        sys.stdout.write(json.dumps({"port": port, "devices": devices(seed)}) + "\n")
        sys.stdout.flush()
        while not stop.is_set():
            for node, signal_ in running:
                await node.write_value(signal_.value(loop.time() - began))
            try:
                async with asyncio.timeout(PERIOD_S):
                    await stop.wait()
            except TimeoutError:
                continue


async def _main(arguments: argparse.Namespace) -> None:
    import logging
    import socket

    logging.disable()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    port = arguments.port
    if not port:  # asyncua does not return the assigned port
        with socket.socket() as free:
            free.bind((arguments.host, 0))
            port = free.getsockname()[1]
    await serve(arguments.host, port, arguments.seed, stop)


def main() -> None:
    parser = argparse.ArgumentParser(prog="ilot sim opcua", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="TCP port, 0 for any free one (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another plant (default: %(default)s)")
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
