"""Runs in a network namespace of its own, where multicast stays on loopback: knxd as a router, the plugin beside it.
Prints what came of it as JSON."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[3])]

from knxd_kit import Knxd, until  # noqa: E402 - found through the line above

import hub  # noqa: E402
from hub.sdk.testing import FakeSession  # noqa: E402
from integrations import knx  # noqa: E402
from integrations.knx import monitor  # noqa: E402


async def main() -> dict[str, Any]:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "route", "add", "224.0.0.0/4", "dev", "lo", "src", "127.0.0.1"], check=True)
    monitor.SEARCH_S = 4.0
    knxd = Knxd(routing=True)
    config = knx.Config(
        connection="routing", port=knxd.port, local_ip="127.0.0.1", individual_address="1.1.99", max_rate=20
    )
    session = FakeSession("knx")
    groups = {
        "1/2/3": {"dpt": "9.001", "metric": "temperature"},
        "2/0/1": {"dpt": "1.001", "metric": "light", "write": "2/0/1"},
    }
    session.devices.put(hub.Device(id="knx:a", integration="knx", place="p", settings={"groups": groups}))
    lines: list[dict[str, Any]] = []
    await knxd.start()
    try:
        found: dict[str, Any] = {"port": knxd.port, "probe": await knx.probe(config)}
        tasks = [
            asyncio.ensure_future(knx.run(config, session)),
            asyncio.ensure_future(knx.listen(config, lines.append)),
        ]
        async with asyncio.timeout(60):
            while not session.reports or len(lines) < 2:
                await knxd.write("1/2/3", 0x0C, 0x1A)
                await asyncio.sleep(0.05)
        async with knxd.listening() as heard:
            session.commands.give(hub.Command(id="c", device="knx:a", metric="light", value=True))
            await until(lambda: any("to 2/0/1: 01" in line for line in heard), "knxtool to hear the write")
            found["heard"] = next(line for line in heard if "to 2/0/1" in line)
        await until(lambda: len(session.commands.answers) == 2, "the answers")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        monitor.SEARCH_S, short = 600.0, []
        cut = asyncio.ensure_future(knx.listen(config, short.append))
        await until(lambda: short, "the first interface that answers")
        cut.cancel()
        done, _ = await asyncio.wait({cut}, timeout=60)
        found["cut"] = [bool(done), short[0].get("gateway")]
        return {
            **found, "answers": session.commands.answers, "values": session.reports[0].values,
            "lines": [lines[0], next(line for line in lines if "destination" in line)],
        }  # fmt: skip
    finally:
        await knxd.stop()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
