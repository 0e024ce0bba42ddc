"""What a broker sends in one packet takes no more memory than may be kept of it, and is read to its end."""

from __future__ import annotations

import tracemalloc
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties, VariableByteIntegers

from hub.sdk.mqtt import MOST_PROPERTIES, PIECE, MqttClient, without_many_properties
from integrations.mqtt_devices import Config
from integrations.mqtt_devices.client import LONGEST_PACKET, Client
from integrations.mqtt_devices.paths import MAX_PAYLOAD

TOPIC = b"a/b"
SENT = 64 << 20
"""Bytes of the payload."""


class Broker:
    """Sends one message, as fast as it is taken. `most`: the most that was asked of it at once."""

    def __init__(self) -> None:
        length, left = bytearray(), 2 + len(TOPIC) + SENT
        self.left = left
        while left > 0x7F:
            length.append(left & 0x7F | 0x80)
            left >>= 7
        self._head = b"\x30" + bytes([*length, left]) + len(TOPIC).to_bytes(2, "big") + TOPIC
        self._payload = SENT
        self.most = 0

    def receive(self, bufsize: int) -> bytes:
        self.most = max(self.most, bufsize)
        if self._head:
            piece, self._head = self._head[:bufsize], self._head[bufsize:]
            return piece
        piece = bytes(min(bufsize, self._payload, 1 << 16))
        self._payload -= len(piece)
        return piece


def taken(client: Any) -> tuple[list[Any], int]:
    """The messages, and the most bytes of memory that reading them took."""
    got: list[Any] = []
    client._client.on_message = lambda _client, _userdata, message: got.append(message)
    tracemalloc.start()
    try:
        while not got:
            client._client._packet_read()
        return got, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_of_a_long_packet_so_much_is_kept_as_may_be_read_and_its_topic() -> None:
    client, broker = MqttClient("nowhere.example"), Broker()
    client._receive_any = broker.receive
    got, peak = taken(client)
    assert got[0].topic == TOPIC.decode()
    assert len(got[0].payload) <= client.LONGEST_PACKET + PIECE
    assert len(got[0].payload) > client.LONGEST_PACKET - PIECE, "long enough to be told that it is too long"
    assert peak < 4 * client.LONGEST_PACKET
    assert broker.most <= PIECE


async def test_a_payload_of_a_device_that_is_too_long_is_known_to_be_and_takes_no_memory() -> None:
    client, broker = Client(Config(host="nowhere.example")), Broker()
    client._receive = broker.receive
    client._asked = False

    def received(bufsize: int) -> bytes:
        client._asked = False
        return client._received(bufsize)

    client._client._sock_recv = received  # type: ignore[method-assign,assignment]
    got, peak = taken(client)
    assert got[0].topic == TOPIC.decode()
    assert MAX_PAYLOAD < len(got[0].payload) <= LONGEST_PACKET + PIECE
    assert peak < 8 * LONGEST_PACKET


@pytest.mark.parametrize("most", [0, 5, 100])
def test_what_is_cut_is_the_end(most: int) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client._in_packet["packet"] += bytes(range(50))
    MqttClient.cut(client, most)
    assert bytes(client._in_packet["packet"]) == bytes(range(50))[:most]


def packet(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + VariableByteIntegers.encode(len(body)) + body  # type: ignore[no-untyped-call]


def fed(client: Any, said: bytes) -> tuple[list[Any], MQTTErrorCode]:
    """The messages that a client takes out of a packet, and what came of the packet."""
    got: list[Any] = []
    left = bytearray(said)

    def receive(bufsize: int) -> bytes:
        piece = bytes(left[:bufsize])
        del left[:bufsize]
        return piece

    client._receive_any = receive
    client._client.on_message = lambda _client, _userdata, message: got.append(message)
    came = client._client._packet_read()
    assert not left
    return got, came


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("pairs", [0, 3, 1000, 5000])
async def test_a_message_is_read_without_its_properties_where_they_are_many(qos: int, pairs: int) -> None:
    client = MqttClient("nowhere.example", protocol=aiomqtt.ProtocolVersion.V5)
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if pairs:
        properties.UserProperty = [("name", f"{n:04}") for n in range(pairs)]
    told = properties.pack()  # type: ignore[no-untyped-call]
    number = b"\0\x07" * (qos > 0)
    body = len(TOPIC).to_bytes(2, "big") + TOPIC + number + told + b"payload"
    [message], _ = fed(client, packet(0x30 | qos << 1, body))
    assert (message.topic, message.payload, message.mid) == (TOPIC.decode(), b"payload", 7 * qos)
    kept = getattr(message.properties, "UserProperty", [])
    assert len(kept) == (pairs if len(told) <= MOST_PROPERTIES else 0)


async def test_a_packet_of_the_broker_itself_that_is_longer_than_any_ends_the_connection() -> None:
    client = MqttClient("nowhere.example", protocol=aiomqtt.ProtocolVersion.V5)
    pairs = b"\x26\0\1a\0\1b" * 5000
    properties = VariableByteIntegers.encode(len(pairs)) + pairs  # type: ignore[no-untyped-call]
    assert fed(client, packet(0x20, b"\0\0" + properties)) == ([], MQTTErrorCode.MQTT_ERR_PROTOCOL)
    assert fed(client, packet(0x20, b"\0\0\0")) == ([], MQTTErrorCode.MQTT_ERR_SUCCESS)


def test_properties_are_looked_for_also_in_what_was_cut_short() -> None:
    pairs = b"\x26\0\1a\0\1b" * 2000
    properties = VariableByteIntegers.encode(len(pairs)) + pairs  # type: ignore[no-untyped-call]
    whole = bytearray(len(TOPIC).to_bytes(2, "big") + TOPIC + b"\0\x07" + properties + b"payload")
    for length in range(len(TOPIC) + 12):
        for numbered in (False, True):
            without_many_properties(whole[:length], numbered=numbered)
    without_many_properties(whole, numbered=True)
    assert whole == len(TOPIC).to_bytes(2, "big") + TOPIC + b"\0\x07\0payload"
