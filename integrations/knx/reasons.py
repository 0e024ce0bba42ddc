"""Descriptions of the counted events of KNX: reason -> English. Pure data."""

from __future__ import annotations

# ruff: noqa: E501 - a table is read across
PREFIX = "knx.reason-"
REASONS: dict[str, str] = {
    "knx-cannot-say": "A value that this datapoint type cannot say: check `dpt`",
    "knx-data-secure": "A KNX Data Secure telegram that does not open, or one in clear where none may be: export the keyring again",
    "knx-invalid": "The sender says that it has no value: look at the sensor",
    "knx-no-answer": "Nobody answers: set the read flag in ETS, or leave out `read` and `every`",
    "knx-no-release": "This group address cannot be let go of: write a value",
    "knx-no-status": "No status address to confirm the write: give `status`",
    "knx-no-type": "A group address without a type: give `dpt`",
    "knx-no-write": "A metric without an address to write to: give `write`",
    "knx-not-acknowledged": "Nobody on the bus acknowledged it: is the address right, the device on?",
    "knx-not-done": "The device did not take the value written: look at it",
    "knx-not-finite": "The sensor sends something else than a number: look at it",
    "knx-not-sent": "The interface did not send the question: look at the interface",
    "knx-overflow": "More telegrams than the hub can take: a loop between routers?",
    "knx-size": "A size that does not fit the `dpt` given: check `dpt`",
    "knx-unknown-group": "A group address that is known and not configured",
    "no-cemi": "A line without a telegram (cemi)",
    "no-type": "A group address whose type is not given",
    "not-l-data": "A message of the interface that is no telegram",
}
