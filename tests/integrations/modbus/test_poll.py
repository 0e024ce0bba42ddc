"""One device's life: what is asked, when it is left in peace, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import hub
from hub.sdk.phrases import Phrase
from integrations.modbus import Config, register_integrations
from integrations.modbus.faults import Refused, Silent
from integrations.modbus.plan import Request
from integrations.modbus.poll import Poller
from integrations.modbus.presence import Roster

CONFIG = Config(host="plant", retries=2)
POWER = {"metric": "power", "address": 0, "type": "uint16"}
VOLTAGE = {"metric": "voltage", "address": 1, "type": "uint16"}
FAR = {"metric": "current", "address": 500, "type": "uint16"}


class FakeLink:
    """Answers every word with its own address; `faults` maps an address to the error its read raises."""

    peer = "plant:502"

    def __init__(self) -> None:
        self.answered_s: dict[int, float] = {}
        self.asked: list[tuple[int, str, int]] = []  # unit, request, attempts
        self.faults: dict[int, Callable[[Request], Exception]] = {}
        self.dead = False
        self.slow: set[int] = set()  # units that answer only those who wait

    async def read(self, unit: int, request: Request, *, attempts: int = 1, silent: bool = False) -> list[int]:
        self.asked.append((unit, str(request).split(" (")[0], attempts))
        if self.dead or (silent and unit in self.slow):
            raise Silent(f"unit {unit} does not answer")
        wanted = range(request.address, request.address + request.count)
        for address in wanted:
            if address in self.faults:
                raise self.faults[address](request)
        return list(wanted)

    def take(self) -> list[tuple[int, str, int]]:
        asked, self.asked = self.asked, []
        return asked


def _refuses(code: int) -> Callable[[Request], Exception]:
    return lambda request: Refused(code, request)


class Scene:
    """A fake link, a roster, and one poller started for each device put."""

    def __init__(self, session: Any, start: Any) -> None:
        self.session = session
        self.link = FakeLink()
        self.roster = Roster()
        self._start = start
        self._count = 0
        self.runs: list[Any] = []

    async def device(self, *registers: dict[str, Any], **settings: Any) -> str:
        self._count += 1
        name = f"modbus:d{self._count}"
        self.session.put(name, {"unit": self._count, "registers": list(registers), **settings})
        await self.poller(name)
        return name

    async def poller(self, name: str) -> None:
        running = self._start(Poller(name, CONFIG, self.session, self.link, self.roster).run())
        self.runs.append(running)
        await running.settle(len(self.runs))

    async def tick(self) -> None:
        await self.runs[0].tick()


@pytest.fixture
def scene(session: Any, start: Any) -> Scene:
    return Scene(session, start)


async def test_one_poll_makes_one_report_of_all_requests(scene: Scene) -> None:
    name = await scene.device(POWER, VOLTAGE, FAR)
    await scene.tick()
    assert scene.link.take() == [(1, "holding 0..1", 3), (1, "holding 500", 3)]
    (report,) = scene.session.reports
    assert report == hub.Report(
        device=name, values={"power": 0, "voltage": 1, "current": 500}, proof=hub.Proof(scheme="modbus")
    )


async def test_a_device_with_nothing_to_say_makes_no_report(scene: Scene) -> None:
    await scene.device({**POWER, "invalid": [0]})
    await scene.tick()
    assert scene.session.reports == []


async def test_a_value_that_does_not_decode_is_counted_and_the_others_are_reported(scene: Scene) -> None:
    name = await scene.device(POWER, {"metric": "firmware", "address": 0xFF00, "type": "string", "length": 1})
    await scene.tick()
    assert scene.session.take() == {name: {"power": 0}}
    assert scene.session.drops == [(name, "bad-text")]


async def test_an_unreadable_answer_is_counted_and_the_other_requests_are_made(scene: Scene) -> None:
    name = await scene.device(POWER, FAR)
    scene.link.faults[0] = lambda _: hub.DecodeError("truncated")
    await scene.tick()
    assert scene.session.take() == {name: {"current": 500}}
    assert scene.session.drops == [(name, "truncated")]


async def test_how_each_poll_ends_is_said_to_the_hub_also_before_the_host_itself_is_away(scene: Scene) -> None:
    name = await scene.device(POWER, FAR)
    said = scene.session.polling.outcomes
    await scene.tick()
    assert said == {}, "it answered"
    scene.link.faults[0] = lambda _: hub.DecodeError("truncated")
    await scene.tick()
    assert said == {}, "one of two is read"
    scene.link.faults[500] = _refuses(2)
    await scene.tick()
    assert said == {name: "unread"}
    scene.link.dead = True
    with pytest.raises(hub.NotReady):
        await scene.tick()
    assert said == {name: "silent"}


async def test_a_unit_of_which_the_gateway_says_that_it_is_away_is_silent(scene: Scene) -> None:
    name = await scene.device(POWER)
    scene.link.faults[0] = _refuses(11)
    await scene.tick()
    assert scene.session.polling.outcomes == {name: "silent"}


async def test_a_refused_request_is_taken_apart_once_and_the_register_at_fault_left_in_peace(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    name = await scene.device(POWER, VOLTAGE)
    scene.link.faults[1] = _refuses(2)
    await scene.tick()
    assert [asked for _, asked, _ in scene.link.take()] == ["holding 0..1", "holding 0", "holding 1"]
    assert scene.session.take() == {name: {"power": 0}}
    asked = []
    for _ in range(5):
        await scene.tick()
        asked.append([request for _, request, _ in scene.link.take()])
    assert [len(requests) for requests in asked] == [1, 2, 1, 1, 1]
    (record,) = caplog.records
    assert isinstance(record.msg, Phrase)
    reason = record.msg.params["reason"]
    assert (record.msg.code, record.msg.params["device"]) == ("modbus.about-device", name)
    assert (reason.code, reason.params["request"]) == ("modbus.request-refused", "holding 1 (voltage)")
    assert reason.params["reason"].code == "modbus.no-such-register"


async def test_a_register_that_comes_back_is_read_again(scene: Scene) -> None:
    name = await scene.device(POWER, VOLTAGE)
    scene.link.faults[1] = _refuses(4)
    await scene.tick()
    scene.link.faults.clear()
    await scene.tick()
    await scene.tick()
    assert scene.session.take() == {name: {"power": 0, "voltage": 1}}


async def test_a_busy_device_is_not_taken_apart(scene: Scene) -> None:
    name = await scene.device(POWER, VOLTAGE, FAR)
    scene.link.faults[0] = _refuses(6)
    await scene.tick()
    assert [asked for _, asked, _ in scene.link.take()] == ["holding 0..1"]
    assert scene.session.drops == [(name, "device-busy")]


async def test_a_silent_device_is_asked_once_and_ever_less_often_while_the_others_go_on(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    alive = await scene.device(POWER)
    dead = await scene.device(FAR)
    scene.link.faults[500] = lambda _: Silent("unit 2 does not answer")
    attempts = []
    for _ in range(12):
        await scene.tick()
        attempts.append([tries for unit, _, tries in scene.link.take() if unit == 2])
        assert scene.session.take() == {alive: {"power": 0}}
    assert attempts == [[3], [], [1], [], [], [], [1], [], [], [], [], []]
    assert [record.getMessage() for record in caplog.records] == [
        f"{dead} is away, tried again with growing pauses: unit 2 does not answer"
    ]
    scene.link.faults.clear()
    for _ in range(3):
        await scene.tick()
    assert scene.session.take()[dead] == {"current": 500}
    assert [record.getMessage() for record in caplog.records][1:] == [f"{dead} answers again"]


async def test_a_device_that_is_slower_than_all_others_is_found_again_after_it_was_away(scene: Scene) -> None:
    await scene.device(POWER)
    slow = await scene.device(FAR)
    scene.link.faults[500] = lambda _: Silent("unit 2 does not answer")
    await scene.tick()
    scene.link.faults.clear()
    scene.link.slow = {2}
    for _ in range(30):
        await scene.tick()
    assert scene.session.take()[slow] == {"current": 500}


async def test_a_request_that_a_device_ignores_is_told_once_and_left_in_peace_for_a_while(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    name = await scene.device(POWER, FAR, {"metric": "frequency", "address": 900})
    scene.link.faults[500] = lambda _: Silent("nothing")
    asked = []
    for _ in range(3):
        await scene.tick()
        assert scene.session.take() == {name: {"power": 0, "frequency": 900}}
        asked.append([request for _, request, _ in scene.link.take()])
    assert [len(requests) for requests in asked] == [3, 2, 3]
    (record,) = caplog.records
    assert record.getMessage() == f"{name}: no answer to holding 500 (current): the device may not have it"


async def test_an_ignored_request_that_comes_first_does_not_hide_the_others(scene: Scene) -> None:
    await scene.device(POWER)
    name = await scene.device(VOLTAGE, FAR)
    scene.link.faults[1] = lambda _: Silent("nothing")
    for _ in range(3):
        await scene.tick()
    assert [report.values for report in scene.session.reports if report.device == name] == [{"current": 500}]


async def test_a_device_that_dies_during_a_poll_is_given_up_at_the_second_silence(scene: Scene) -> None:
    await scene.device(POWER)
    far = [{"metric": metric, "address": 500 + 100 * i} for i, metric in enumerate(["current", "power", "voltage"])]
    name = await scene.device({"metric": "frequency", "address": 9}, *far)
    scene.link.faults = dict.fromkeys((500, 600, 700), lambda _: Silent("gone"))
    await scene.tick()
    assert [asked for unit, asked, _ in scene.link.take() if unit == 2] == ["holding 9", "holding 500", "holding 600"]
    assert scene.session.take()[name] == {"frequency": 9}


async def test_when_no_device_answers_the_host_is_not_ready_and_no_device_is_blamed(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.device(POWER)
    await scene.device(POWER)
    scene.link.dead = True
    await scene.runs[0].settle(2)
    for ticker in scene.session.tickers:
        ticker.release()
    with pytest.raises(hub.NotReady, match="plant:502 is connected but none of its 2 devices answers"):
        await scene.runs[1].task
    assert caplog.records == []


async def test_new_settings_are_used_from_the_next_poll(scene: Scene) -> None:
    name = await scene.device(POWER)
    await scene.tick()
    scene.session.put(name, {"unit": 9, "registers": [FAR]})
    scene.link.take()
    await scene.tick()
    assert scene.link.take() == [(9, "holding 500", 3)]


async def test_a_device_put_right_is_asked_at_the_next_poll_whatever_its_back_off(scene: Scene) -> None:
    await scene.device(POWER)
    dead = await scene.device(FAR)
    scene.link.faults[500] = _refuses(11)
    for _ in range(3):
        await scene.tick()
    scene.session.put(dead, {"unit": 2, "registers": [VOLTAGE]})
    scene.session.take()
    await scene.tick()
    assert scene.session.take()[dead] == {"voltage": 1}


async def test_wrong_settings_are_told_once_and_cost_nobody_else(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    alive = await scene.device(POWER)
    wrong = await scene.device({"metric": "power", "address": -1})
    await scene.tick()
    await scene.tick()
    assert scene.session.take() == {alive: {"power": 0}}
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{wrong} is not read: its settings are wrong: registers.0.address: ")
    scene.session.put(wrong, {"registers": [VOLTAGE]})
    await scene.tick()
    assert scene.session.take()[wrong] == {"voltage": 1}


async def test_the_poller_of_a_removed_device_ends_and_its_silence_is_forgotten(scene: Scene) -> None:
    name = await scene.device(POWER)
    await scene.tick()
    del scene.session.devices._devices[name]
    await scene.tick()
    assert scene.runs[0].task.done()
    assert len(scene.roster) == 0


async def test_a_device_added_while_running_is_read(session: Any, start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from integrations.modbus import link, run

    fake = FakeLink()

    class Opened:
        def __init__(self, config: Config) -> None: ...

        async def __aenter__(self) -> FakeLink:
            return fake

        async def __aexit__(self, *_: object) -> None: ...

    monkeypatch.setattr(link, "Link", Opened)
    session.put("modbus:first", {"registers": [POWER]})
    running = start(run(CONFIG, session))
    await running.settle(1)
    session.put("modbus:second", {"registers": [VOLTAGE]})
    await running.settle(2)
    await running.tick()
    assert session.take() == {"modbus:first": {"power": 0}, "modbus:second": {"voltage": 1}}
    # changed, removed, added again: one poller, none, one
    session.put("modbus:second", {"registers": [FAR]})
    await running.tick()
    assert session.take()["modbus:second"] == {"current": 500}
    assert len(session.tickers) == 2
    fake.dead = True
    with pytest.raises(hub.NotReady):
        await running.tick()


def test_the_integration_registers_its_configuration_its_devices_and_its_probe() -> None:
    registered: dict[str, Any] = {}

    def register(name: str, config: Any, run: Any, **more: Any) -> None:
        registered.update(name=name, config=config, **more)

    register_integrations(register)  # type: ignore[arg-type]
    assert registered["name"] == "modbus"
    assert registered["config"] is Config
    assert set(registered) == {"name", "config", "device", "probe", "pack", "reasons", "finder"}
