"""An OPC UA server made of open62541 in a process of its own, certificates for it, a session that can be waited for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import hub
from hub.sdk.testing import FakeSession
from integrations.opcua import Config, child, identity
from tests.integrations.priority import as_others
from tests.ports import free_port

HERE = Path(__file__).parent
INSTALL = "install it with: apt-get install -y gcc libopen62541-1.4-dev"
NAMESPACE = "urn:test:boiler"


@pytest.fixture(autouse=True)
def _worker_as_others(monkeypatch: pytest.MonkeyPatch) -> None:
    real = child.own_command
    monkeypatch.setattr(child, "own_command", lambda: as_others(real()))
    monkeypatch.setattr(child, "START_S", 600.0)


class Session(FakeSession):
    """A session whose reports can be waited for."""

    def __init__(self) -> None:
        super().__init__("opcua", holds_keys=True)
        self._said = asyncio.Condition()
        self.running: list[asyncio.Task[None]] = []

    def put(self, device: str, nodes: dict[str, Any], namespace: str = "1") -> None:
        """Add or change a device."""
        settings = {"namespace": namespace, "nodes": nodes}
        self.devices.put(hub.Device(id=device, integration="opcua", place="p1", settings=settings))

    async def emit(self, *reports: hub.Report, **more: Any) -> None:
        async with self._said:
            await super().emit(*reports, **more)
            self._said.notify_all()

    async def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Raises what a run raised meanwhile."""

        async def wait() -> None:
            async with self._said:
                await self._said.wait_for(condition)

        waiting = asyncio.ensure_future(wait())
        done, _ = await asyncio.wait({waiting, *self.running}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
        for task in done:
            task.result()
        if not done:
            raise TimeoutError(f"not within {seconds} s; reported: {self.values()}")

    async def reported(self, metric: str, value: Any, seconds: float = 60) -> hub.Report:
        """The report that says so, once it is there."""

        def found() -> list[hub.Report]:
            return [r for r in self.reports if metric in r.values and r.values[metric] == value]

        await self.until(lambda: bool(found()), seconds)
        return found()[0]

    def values(self, device: str = "opcua:boiler") -> dict[str, Any]:
        """The last value of each metric."""
        return {metric: v for r in self.reports if r.device == device for metric, v in r.values.items()}


class Keys(NamedTuple):
    """A certificate and its key, as files, and the certificate as DER."""

    certificate: Path
    key: Path
    der: bytes

    @property
    def sha256(self) -> str:
        return identity.sha256(self.der)


def make_keys(directory: Path, name: str, *, bits: int = 2048, uri: str = NAMESPACE, days: int = 30) -> Keys:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri), x509.DNSName("localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=True,
                key_encipherment=True,
                data_encipherment=True,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False)
        .sign(key, hashes.SHA256())
    )
    der = certificate.public_bytes(serialization.Encoding.DER)
    files = directory / f"{name}.der", directory / f"{name}.key"
    files[0].write_bytes(der)
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    return Keys(*files, der)


class Peer:
    """A running open62541 server."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port = port
        self.url = f"opc.tcp://127.0.0.1:{port}"

    async def say(self, command: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n".encode())
        async with asyncio.timeout(60):
            return (await self._process.stdout.readline()).decode().strip()

    async def set(self, name: str, value: float, status: int = 0, seconds: float = 0.0) -> None:
        assert await self.say(f"set {name} {value} {status:x} {seconds}") == "Good"

    async def sessions(self) -> int:
        return int((await self.say("loads")).split()[0])

    async def items(self) -> int:
        """Monitored items that were ever made."""
        return int((await self.say("loads")).split()[1])

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


@pytest.fixture(scope="session")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled open62541 server."""
    if shutil.which("gcc") is None:
        pytest.fail(f"gcc is not on this machine; {INSTALL}")
    made = tmp_path_factory.mktemp("peer") / "peer"
    command = ["gcc", "-Wall", "-O1", str(HERE / "peer.c"), "-o", str(made), "-lopen62541"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.fail(f"the open62541 peer does not compile; {INSTALL}\n{built.stderr}")
    return made


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("keys"), "boiler")


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a hub that has its certificate already."""
    directory = tmp_path_factory.mktemp("ours")
    identity.load(directory)
    return directory


@pytest.fixture
async def serve(binary: Path) -> AsyncIterator[Callable[..., Coroutine[Any, Any, Peer]]]:
    """Start a server: `await serve()`, or with certificate and key, and the one client certificate it trusts."""
    running: list[Peer] = []

    async def start(keys: Keys | None = None, trusted: Path | None = None, port: int = 0, **env: str) -> Peer:
        port = port or free_port()
        files = [keys.certificate, keys.key, *([trusted] if trusted else [])] if keys else []
        process = await asyncio.create_subprocess_exec(
            str(binary),
            str(port),
            *map(str, files),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **env},
        )
        running.append(Peer(process, port))
        assert process.stdout is not None
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"ready\n", "the peer does not start"
        return running[-1]

    yield start
    for peer in running:
        await peer.kill()


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
async def start(session: Session) -> AsyncIterator[Callable[..., asyncio.Task[None]]]:
    """Start a run beside the test; it is cancelled, and must end, when the test ends."""
    tasks: list[asyncio.Task[None]] = []

    def begin(run: Any) -> asyncio.Task[None]:
        tasks.append(asyncio.ensure_future(run))
        session.running = [tasks[-1]]
        return tasks[-1]

    yield begin
    for task in tasks:
        task.cancel()
    async with asyncio.timeout(60):
        await asyncio.gather(*tasks, return_exceptions=True)


async def ended(run: Coroutine[Any, Any, None]) -> None:
    """A run that ends by itself. Raises what it raises."""
    async with asyncio.timeout(60):
        await run


def plain(peer: Peer, **options: Any) -> Config:
    """Without security: the peer is on this machine."""
    return Config(url=peer.url, security="none", **{"publishing": 0.1, "timeout": 60.0, **options})


def secure(peer: Peer, keys: Keys, ours: Path, **options: Any) -> Config:
    named = {"user": "ilot", "password": "secret", "trusted": (keys.sha256,), "directory": ours}
    return Config(url=peer.url, **{"publishing": 0.1, "timeout": 60.0, **named, **options})
