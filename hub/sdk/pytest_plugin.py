"""A pytest plugin for tests of Îlot's plugins: fixtures of `hub.sdk.testing`, each of which begins with `ilot_`.

Installed with the kit, and active only where a test asks for a fixture: until then it imports nothing but pytest.

    ilot_clock      a clock that moves only when told
    ilot_session    makes a session over that clock: ilot_session("acme_thermo", [device])
    ilot_advert     makes what a Bluetooth sensor broadcasts
    ilot_line, ilot_lorawan, ilot_modbus, ilot_mbus, ilot_mqtt, ilot_bacnet, ilot_knx
                    make a peer: async with ilot_modbus({0: 215}) as server
    ilot_contract   makes the contract tests of a world: ilot_contract(AcmeWorld())

`--ilot-report FILE` writes what came of the contract tests as JSON.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.sdk.testing import FakeSession, ManualClock
    from hub.sdk.testing.contract import ContractReport

_reports = pytest.StashKey[list["ContractReport"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--ilot-report`."""
    group = parser.getgroup("ilot", "tests of Îlot's plugins")
    group.addoption("--ilot-report", metavar="FILE", help="write what came of the contract tests as JSON")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report that was asked for."""
    made = session.config.stash.get(_reports, [])
    where = session.config.getoption("--ilot-report", default=None)
    if where and made:
        import msgspec

        Path(where).write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=2))


@pytest.fixture
def ilot_clock() -> ManualClock:
    """A clock that moves only when told."""
    from hub.sdk.testing import ManualClock

    return ManualClock()


@pytest.fixture
def ilot_session(ilot_clock: ManualClock) -> Callable[..., FakeSession]:
    """Make a session over `ilot_clock`; it takes what `FakeSession` takes."""
    from hub.sdk.testing import FakeSession

    def make(name: str = "plugin", devices: Any = (), **more: Any) -> FakeSession:
        return FakeSession(name, devices, ilot_clock, **more)

    return make


@pytest.fixture
def ilot_contract(request: pytest.FixtureRequest) -> Callable[..., ContractReport]:
    """Make the contract tests of a world, all or those named, and return the report. Fails with what is to be
    mended."""
    from hub.sdk.testing.contract import CONTRACT, World, examine

    kept = request.config.stash.setdefault(_reports, [])

    def judged(world: World, *tests: str) -> ContractReport:
        report = examine(world, tests or tuple(CONTRACT))
        kept.append(report)
        if not report.passed:
            pytest.fail(report.told(), pytrace=False)
        return report

    return judged


def _peer(name: str) -> Any:
    """The fixture of one peer: its class, which is imported when a test asks for it."""

    def fixture() -> Any:
        from hub.sdk.testing import peers

        return getattr(peers, name)

    fixture.__doc__ = f"`hub.sdk.testing.peers.{name}`."
    return fixture


ilot_advert = pytest.fixture(name="ilot_advert")(_peer("advert"))
ilot_line = pytest.fixture(name="ilot_line")(_peer("Line"))
ilot_lorawan = pytest.fixture(name="ilot_lorawan")(_peer("Gateway"))
ilot_modbus = pytest.fixture(name="ilot_modbus")(_peer("ModbusServer"))
ilot_mbus = pytest.fixture(name="ilot_mbus")(_peer("MbusMeter"))
ilot_mqtt = pytest.fixture(name="ilot_mqtt")(_peer("MqttBroker"))
ilot_bacnet = pytest.fixture(name="ilot_bacnet")(_peer("BacnetDevice"))
ilot_knx = pytest.fixture(name="ilot_knx")(_peer("KnxInterface"))
