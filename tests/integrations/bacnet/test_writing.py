"""Commands: written at their priority, given back, and every refusal in words."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from bacnet_kit import HOST, config, device, free_port, last, running, until

import hub
from hub.sdk.phrases import Phrase

pytestmark = pytest.mark.real("network, processes")

OBJECTS: dict[str, Any] = {
    "analog-input:1": {"metric": "temperature"},
    "analog-value:1": {"metric": "setpoint", "priority": 10},
    "analog-output:1": {"metric": "valve_position"},
    "binary-output:1": {"metric": "running", "priority": 8},
    "multi-state-output:1": {"metric": "speed_step", "privacy": "technical"},
    "accumulator:1": {"metric": "energy"},
}


def code(detail: str) -> str:
    return detail.code if isinstance(detail, Phrase) else ""


def priorities(**at: str) -> list[str | None]:
    return [at.get(f"p{n}") for n in range(1, 17)]


async def test_a_value_is_written_at_its_priority_read_back_and_given_back() -> None:
    async with device() as peer, running(config(), [peer.device(OBJECTS)]) as session:
        await until(lambda: len(last(session)) == len(OBJECTS))

        async def order(number: str, metric: str, value: float | bool | str | None, **more: Any) -> tuple[str, str]:
            command = hub.Command(id=number, device=peer.id, metric=metric, value=value, **more)
            session.commands.give(command)
            await until(lambda: [a for a in session.commands.answers if a[0] == number and a[1] != "sent"], number)
            *_, (_, state, detail) = [a for a in session.commands.answers if a[0] == number]
            return state, detail

        async def array(name: str) -> Any:
            return (await peer.tell(get=[name, "priorityArray"]))["value"]

        assert await order("1", "setpoint", 22.5) == ("done", "")
        assert [state for _, state, _ in session.commands.answers] == ["sent", "done"]
        assert await array("analog-value,1") == priorities(p10="22.5")
        await until(lambda: last(session)["setpoint"] == 22.5, "it is read back")

        assert await order("2", "running", True) == ("done", "")
        assert await array("binary-output,1") == priorities(p8="active")
        assert await order("3", "speed_step", "fast") == ("done", "")
        assert await array("multi-state-output,1") == priorities(p16="3")
        await until(lambda: last(session)["speed_step"] == "fast")

        assert await order("4", "setpoint", None) == ("done", "")
        assert await array("analog-value,1") == priorities()
        await until(lambda: last(session)["setpoint"] == 20.0, "what controlled it before has it again")

        await peer.tell(priority=["analog-output,1", 5, 80.0])
        state, detail = await order("5", "valve_position", 40.0)
        assert (state, code(detail)) == ("done", "bacnet.higher-priority-holds")
        assert detail == "written at priority 16, but priority 5 holds the object"
        assert await array("analog-output,1") == priorities(p5="80.0", p16="40.0")

        state, detail = await order("6", "temperature", 3.0)
        assert (state, code(detail)) == ("failed", "bacnet.write-denied")
        assert code((await order("7", "energy", 3.0))[1]) == "bacnet.type-not-writable"
        assert code((await order("8", "speed_step", "faster"))[1]) == "bacnet.no-such-state"
        assert code((await order("9", "co2", 3.0))[1]) == "bacnet.metric-of-no-object"
        assert await order("10", "setpoint", 21.0, expires=time.time() - 1) == ("expired", "")
        assert (await order("11", "setpoint", None, values={"x": 1.0}))[0] == "failed"
        assert await array("analog-value,1") == priorities()


async def test_a_device_that_is_away_fails_its_commands_and_nobody_elses() -> None:
    objects = {"analog-value:1": {"metric": "setpoint"}}
    port = free_port()
    gone = hub.Device(
        id="bacnet:9", integration="bacnet", place="p", settings={"address": f"{HOST}:{port}", "objects": objects}
    )
    async with device(port=port, instance=9) as lost, device() as peer:
        options = config(timeout=timedelta(seconds=0.5))
        async with running(options, [peer.device(objects), gone]) as session:
            await until(lambda: last(session) and last(session, "bacnet:9"))
            lost.stop()
            session.commands.give(hub.Command(id="lost", device="bacnet:9", metric="setpoint", value=19.0))
            session.commands.give(hub.Command(id="good", device=peer.id, metric="setpoint", value=19.0))
            await until(lambda: ("good", "done", "") in session.commands.answers)
            assert ("lost", "failed") not in [answer[:2] for answer in session.commands.answers], "not waited for"
            await until(lambda: ("lost", "failed") in [answer[:2] for answer in session.commands.answers])
            said = next(
                detail for name, state, detail in session.commands.answers if (name, state) == ("lost", "failed")
            )
            assert said == "bacnet:9 does not answer: whether it took the value is not known"
            session.commands.give(hub.Command(id="who", device="bacnet:10", metric="setpoint", value=19.0))
            await until(lambda: ("who", "failed") in [answer[:2] for answer in session.commands.answers])
