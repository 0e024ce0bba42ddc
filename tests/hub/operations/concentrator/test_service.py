"""The calls: what is seen, what is proposed, and the order in which set-up happens."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hub.core.errors import HubError
from hub.operations.concentrator import store
from hub.operations.concentrator.plan import Refused
from hub.operations.concentrator.service import Concentrator
from tests.hub.operations.concentrator.radio_kit import EUI, STARTED, Recorded, log, machine

OPTIONS = {"station": SimpleNamespace(address="127.0.0.1", port=3001, certificate="", token=None),
           "gateways": {EUI: SimpleNamespace(antenna_gain=0.0)}, "silence": timedelta(minutes=5)}  # fmt: skip


class Around:
    """What a hub gives to the service; `happened` in order."""

    def __init__(self, here: Recorded, *, server: bool = True, state: str = "committed") -> None:
        self.happened: list[Any] = []
        self.here, self.state = here, state
        lorawan = SimpleNamespace(name="lorawan", type="lorawan", config=SimpleNamespace(**OPTIONS))
        loaded = SimpleNamespace(integrations=[lorawan] if server else [], digest="d1")
        self.gateways: list[dict[str, Any]] = []

        async def radio(arguments: dict[str, Any]) -> Any:
            return {"devices": [], "gateways": self.gateways}

        async def apply(arguments: dict[str, Any]) -> Any:
            self.happened.append(("config", arguments["edits"], here.plan.exists()))
            if self.state == "refused":
                raise HubError("managed by another system")
            return {"state": self.state, "why": "it did not start" if self.state == "taken-back" else ""}

        async def audit(who: str, what: Any) -> None:
            self.happened.append(("audit", who, dict(what)))

        self.calls = Concentrator(here, lambda: loaded, radio=radio, apply=apply, audit=audit).calls()


async def test_the_gateway_is_listed_before_its_forwarder_starts(tmp_path: Path) -> None:
    hub = Around(machine(tmp_path), server=False)
    answer = await hub.calls["concentrator.setup"]({"model": "wm1302", "eui": EUI, "by": "web:camille"})
    assert [one[0] for one in hub.happened] == ["config", "audit"]
    assert hub.happened[0][2] is False, "nothing is started before"
    assert hub.happened[1][1:] == ("web:camille", {"concentrator": "wm1302", "eui": EUI})
    assert answer["state"] == "committed"
    written = store.read(hub.here.plan)
    assert written is not None
    assert written["lines"] == {"reset": 17, "power": 18, "sx1261_reset": 5}


async def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    hub = Around(machine(tmp_path), server=False)
    answer = await hub.calls["concentrator.setup"]({"model": "wm1302", "eui": EUI, "dry_run": True})
    assert (answer["state"], hub.happened, hub.here.plan.exists()) == ("planned", [], False)


@pytest.mark.parametrize("state", ["refused", "taken-back"])
async def test_without_the_gateway_on_the_list_no_forwarder_starts(tmp_path: Path, state: str) -> None:
    hub = Around(machine(tmp_path), server=False, state=state)
    asked = {"model": "wm1302", "eui": EUI, "by": "shell:root"}
    if state == "refused":
        with pytest.raises(HubError):
            await hub.calls["concentrator.setup"](asked)
    else:
        assert (await hub.calls["concentrator.setup"](asked))["why"] == "it did not start"
    assert not hub.here.plan.exists()


async def test_a_gateway_that_is_listed_needs_no_change_of_the_configuration(tmp_path: Path) -> None:
    hub = Around(machine(tmp_path))
    answer = await hub.calls["concentrator.setup"]({"model": "rak5146", "eui": EUI, "by": "shell:root"})
    assert answer["state"] == "same"
    assert [one[0] for one in hub.happened] == ["audit"]
    assert hub.here.plan.exists()


async def test_what_is_seen_and_heard_is_judged_together(tmp_path: Path) -> None:
    here = machine(tmp_path)
    hub = Around(here)
    await hub.calls["concentrator.setup"]({"model": "rak5146", "eui": EUI, "by": "shell:root"})
    log(here, *STARTED)
    hub.gateways = [{"id": EUI, "last_heard_s": 3.0, "silent": False, "duty": {"P": {"left_s": 0.0, "of_s": 360.0}}}]
    seen = await hub.calls["concentrator"]({})
    assert [one["code"] for one in seen["verdicts"]] == ["device", "running", "started", "heard", "airtime"]
    assert seen["plan"]["model"] == "rak5146"
    assert "files" not in seen["plan"], "its token is nobody's business"
    assert "reset" not in seen["plan"], "it is the model's own"
    await hub.calls["concentrator.setup"]({"model": "rak5146", "eui": EUI, "reset": "25", "by": "shell:root"})
    assert (await hub.calls["concentrator"]({}))["plan"]["reset"] == 25
    assert seen["proposed"]["euis"] == [{"from": "eth0", "eui": "dca632fffe010203"}]


@pytest.mark.parametrize(
    "wrong",
    [{"reset": "seventeen"}, {"power": "-1"}, {"reset": "1" * 9}, {"antenna_gain": "loud"}, {"antenna_gain": "99"}],
)
async def test_a_field_that_is_no_number_is_refused(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(Refused):
        await Around(machine(tmp_path)).calls["concentrator.setup"]({"model": "rak5146", "eui": EUI, **wrong})
