"""Options of integrations that are units of metrics of a device's own."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from hub.config.validate import validate
from hub.core.ucum import is_ucum
from integrations.bacnet.settings import DeviceSettings as Bacnet
from integrations.bacnet.units import UCUM
from integrations.http_json.settings import DeviceSettings as HttpJson
from integrations.knx import points
from integrations.knx.settings import DeviceSettings as Knx
from integrations.modbus.settings import DeviceSettings as Modbus
from integrations.opcua.settings import DeviceSettings as OpcUa

OWN = {"metric": "wobble", "privacy": "technical"}


def settings(unit: str) -> dict[Any, dict[str, Any]]:
    own = {**OWN, "unit": unit}
    return {
        Bacnet: {"objects": {"analog-input:1": own}},
        HttpJson: {"hook": "w", "values": {"wobble": {"path": "w", "unit": unit, "privacy": "technical"}}},
        Knx: {"groups": {"1/2/3": {**own, "dpt": "9"}}},
        Modbus: {"registers": [{**own, "address": 1}]},
        OpcUa: {"nodes": {"ns=2;s=Wobble": own}},
    }


@pytest.mark.parametrize("model", [Bacnet, HttpJson, Knx, Modbus, OpcUa])
def test_a_unit_that_is_none_of_ucum_is_refused_when_the_configuration_is_read(model: Any) -> None:
    model.model_validate(settings("kW.h")[model])
    with pytest.raises(ValidationError, match=r"'kWh' is no unit of UCUM: write kW\.h"):
        model.model_validate(settings("kWh")[model])
    found: list[Any] = []
    assert validate(model, settings("wobbles")[model], ("settings",), "a device", found) is None
    assert [one.path[-1] for one in found] == ["unit"], "the place of the unit, not of all settings"


def test_the_tables_of_integrations_name_units_of_ucum() -> None:
    assert [unit for unit in UCUM.values() if not is_ucum(unit)] == []
    assert [point.dpt for point in points.POINTS.values() if point.unit is not None and not is_ucum(point.unit)] == []
