"""Valves behind an Acme gateway, which numbers the changes of its valves.

GET  /changes?after=7   [{"n": 8, "valve": "A1", "open": 40}]
POST /valves/A1         {"open": 55}
"""

import asyncio
import json
from datetime import timedelta
from typing import Any

import hub


class Gateway(hub.Config):
    url: hub.HttpUrl
    interval: timedelta = timedelta(seconds=10)


class Valve(hub.Config):
    name: str
    reversed: bool = False


class Plugin:
    def __init__(self, config: Gateway, session: hub.Session) -> None:
        self.url = str(config.url).rstrip("/")
        self.interval = config.interval
        self.session = session

    async def poll(self) -> None:
        state: hub.State = self.session.state
        async for _ in self.session.polling.poll_cycles(self.interval, self.ids):
            reply: hub.Reply = await self.session.http.request("GET", f"{self.url}/changes?after={state.get('n', 0)}")
            for change in reply.json():
                await self.take(change)

    def ids(self) -> list[str]:
        return [device.id for device in self.session.devices.all()]

    async def take(self, change: dict[str, Any]) -> None:
        devices: hub.Devices = self.session.devices
        known = devices.get(f"acme:{change['valve']}")
        if known is None:
            evidence = {"gateway": self.url}
            devices.discovered(hub.Candidate(id=f"acme:{change['valve']}", integration="", evidence=evidence))
            return
        report = hub.Report(device=known.id, values={"valve_position": turned(known, change["open"])})
        await self.session.emit(report, note=lambda: self.session.state.put("n", change["n"]))

    async def write(self) -> None:
        commands: hub.Commands = self.session.commands
        async for command in commands:
            try:
                await self.send(command)
            except (hub.NotReady, hub.PluginError) as error:
                commands.answer(command, "failed", str(error))
            else:
                commands.answer(command, "done")

    async def send(self, command: hub.Command) -> None:
        known = self.session.devices.get(command.device)
        if known is None or not isinstance(command.value, (int, float)):
            raise hub.PluginError(f"{command.device} takes a number from 0 to 100")
        body = json.dumps({"open": turned(known, command.value)}).encode()
        url = f"{self.url}/valves/{known.settings_as(Valve).name}"
        reply = await self.session.http.request("POST", url, body=body)
        if reply.status >= 400:
            raise hub.NotReady(f"the gateway refuses to turn {command.device}: status {reply.status}")


def turned(device: hub.Device, opening: float) -> float:
    return 100 - opening if device.settings_as(Valve).reversed else opening


async def run(config: Gateway, session: hub.Session) -> None:
    plugin = Plugin(config, session)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(plugin.poll())
        tasks.create_task(plugin.write())


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("acme_valve", Gateway, run, device=Valve)
