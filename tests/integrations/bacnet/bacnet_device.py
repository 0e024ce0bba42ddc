"""A BACnet device by bacpypes3, in a process of its own: what the integration speaks with in these tests.

It prints {"port": N}, then obeys one JSON object a line:

    {"set": ["analog-input,1", "presentValue", 22.5]}    answers {"ok": true}
    {"flags": ["analog-input,1", [false, true, false, false]]}
    {"priority": ["analog-output,1", 5, 80.0]}
    {"get": ["analog-output,1", "priorityArray"]}        answers {"value": …}
    {"counts": true}                                     answers requests served so far, by name
    {"subscriptions": true}                              answers how many are held
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from typing import Any

from bacpypes3.apdu import AbortReason
from bacpypes3.app import Application
from bacpypes3.basetypes import BDTEntry, IPMode, PriorityValue, Segmentation, StatusFlags
from bacpypes3.errors import AbortException, ExecutionError, UnrecognizedService
from bacpypes3.local.analog import AnalogInputObject, AnalogOutputObject, AnalogValueObjectCmd
from bacpypes3.local.binary import BinaryInputObject, BinaryOutputObject
from bacpypes3.local.cov import GenericCriteria
from bacpypes3.local.device import DeviceObject
from bacpypes3.local.multistate import MultiStateInputObject, MultiStateOutputObject
from bacpypes3.local.networkport import NetworkPortObject
from bacpypes3.local.object import Object as Local
from bacpypes3.object import AccumulatorObject, BinaryValueObject, CharacterStringValueObject, LargeAnalogValueObject
from bacpypes3.pdu import IPv4Address


class Accumulator(Local, AccumulatorObject):
    pass


class Text(Local, CharacterStringValueObject):
    pass


class LargeAnalog(Local, LargeAnalogValueObject):
    pass


class StateInput(MultiStateInputObject):
    """bacpypes3 0.0.110 wants a COV increment of a multi-state object, which has none."""

    _cov_criteria = GenericCriteria


class StateOutput(MultiStateOutputObject):
    _cov_criteria = GenericCriteria


class BinaryValue(Local, BinaryValueObject):
    """Without COV."""


STATE = {"statusFlags": [0, 0, 0, 0], "eventState": "normal", "outOfService": False}


def objects(extra: int) -> list[Any]:
    made = [
        AnalogInputObject(
            objectIdentifier="analog-input,1", objectName="AHU supply temperature", presentValue=21.5,
            units="degreesCelsius", covIncrement=0.1, reliability="noFaultDetected", description="After the coil",
            **STATE,
        ),
        AnalogInputObject(
            objectIdentifier="analog-input,2", objectName="Outdoor temperature", presentValue=50.0,
            units="degreesFahrenheit", covIncrement=0.5, **STATE,
        ),
        AnalogInputObject(
            objectIdentifier="analog-input,3", objectName="Power", presentValue=12.5, units="kilowatts",
            covIncrement=0.1, **STATE,
        ),
        AnalogInputObject(
            objectIdentifier="analog-input,4", objectName="Unlabelled", presentValue=3.0, units="noUnits",
            covIncrement=0.1, **STATE,
        ),
        AnalogOutputObject(
            objectIdentifier="analog-output,1", objectName="Valve", presentValue=30.0, relinquishDefault=30.0,
            units="percent", covIncrement=1.0, **STATE,
        ),
        AnalogValueObjectCmd(
            objectIdentifier="analog-value,1", objectName="Setpoint", presentValue=20.0, relinquishDefault=20.0,
            units="degreesCelsius", covIncrement=0.1, **STATE,
        ),
        BinaryInputObject(
            objectIdentifier="binary-input,1", objectName="Fan status", presentValue="active", polarity="normal",
            activeText="Running", inactiveText="Stopped", **STATE,
        ),
        BinaryOutputObject(
            objectIdentifier="binary-output,1", objectName="Fan command", presentValue="inactive", polarity="normal",
            relinquishDefault="inactive", **STATE,
        ),
        BinaryValue(objectIdentifier="binary-value,1", objectName="Night mode", presentValue="inactive", **STATE),
        StateInput(
            objectIdentifier="multi-state-input,1", objectName="Mode", presentValue=2, numberOfStates=3,
            stateText=["Arrêt", "Chauffage", "Froid"], **STATE,
        ),
        StateOutput(
            objectIdentifier="multi-state-output,1", objectName="Speed", presentValue=1, numberOfStates=3,
            relinquishDefault=1, stateText=["off", "slow", "fast"], **STATE,
        ),
        Accumulator(
            objectIdentifier="accumulator,1", objectName="Meter", presentValue=12345, units="kilowattHours",
            scale={"integerScale": -1}, maxPresValue=2**31, **STATE,
        ),
        LargeAnalog(
            objectIdentifier="large-analog-value,1", objectName="Heat", presentValue=1234567.125, units="kilowattHours",
            **STATE,
        ),
        Text(objectIdentifier="characterstring-value,1", objectName="Message", presentValue="Tout va bien", **STATE),
    ]  # fmt: skip
    made += [
        AnalogInputObject(
            objectIdentifier=f"analog-input,{1000 + n}",
            objectName=f"Zone {n}",
            presentValue=float(n % 50),
            units="degreesCelsius",
            covIncrement=0.1,
            **STATE,
        )
        for n in range(extra)
    ]
    return made


def application(options: argparse.Namespace, counts: Counter[str]) -> Application:
    class Device(Application):
        async def indication(self, apdu: Any) -> None:
            counts[type(apdu).__name__] += 1
            if options.mute:
                return
            await super().indication(apdu)

        async def do_ReadPropertyMultipleRequest(self, apdu: Any) -> None:
            if options.no_multiple:
                raise UnrecognizedService("not here")
            if len(apdu.listOfReadAccessSpecs) > options.most:

                class TooMuch(AbortException):
                    abortReason = AbortReason.bufferOverflow

                raise TooMuch("too much at once")
            await super().do_ReadPropertyMultipleRequest(apdu)

        async def do_WritePropertyRequest(self, apdu: Any) -> None:
            if str(apdu.objectIdentifier[0]).endswith("input"):  # bacpypes3 would let it be written
                raise ExecutionError(errorClass="property", errorCode="writeAccessDenied")
            await super().do_WritePropertyRequest(apdu)

        async def do_SubscribeCOVRequest(self, apdu: Any) -> None:
            if options.no_cov:
                raise UnrecognizedService("not here")
            held = sum(len(one.cov_subscriptions) for one in self._cov_detections.values())
            if held >= options.subscriptions and apdu.lifetime is not None:
                raise ExecutionError(errorClass="resources", errorCode="noSpaceToAddListElement")
            await super().do_SubscribeCOVRequest(apdu)

    device = DeviceObject(
        objectIdentifier=f"device,{options.instance}",
        objectName=f"Device {options.instance}",
        vendorIdentifier=999,
        vendorName="Tests",
        modelName="Peer 1",
        firmwareRevision="1.2",
        applicationSoftwareVersion="1",
        maxApduLengthAccepted=1476,
        protocolVersion=1,
        protocolRevision=22,
        numberOfApduRetries=1,
        apduTimeout=500,
    )
    device.segmentationSupported = Segmentation(options.segmentation)
    port = NetworkPortObject(
        IPv4Address(f"{options.host}/8:{options.port}"), objectIdentifier="network-port,1", objectName="Port"
    )
    if options.bbmd:
        port.bacnetIPMode = IPMode.bbmd
        port.bbmdAcceptFDRegistrations = True
        port.bbmdForeignDeviceTable = []
        port.bbmdBroadcastDistributionTable = [BDTEntry(f"{options.host}:{options.port}")]
    return Device.from_object_list([device, port, *objects(options.extra)])


def obey(app: Application, order: dict[str, Any], counts: Counter[str]) -> dict[str, Any]:
    def find(name: str) -> Any:
        return next(obj for who, obj in app.objectIdentifier.items() if str(who) == name)

    if "set" in order:
        name, attribute, value = order["set"]
        setattr(find(name), attribute, value)
    elif "priority" in order:
        name, priority, value = order["priority"]
        find(name).priorityArray[priority - 1] = PriorityValue(real=value)
    elif "flags" in order:
        name, flags = order["flags"]
        find(name).statusFlags = StatusFlags([int(flag) for flag in flags])
    elif "get" in order:
        value = getattr(find(order["get"][0]), order["get"][1])
        if order["get"][1] == "priorityArray":
            value = [None if held._choice == "null" else str(getattr(held, held._choice)) for held in value]
        return {"value": value if isinstance(value, list) else str(value)}
    elif "counts" in order:
        return dict(counts)
    elif "subscriptions" in order:
        return {"held": sum(len(one.cov_subscriptions) for one in app._cov_detections.values())}
    return {"ok": True}


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.2")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--instance", type=int, default=1201)
    parser.add_argument("--extra", type=int, default=0)
    parser.add_argument("--most", type=int, default=10_000)
    parser.add_argument("--subscriptions", type=int, default=10_000)
    parser.add_argument("--segmentation", default="segmentedBoth")
    for flag in ("mute", "no-multiple", "no-cov", "bbmd"):
        parser.add_argument(f"--{flag}", action="store_true")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    app = application(options, counts)
    for layer in app.link_layers.values():
        await layer.server._local_transport_ready.wait()
    say({"port": options.port})
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        say(obey(app, json.loads(line), counts))
    app.close()


def say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
