"""The hub as a device: bacpypes3's stack over our sockets, with read services only."""

from __future__ import annotations

import asyncio
from typing import Any

from bacpypes3.apdu import ErrorRejectAbortNack, RejectPDU, UnconfirmedRequestPDU
from bacpypes3.app import Application
from bacpypes3.appservice import ApplicationServiceAccessPoint
from bacpypes3.basetypes import (
    COVSubscription,
    DeviceAddress,
    ListOfCOVSubscription,
    ObjectPropertyReference,
    ObjectTypesSupported,
    Recipient,
    RecipientProcess,
    Reliability,
    ServicesSupported,
    StatusFlags,
)
from bacpypes3.comm import bind
from bacpypes3.errors import ExecutionError
from bacpypes3.ipv4.bvll import BVLLCodec
from bacpypes3.ipv4.service import BIPNormal, UDPMultiplexer
from bacpypes3.local.analog import AnalogInputObject, AnalogValueObject
from bacpypes3.local.binary import BinaryInputObject, BinaryValueObject
from bacpypes3.local.cov import GenericCriteria
from bacpypes3.local.device import DeviceObject
from bacpypes3.local.multistate import MultiStateValueObject
from bacpypes3.netservice import NetworkServiceAccessPoint, NetworkServiceElement
from bacpypes3.pdu import IPv4Address

from plugins.bacnet_server.ears import Ears
from plugins.bacnet_server.points import (
    ANALOG_INPUT,
    ANALOG_VALUE,
    BINARY_INPUT,
    BINARY_VALUE,
    COMMUNICATION_FAILURE,
    DEVICE,
    MULTI_STATE_VALUE,
    NO_FAULT,
    Object,
)

READING = frozenset(
    ("ReadPropertyRequest", "ReadPropertyMultipleRequest", "SubscribeCOVRequest", "WhoIsRequest", "WhoHasRequest")
)
SUBSCRIPTIONS = 2000
FAILURES = 3
"""Consecutive notifications without an answer after which a subscription ends."""


TYPES = (ANALOG_INPUT, ANALOG_VALUE, BINARY_INPUT, BINARY_VALUE, DEVICE, MULTI_STATE_VALUE)


class HubObject(DeviceObject):  # type: ignore[misc]
    """The device object. bacpypes3 0.0.110 has no types in it, and forgets to ask for its subscriptions."""

    @property
    def protocolObjectTypesSupported(self) -> Any:  # noqa: N802 - the name of the property
        supported = ObjectTypesSupported([])
        for number in TYPES:
            supported[number] = 1
        return supported

    @protocolObjectTypesSupported.setter
    def protocolObjectTypesSupported(self, value: Any) -> None:  # noqa: N802
        """Ignored, as by the class above it."""


class StateObject(MultiStateValueObject):  # type: ignore[misc]
    """A multi-state object with a COV increment, which bacpypes3 0.0.110 expects although the standard has none."""

    _cov_criteria = GenericCriteria


class ValueObject(BinaryValueObject):  # type: ignore[misc]
    _cov_criteria = GenericCriteria


class Device(Application):  # type: ignore[misc]
    """The device: `Device(instance, name, ears)`; `objects` by the name of their series. `revision` counts the changes
    of its list of objects."""

    def __init__(self, instance: int, name: str, ears: Ears, revision: int = 1) -> None:
        super().__init__()
        self.things: dict[str, Any] = {}
        self._failed: dict[int, int] = {}
        device = HubObject(
            objectIdentifier=f"device,{instance}",
            objectName=name,
            vendorIdentifier=999,
            vendorName="Ilot",
            modelName="Ilot edge hub",
            firmwareRevision="1",
            applicationSoftwareVersion="1",
            protocolVersion=1,
            protocolRevision=16,  # 17 demands a Network Port object
            databaseRevision=revision,
            maxApduLengthAccepted=1476,
            numberOfApduRetries=1,
            apduTimeout=3000,
        )
        self.asap = ApplicationServiceAccessPoint(device, self.device_info_cache)
        self.nsap = NetworkServiceAccessPoint()
        self.nse = NetworkServiceElement()
        bind(self.nse, self.nsap)
        bind(self, self.asap, self.nsap)
        link, codec, multiplexer = BIPNormal(), BVLLCodec(), UDPMultiplexer()
        bind(link, codec, multiplexer.annexJ)
        bind(multiplexer, ears)
        self.nsap.bind(link, address=IPv4Address("127.0.0.1"))
        self.add_object(device)

    async def indication(self, apdu: Any) -> None:
        """Handle a request: services that do not read are rejected."""
        if type(apdu).__name__ in READING:
            await super().indication(apdu)
        elif not isinstance(apdu, UnconfirmedRequestPDU):
            await self.response(RejectPDU(reason="unrecognizedService", context=apdu))

    def get_services_supported(self) -> Any:
        names = ("readProperty", "readPropertyMultiple", "subscribeCOV", "whoIs", "whoHas")
        supported = ServicesSupported([])
        for name in names:
            supported[getattr(supported, name)] = 1
        return supported

    def changed(self, revision: int) -> None:
        """Say that the list of objects is another one now."""
        self.device_object.databaseRevision = revision

    def get_active_cov_subscriptions(self) -> Any:
        """Return the subscriptions; bacpypes3's device object asks for them by this name."""
        return ListOfCOVSubscription([_subscription(one) for one in self._held()])

    def _held(self) -> list[Any]:
        return [one for detection in self._cov_detections.values() for one in detection.cov_subscriptions]

    async def do_SubscribeCOVRequest(self, apdu: Any) -> None:  # noqa: N802 - bacpypes3 looks it up by this name
        who = (apdu.pduSource, apdu.subscriberProcessIdentifier, apdu.monitoredObjectIdentifier)
        if apdu.issueConfirmedNotifications is not None:  # else it ends one
            held = self._held()
            known = [one for one in held if (one.client_addr, one.proc_id, one.obj_id) == who]
            if len(held) >= SUBSCRIPTIONS and not known:
                raise ExecutionError(errorClass="resources", errorCode="noSpaceToAddListElement")
            for one in known:
                one.confirmed = apdu.issueConfirmedNotifications
            if apdu.lifetime is None:
                apdu.lifetime = 0  # for ever (Clause 13.14.1.4); bacpypes3 would fail on it
        await super().do_SubscribeCOVRequest(apdu)

    def cov_confirmation(self, cov: Any, future: Any) -> None:
        """Forget a subscriber that no longer answers; bacpypes3 would raise into the event loop."""
        refused = future.cancelled() or isinstance(future.exception(), ErrorRejectAbortNack)
        failures = self._failed[id(cov)] = self._failed.get(id(cov), 0) + 1 if refused else 0
        if not failures:
            self._failed.pop(id(cov), None)
        elif failures >= FAILURES and cov.obj_ref is not None:
            self._failed.pop(id(cov), None)
            self.cancel_subscription(cov)

    def show(self, name: str, one: Object, increment: float) -> None:
        """Add an object of this name, or update its description."""
        known = self.things.get(name)
        if known is not None:
            if tuple(map(int, known.objectIdentifier)) == (one.type, one.instance):
                known.description = one.about
                if one.type in (ANALOG_INPUT, ANALOG_VALUE):
                    known.units = one.units
                return
            for subscription in self._held():
                if subscription.obj_ref is known:
                    self.cancel_subscription(subscription)
            self.delete_object(known)
        self.things[name] = made = _object(name, one, increment)
        self.add_object(made)

    def say(self, name: str, value: float | None, reliability: int, texts: list[str] | None = None) -> None:
        """Set the present state of an object; `value` None leaves its value unchanged."""
        thing = self.things[name]
        if texts is not None and (thing.stateText is None or len(thing.stateText) != len(texts)):
            thing.numberOfStates = max(1, len(texts))
            thing.stateText = texts
        if value is not None and thing.presentValue != value:
            thing.presentValue = value
        if int(thing.reliability) != reliability:
            thing.reliability = Reliability(reliability)
            thing.statusFlags = StatusFlags([0, int(reliability != NO_FAULT), 0, 0])


def _subscription(one: Any) -> Any:
    """Return a subscription as the device object shows it (Clause 12.11.38)."""
    left = 0 if one.cancel_handle is None else one.cancel_handle.when() - asyncio.get_running_loop().time()
    shown: dict[str, Any] = {
        "recipient": RecipientProcess(
            recipient=Recipient(address=DeviceAddress(one.client_addr)), processIdentifier=one.proc_id
        ),
        "monitoredPropertyReference": ObjectPropertyReference(
            objectIdentifier=one.obj_id, propertyIdentifier="presentValue"
        ),
        "issueConfirmedNotifications": one.confirmed,
        "timeRemaining": 0 if one.cancel_handle is None else max(1, int(left)),  # 0: for ever
    }
    if isinstance(one.obj_ref, (AnalogInputObject, AnalogValueObject)):
        shown["covIncrement"] = one.obj_ref.covIncrement
    return COVSubscription(**shown)


def _object(name: str, one: Object, increment: float) -> Any:
    common: dict[str, Any] = {
        "objectName": name, "description": one.about, "statusFlags": [0, 1, 0, 0], "eventState": "normal",
        "outOfService": False, "reliability": Reliability(COMMUNICATION_FAILURE),
    }  # fmt: skip
    analog: dict[str, Any] = {"presentValue": 0.0, "units": one.units, "covIncrement": increment}
    kind, word, more = {
        ANALOG_INPUT: (AnalogInputObject, "analog-input", analog),
        ANALOG_VALUE: (AnalogValueObject, "analog-value", analog),
        BINARY_INPUT: (BinaryInputObject, "binary-input", {"presentValue": "inactive", "polarity": "normal"}),
        BINARY_VALUE: (ValueObject, "binary-value", {"presentValue": "inactive"}),
        MULTI_STATE_VALUE: (StateObject, "multi-state-value", {"presentValue": 1, "numberOfStates": 1}),
    }[one.type]
    return kind(objectIdentifier=f"{word},{one.instance}", **common, **more)
