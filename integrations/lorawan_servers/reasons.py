"""Descriptions of the counted events of LoRaWAN servers: reason -> English. Pure data."""

from __future__ import annotations

from hub.sdk.phrases import phrase
from hub.sdk.sampling import Sampling

PREFIX = "lorawan_servers.reason-"
REASONS: dict[str, str] = {
    "bad-eui": "An impossible EUI in a message of the server",
    "bad-message": "A message of the server that lacks something",
    "bad-protobuf": "A message of the server in wrong encoding: set it to JSON",
    "counter-reset": "The device started over: a new battery; it is heard",
    "late": "A frame that came after a newer one",
    "message-too-long": "A message of the server longer than allowed",
    "mqtt-flood": "Too many messages of the broker at once, some of QoS 0 are lost",
    "mqtt-retained": "An old message that the broker kept, ignored",
    "no-downlink": "Writing takes a downlink that the pack knows: `ilot pack show` lists them",
    "payload-encrypted": "A frame that stayed sealed: the server lacks its AppSKey, give it to the server",
    "server-value": "A value of the server that is not of the kind expected",
    "server-uplink-mic": "The server: a frame that does not fit the key",
    "server-uplink-f-cnt-reset": "The server: the counter started over, a new battery?",
    "server-uplink-f-cnt-retransmission": "The server: a repetition of a frame",
    "server-uplink-codec": "The server: its codec failed",
    "server-downlink-codec": "The server: its codec for downlinks failed",
    "server-downlink-payload-size": "The server: a downlink too long for the radio rate",
    "server-downlink-gateway": "The server: the gateway could not send",
    "server-otaa": "The server does not let the device join: check its keys there",
    "server-*": "The server tells of an incident ({part}): see its log",
    "simulated": "A frame made up in the server's console, ignored",
    "state-full": "Too many devices to remember all: duplicates are possible after a restart",
    "topic-mismatch": "Topic and content are not of the same device, refused",
    "unknown-application": "An application of the server that is not in the configuration",
    "unknown-device-id": "An id that the server has not explained yet",
    "unknown-topic": "An unexpected topic: check `topic`",
}
SAMPLING = Sampling(
    reason="its-server",
    why=phrase(
        "lorawan_servers.commanded-by-its-server",
        "another network server commands it, and its airtime is not known here",
    ),
)
