"""Peers for tests: the other end of a line, a radio or a network, on loopback and on a free port.

    line      Line: a serial line as a TCP port (`tcp://…`)
    adverts   advert, raw_advert: what a Bluetooth sensor broadcasts
    lorawan   Gateway, Node: a packet forwarder and a device of class A
    modbus    ModbusServer: Modbus TCP
    mbus      MbusMeter: an M-Bus slave behind a line
    mqtt      MqttBroker: mosquitto, and a client of aiomqtt to publish with
    bacnet    BacnetDevice: a BACnet/IP device of bacpypes3, in a process of its own
    knx       KnxInterface: knxd, with a bus of its own

What a peer needs beside the standard library is imported or started when it begins; where it lacks, `PeerMissing` names
the package. A peer `begin`s and `end`s as often as one likes, always on the same port, so that it can be away and come
back.
"""

from hub.sdk.testing.peers.adverts import advert, raw_advert
from hub.sdk.testing.peers.bacnet import BacnetDevice
from hub.sdk.testing.peers.knx import KnxInterface
from hub.sdk.testing.peers.line import Line
from hub.sdk.testing.peers.lorawan import Gateway, Node
from hub.sdk.testing.peers.mbus import MbusMeter
from hub.sdk.testing.peers.missing import PeerMissing
from hub.sdk.testing.peers.modbus import ModbusServer
from hub.sdk.testing.peers.mqtt import MqttBroker

__all__ = [
    "BacnetDevice", "Gateway", "KnxInterface", "Line", "MbusMeter", "ModbusServer", "MqttBroker", "Node",
    "PeerMissing", "advert", "raw_advert",
]  # fmt: skip
