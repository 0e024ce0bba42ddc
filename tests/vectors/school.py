"""Who speaks in the test vectors, and what they say: keys that everybody knows, a school's devices, their reports."""

from __future__ import annotations

import hashlib
import random

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from hub.core import password_hash
from hub.core.model import Position
from hub.protocol.documents.badges import Badge, Revoked
from hub.protocol.documents.recovery_key_file import RecipientKey, write_file
from hub.protocol.documents.trust import AckKey, BadgeKey, Egress, Recipient, Root, Trust
from hub.protocol.hub_id import hub_id
from hub.protocol.link_messages import key_id
from hub.protocol.records.bodies import ClockMark, Gap
from hub.protocol.records.rows import READINGS, Column, Row, Shape, Subject

START_S = 1_790_000_000
BOOT = bytes(range(0xB0, 0xC0))
LOST_RUN = bytes(range(0x40, 0x50))

CLIMATE = Shape(
    (
        Column("temperature", "Cel", "0.005", "number", "temperature", "measurement", "environment"),
        Column("humidity", "%", "0.0025", "number", "humidity", "measurement", "environment"),
    )
)
DOOR = Shape(
    (
        Column("door", "1", "1", "flag", "door", "", "personal"),
        Column("text", "1", "1", "text", "", "", "personal"),
        Column("battery", "%", "1", "number", "battery", "measurement", "technical"),
    )
)
METER = Shape((Column("energy", "kW.h", "0.001", "number", "energy", "total_increasing", "technical"),))
CLASS_1 = Subject("ble:A4:C1:38:00:00:01", "class-1", "school", "classrooms", "SJWS01LM", "bluetooth")
CLASS_2 = Subject("ble:A4:C1:38:00:00:02", "class-2", "school", "classrooms", "SJWS01LM", "bluetooth")
HALL = Subject("acme:42", "hall", "school", "circulation", "Ünïque ☂", "acme")
CART = Subject("acme:cart", "", "school", "", "", "acme")
MAIN = Subject("modbus:meter:1", "main-meter", "school", "plant", "EM24", "modbus")


def secret(name: str, size: int = 32) -> bytes:
    """Bytes that everybody knows: these keys are good for tests alone."""
    return hashlib.shake_256(b"ilot test vector: " + name.encode()).digest(size)


def run(name: str) -> bytes:
    return secret(f"run {name}", 16)


def recipient(role: str) -> tuple[RecipientKey, bytes]:
    lattice = MLKEM768PrivateKey.from_seed_bytes(secret(f"{role} ML-KEM-768", 64))
    return write_file(role, lattice, X25519PrivateKey.from_private_bytes(secret(f"{role} X25519")))


IDENTITY = ed25519.Ed25519PrivateKey.from_private_bytes(secret("identity"))
PUBLIC = IDENTITY.public_key().public_bytes_raw()
HUB = hub_id(PUBLIC)
STORE_KEY = secret("store")
ACK_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(secret("ack key"))
ACK_PUBLIC = ACK_KEY.public_key().public_bytes_raw()
ROOT = Root(
    ed25519.Ed25519PrivateKey.from_private_bytes(secret("root Ed25519")),
    mldsa.MLDSA65PrivateKey.from_seed_bytes(secret("root ML-DSA-65")),
)
INGEST, INGEST_FILE = recipient("ingest")
RECOVERY, RECOVERY_FILE = recipient("recovery")
TLS = ec.derive_private_key(int.from_bytes(secret("tls", 31), "big"), ec.SECP256R1())
TRUST = Trust(
    version=3,
    owner="Ville de Test",
    issued=float(START_S - 86_400),
    recipients=tuple(Recipient(key.kid, key.role, key.public) for key in (INGEST, RECOVERY)),
    ack_keys=(AckKey(key_id(ACK_PUBLIC), ACK_PUBLIC),),
    egress=(Egress(host="backend.example", port=8443, ca_pem="-----BEGIN CERTIFICATE-----\n"),),
)


def climate(who: Subject, second: float, temperature: float, humidity: float, rssi: int | None = -60) -> Row:
    return Row(who, CLIMATE, round((START_S + second) * 1000), True, (temperature, humidity), 0, 1, rssi)


SMALL: list[list[Row] | ClockMark] = [
    [climate(CLASS_1, 0, 21.37, 48.5), climate(CLASS_1, 60, 21.395, 48.4), climate(CLASS_2, 1.5, 19.5, 51.25, -71)],
    ClockMark(BOOT, START_S * 1000 - 5_000, 20, "ntp"),
]
_NOISE = random.Random(11)
TIGHT: list[list[Row] | ClockMark] = [
    [
        climate(place, 60 * turn + _NOISE.randrange(0, 9000) / 1000, _NOISE.randrange(4000, 4400) / 200, 48.5)
        for place in (CLASS_1, CLASS_2)
        for turn in range(12)
    ]
]
"""Noise: its columns are shorter with their highest planes cut to their bits."""
FIRST_RUN: list[list[Row] | ClockMark] = [
    [
        climate(CLASS_1, 0, -3.005, 100.0, None),
        climate(CLASS_1, 60, 21.395, 48.4, -128),
        climate(CLASS_2, 1.5, 19.5, 0.0025, -71),
        Row(MAIN, METER, START_S * 1000 + 7, True, (123_456_789.012,), 0, 2, None),
        Row(MAIN, METER, START_S * 1000 + 60_007, True, (123_456_789.013,), 1, 2, None),
        Row(HALL, DOOR, START_S * 1000, True, (True, "ouverte, 7° 🚪", 87), 0, 3, -90),
        Row(HALL, DOOR, START_S * 1000 + 1, True, (False, "", 86), 2, 3, -91),
        Row(HALL, DOOR, START_S * 1000 + 2, True, (False, "ouverte, 7° 🚪", 0), 0, 3, -91),
        Row(CART, DOOR, START_S * 1000, True, (True, "", -1), 0, 3, None, Position(48.8566, 2.3522, 4.5, 35.07)),
        Row(CART, DOOR, START_S * 1000 + 9, True, (True, "", -1), 0, 3, None, Position(-90.0, -180.0)),
    ],
    [
        Row(CLASS_1, CLIMATE, 61_000, False, (20.0, 50.0), 3, 1, -60),
        Row(CLASS_1, CLIMATE, 121_000, False, (20.005, 50.0025), 3, 1, -60),
    ],
    ClockMark(BOOT, START_S * 1000 - 5_000, 1_500, "rtc"),
    ClockMark(BOOT, START_S * 1000 - 5_003, 20, "ntp"),
    [
        Row(MAIN, METER, -(2**62), True, (9_007_199_254_740.991,), 0, 2, None),  # a difference beyond 64 bit
        Row(MAIN, METER, 2**62, True, (0.0,), 0, 2, None),
        Row(MAIN, METER, 2**62 + 2**61, True, (-0.001,), 0, 2, None),
    ],
]
FIRST_ALERTS: list[list[Row] | Gap] = [
    Gap(READINGS, LOST_RUN, 7, 2**40, 2**33, START_S - 900, START_S - 60, "evicted"),
    [Row(HALL, DOOR, START_S * 1000 + 2_000, True, (True, "porte forcée", 86), 0, 3, -91)],
]
SECOND_RUN: list[list[Row] | ClockMark] = [
    [
        climate(who, 600 + second, 20 + second / 40, 50 - second / 40)
        for who in (CLASS_1, CLASS_2)
        for second in range(9)
    ]
]
SUPERSEDED: list[list[Row] | ClockMark] = [
    [climate(CLASS_1, 0, 21.0, 40.0)],
    [climate(CLASS_1, 60, 22.0, 41.0)],  # its sync fails: sealed again in another segment
    [climate(CLASS_1, 120, 23.0, 42.0)],
]

BADGE_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(secret("badge key"))
FORMER_BADGE_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(secret("former badge key"))
FOREIGN_BADGE_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(secret("another district's badge key"))
PASSPHRASE = "K7M2Q-9XRTH"


def badge_key(key: ed25519.Ed25519PrivateKey) -> BadgeKey:
    public = key.public_key().public_bytes_raw()
    return BadgeKey(key_id(public), public)


TRUST_OF_BADGES = msgspec.structs.replace(
    TRUST, version=4, badge_keys=(badge_key(BADGE_KEY), badge_key(FORMER_BADGE_KEY))
)
"""While badges that the former key signed are still good, the owner names both."""
BADGE = Badge(
    id=secret("badge", 8),
    name="Dominique Martin",
    role="technicien",
    sites=("ecole-voltaire", "hub-pbw6fr2nn7yolxjw"),
    begin=START_S,
    until=START_S + 30 * 86_400,
    secret=password_hash.make(PASSPHRASE, secret("salt", 16)),
)
EVERYWHERE = Badge(
    id=secret("second badge", 8),
    name="Aïcha Ould-Énée",
    role="administrateur",
    sites=("*",),
    begin=START_S,
    until=START_S + 3_600,
    secret=password_hash.make(PASSPHRASE, secret("second salt", 16)),
)
REVOKED = Revoked(number=7, issued=START_S + 7_200, ids=(EVERYWHERE.id, secret("a third badge", 8)))
