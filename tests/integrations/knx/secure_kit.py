"""The other end of KNX Secure, written for these tests from the standard's constructions: an ETS keyring, the server
side of a KNX IP Secure session (AN159), and secured telegrams (AN158). It shares no code with the product or with xknx.

It is no certified device: what it proves is that two implementations agree, and that the keyring's keys get to where
they belong.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from integrations.knx.sim.server import Peer, Server, frame, split

from ...serving import start_server

SESSION_REQUEST, SESSION_RESPONSE, AUTHENTICATE, STATUS, WRAPPER = 0x0951, 0x0952, 0x0953, 0x0954, 0x0950
SERIAL = b"\0\xfa\1\2\3\4"
HANDSHAKE_COUNTER = bytes(14) + b"\xff\x00"


def aes_cbc(key: bytes, iv: bytes, data: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def aes_ctr(key: bytes, counter: bytes, data: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def cbc_mac(key: bytes, block: bytes, associated: bytes, payload: bytes = b"") -> bytes:
    data = block + len(associated).to_bytes(2, "big") + associated + payload
    return aes_cbc(key, bytes(16), data + bytes(-len(data) % 16))[-16:]


def pbkdf2(text: str, salt: str) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", text.encode(), salt.encode(), 65_536, 16)


class KeyringFile:
    """An ETS keyring with one tunnel and the group keys given."""

    created = "2026-03-01T10:00:00"

    def __init__(self, password: str, *, user: str, authentication: str, groups: dict[str, bytes], sender: str) -> None:
        self._key = pbkdf2(password, "1.keyring.ets.knx.org")
        self._iv = hashlib.sha256(self.created.encode()).digest()[:16]
        root = self.root = ElementTree.Element(
            "Keyring", {"Project": "École", "CreatedBy": "ETS 6", "Created": self.created}
        )
        tunnel = ElementTree.SubElement(
            root,
            "Interface",
            {
                "IndividualAddress": "1.1.251",
                "Type": "Tunneling",
                "Host": "1.1.250",
                "UserID": "2",
                "Password": self._password(user),
                "Authentication": self._password(authentication),
            },
        )
        for address in groups:
            ElementTree.SubElement(tunnel, "Group", {"Address": self._number(address), "Senders": sender})
        ElementTree.SubElement(
            root,
            "Backbone",
            {
                "MulticastAddress": "224.0.23.12",
                "Latency": "2000",
                "Key": base64.b64encode(aes_cbc(self._key, self._iv, bytes(range(16)))).decode(),
            },
        )
        listed = ElementTree.SubElement(root, "GroupAddresses")
        for address, key in groups.items():
            sealed = base64.b64encode(aes_cbc(self._key, self._iv, key)).decode()
            ElementTree.SubElement(listed, "Group", {"Address": self._number(address), "Key": sealed})
        devices = ElementTree.SubElement(root, "Devices")
        ElementTree.SubElement(devices, "Device", {"IndividualAddress": sender, "SequenceNumber": "100"})
        root.set("Signature", base64.b64encode(self._signature()).decode())

    def write(self, path: Path) -> Path:
        self.root.set("xmlns", "http://knx.org/xml/keyring/1")
        path.write_bytes(b'<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(self.root, "utf-8"))
        return path

    def _password(self, text: str) -> str:
        plain = os.urandom(8) + text.encode()
        padding = 16 - len(plain) % 16
        return base64.b64encode(aes_cbc(self._key, self._iv, plain + bytes([padding] * padding))).decode()

    @staticmethod
    def _number(address: str) -> str:
        main, middle, sub = map(int, address.split("/"))
        return str(main << 11 | middle << 8 | sub)

    def _signature(self) -> bytes:
        def text(value: str) -> bytes:
            return bytes([len(value.encode())]) + value.encode()

        def walk(element: ElementTree.Element) -> Iterator[bytes]:
            yield b"\1" + text(element.tag)
            for name in sorted(element.attrib):
                yield text(name) + text(element.attrib[name])
            for child in element:
                yield from walk(child)
            yield b"\2"

        data = b"".join(walk(self.root)) + text(base64.b64encode(self._key).decode())
        return hashlib.sha256(data).digest()[:16]


def secured(cemi: bytes, key: bytes, sequence: int) -> bytes:
    """An L_Data frame whose APDU is encrypted and authenticated (AN158, CCM with a MAC of four octets)."""
    start = 2 + cemi[1]
    control, addresses, apdu = cemi[start : start + 2], cemi[start + 2 : start + 6], cemi[start + 7 :]
    counter, scf = sequence.to_bytes(6, "big"), b"\x10"
    plain = bytes([apdu[0] & 0x03]) + apdu[1:]
    block = counter + addresses + bytes((0, control[1] & 0x8F, apdu[0] & 0xFC | 3, 0xF1, 0, len(plain)))
    mac = cbc_mac(key, block, scf, plain)[:4]
    stream = counter + addresses + b"\0\0\0\0\1\0"
    # one key stream: its first four octets are for the MAC, the payload goes on from there
    mixed = aes_ctr(key, stream, mac + plain)
    body = bytes((apdu[0] & 0xFC | 3, 0xF1)) + scf + counter + mixed[4:] + mixed[:4]
    extended = bytes((control[0] & 0x7F, control[1]))
    return cemi[:start] + (control if len(body) <= 16 else extended) + addresses + bytes([len(body) - 1]) + body


class SecureInterface:
    """A KNX/IP interface that takes only secure sessions, on TCP; over UDP it describes itself."""

    def __init__(self, user: str, authentication: str) -> None:
        self._user = pbkdf2(user, "user-password.1.secure.ip.knx.org")
        self._authentication = pbkdf2(authentication, "device-authentication-code.1.secure.ip.knx.org")
        self.heard: list[bytes] = []
        self.server: Server | None = None
        self.port = 0
        self._sessions: dict[Peer, Session] = {}

    def hear(self, cemi: bytes) -> list[bytes]:
        self.heard.append(cemi)
        return []

    async def __aenter__(self) -> SecureInterface:
        self._listener = await start_server(self._connected, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        server = self.server = Server(self.hear, "127.0.0.1", self.port, name="secure")

        class Describe(asyncio.DatagramProtocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                for service, body in split(data):
                    for _, answer in server.receive(service, body, Peer(addr)):
                        self.transport.sendto(answer, addr)  # type: ignore[attr-defined]

        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(Describe, local_addr=("127.0.0.1", self.port))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._udp.close()
        self._listener.close()
        for peer in list(self._sessions):
            peer.key.close()

    def say(self, cemi: bytes) -> None:
        """A telegram of the bus, to every tunnel."""
        assert self.server is not None
        for peer, data in self.server.spread(cemi):
            self._sessions[peer].send(data)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self.server is not None
        peer, waiting = Peer(writer, tcp=True), b""
        session = self._sessions[peer] = Session(writer, self._user, self._authentication)
        try:
            while data := await reader.read(4096):
                waiting += data
                for service, body in split(waiting):
                    waiting = waiting[6 + len(body) :]
                    for inner, content in session.receive(service, body):
                        for to, answer in self.server.receive(inner, content, peer):
                            self._sessions[to].send(answer)
        except OSError:
            pass
        finally:
            self.server.gone(peer)
            del self._sessions[peer]
            writer.close()


class Session:
    """The server side of one secure session."""

    number = 1

    def __init__(self, writer: asyncio.StreamWriter, user: bytes, authentication: bytes) -> None:
        self._writer = writer
        self._user, self._authentication = user, authentication
        self._key = b""
        self._mixed = b""
        self._open = False
        self._sequence = 0

    def receive(self, service: int, body: bytes) -> list[tuple[int, bytes]]:
        """What the client said inside of the session, once it is authenticated."""
        if service == SESSION_REQUEST:
            self._answer(body[8:40])
            return []
        assert service == WRAPPER, f"service {service:#06x} in clear"
        [(inner, content)] = split(self._opened(body))
        if inner == AUTHENTICATE:
            self._authenticate(content)
            return []
        if inner == STATUS:  # keep-alive, or its end
            return []
        assert self._open, "something is said before it is known by whom"
        return [(inner, content)]

    def _answer(self, theirs: bytes) -> None:
        own = X25519PrivateKey.generate()
        public = own.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._key = hashlib.sha256(own.exchange(X25519PublicKey.from_public_bytes(theirs))).digest()[:16]
        self._mixed = bytes(a ^ b for a, b in zip(theirs, public, strict=True))
        head = bytes.fromhex("061009520038") + self.number.to_bytes(2, "big")
        mac = cbc_mac(self._authentication, bytes(16), head + self._mixed)
        sealed = aes_ctr(self._authentication, HANDSHAKE_COUNTER, mac)
        self._writer.write(frame(SESSION_RESPONSE, self.number.to_bytes(2, "big") + public + sealed))

    def _authenticate(self, content: bytes) -> None:
        associated = bytes.fromhex("061009530018") + content[:2] + self._mixed
        expected = aes_ctr(self._user, HANDSHAKE_COUNTER, cbc_mac(self._user, bytes(16), associated))
        self._open = expected == content[2:18] and content[1] == 2
        self.send(frame(STATUS, bytes((0 if self._open else 1, 0))))

    def _opened(self, body: bytes) -> bytes:
        nonce, sealed, mac = body[2:16], body[16:-16], body[-16:]
        plain_mac, plain = aes_ctr(self._key, nonce + b"\xff\x00", mac), b""
        plain = aes_ctr(self._key, nonce + b"\xff\x00", bytes(16) + sealed)[16:]
        head = struct.pack(">BBHH", 6, 0x10, WRAPPER, 6 + len(body)) + body[:2]
        assert cbc_mac(self._key, nonce + len(plain).to_bytes(2, "big"), head, plain) == plain_mac, "a wrong MAC"
        return plain

    def send(self, plain: bytes) -> None:
        nonce = self._sequence.to_bytes(6, "big") + SERIAL + bytes(2)
        self._sequence += 1
        number = self.number.to_bytes(2, "big")
        head = struct.pack(">BBHH", 6, 0x10, WRAPPER, 6 + 32 + len(plain)) + number
        mac = cbc_mac(self._key, nonce + len(plain).to_bytes(2, "big"), head, plain)
        sealed = aes_ctr(self._key, nonce + b"\xff\x00", mac + plain)
        self._writer.write(frame(WRAPPER, number + nonce + sealed[16:] + sealed[:16]))
