"""SunSpec over Modbus: devices that describe their own registers.

SunSpec Device Information Model Specification V1.1 (2022) and the models that the SunSpec Alliance publishes. After the
mark "SunS" come models, one behind the other, each with its number and its length; model 1 names the device, 0xFFFF
ends them.

models    the points of the models that are read, and the metrics they become
walk      mark → models, without I/O; no answer of a device makes it endless
points    models → registers to ask for; raw words with their scale factors → values
"""

from __future__ import annotations

from integrations.modbus.sunspec.points import Points as Points
from integrations.modbus.sunspec.walk import Found as Found
from integrations.modbus.sunspec.walk import discover as discover
