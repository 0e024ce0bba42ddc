"""A line that a technicien adds: one integration more, with its serial line, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from hub.config.model import Core
from hub.core.errors import ConfigError
from hub.operations.config_changes.lines import new_line

CORE = Core.model_validate(
    {
        "integrations": {"modbus": {}, "modbus-2": {"type": "modbus"}},
        "buses": {"rs485": {"port": "/dev/ttyRS0"}},
    }
)


def test_the_first_of_its_type_has_its_name_and_each_further_one_a_number() -> None:
    assert new_line(CORE, {"type": "mbus", "options": {"bus": "rs485"}, "bus": {}}) == (
        "mbus", [{"path": ["integrations", "mbus"], "value": {"bus": "rs485"}}],
    )  # fmt: skip
    name, edits = new_line(CORE, {"type": "modbus", "options": {"host": "10.0.0.9", "port": 1502}, "bus": {}})
    assert (name, edits) == (
        "modbus-3",
        [{"path": ["integrations", "modbus-3"], "value": {"type": "modbus", "host": "10.0.0.9", "port": 1502}}],
    )


def test_a_serial_port_becomes_a_bus_of_its_own_that_the_integration_names() -> None:
    asked = {
        "type": "mbus",
        "options": {"bus": "new_line"},
        "bus": {"port": "/dev/ttyUSB0", "baudrate": 2400, "parity": "E", "option": "bus"},
    }
    assert new_line(CORE, asked)[1] == [
        {"path": ["buses", "rs485-2"], "value": {"port": "/dev/ttyUSB0", "baudrate": 2400, "parity": "E"}},
        {"path": ["integrations", "mbus"], "value": {"bus": "rs485-2"}},
    ]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"type": "modbus", "options": "host", "bus": {}},
        {"type": "modbus", "options": {}, "bus": []},
        {"type": "modbus", "options": dict.fromkeys("abcdefghi", 1), "bus": {}},
        {"type": "modbus", "options": {"bus": "x"}, "bus": {"port": "/dev/ttyRS0", "option": "bus"}},
    ],
)
def test_what_is_no_line_or_has_a_port_of_another_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        new_line(CORE, asked)
