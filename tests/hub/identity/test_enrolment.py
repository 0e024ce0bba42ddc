"""Enrolment: the secret's proof leaves only towards the owner whose root the token names."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.hubs.registry import Registry
from backend.owner import directory as owners
from backend.owner import pki
from backend.owner.key_files import owner_root
from backend.processes.ingest_process import Running, serving
from backend.processes.tls_listener import tls_context
from backend.storage.opening import open_storage
from hub.core.disk import atomic_files
from hub.core.errors import AuthFailed, ConfigError, HubError, NotReady, StorageError
from hub.core.state_dir import Held, StateDir
from hub.identity import enrolment, keys
from hub.identity.enrolment import enrol
from hub.protocol.documents.trust import sign_trust
from hub.protocol.enrolment import Token, https_address, make_csr, read_token
from hub.protocol.hub_id import hub_id

from ...serving import start_server


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[Running]:
    owners.init(tmp_path / "owner", owner="Ville")
    async with serving(tmp_path / "owner", port=0) as running:
        yield running


def issue(backend: Running, **change: Any) -> Token:
    storage = open_storage(backend.owner.database)
    token = Registry(storage).issue(
        url=backend.url, root=backend.owner.settings.root, name="n", now=time.time(), lifetime=60.0
    )
    storage.close()
    return msgspec.structs.replace(token, **change)


def empty(state: Path) -> bool:
    """Nothing that says this hub is enrolled was left."""
    return not any((state / name).exists() for name in ("enrolment.json", "trust.bin", enrolment.CERTIFICATE))


# -- the way it goes ---------------------------------------------------------------------------------------------


@pytest.mark.real("network")
async def test_a_token_gives_pinned_trust_keys_and_a_certificate(backend: Running, tmp_path: Path) -> None:
    state = tmp_path / "hub"
    enrolled = await enrol(str(issue(backend)), state, name="gymnase")
    read, trust = enrolment.load(state)
    hub_keys = keys.load(state / "keys", {})
    assert read == enrolled
    assert (read.hub, read.url, read.root) == (hub_keys.hub_id, backend.url, backend.owner.settings.root)
    assert trust == backend.owner.trust
    certificate = x509.load_pem_x509_certificate((state / enrolment.CERTIFICATE).read_bytes())
    assert certificate.subject.rfc4514_string() == f"CN={enrolled.hub}"
    assert json.loads((state / "enrolment.json").read_text()) == {
        "hub": read.hub,
        "url": read.url,
        "root": read.root,
    }
    for path in (state / "enrolment.json", state / "trust.bin", state / enrolment.CERTIFICATE):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.real("network")
async def test_keys_made_before_are_kept(backend: Running, tmp_path: Path) -> None:
    before = keys.create(tmp_path / "hub" / "keys").hub_id
    assert (await enrol(str(issue(backend)), tmp_path / "hub")).hub == before


@pytest.mark.real("network")
async def test_an_enrolled_hub_is_not_enrolled_again(backend: Running, tmp_path: Path) -> None:
    await enrol(str(issue(backend)), tmp_path / "hub")
    with pytest.raises(ConfigError, match="enrolled already"):
        await enrol(str(issue(backend)), tmp_path / "hub")


@pytest.mark.real("network")
async def test_a_state_directory_that_another_process_holds_is_not_enrolled_into(
    backend: Running, tmp_path: Path
) -> None:
    state = tmp_path / "hub"
    with StateDir(state).locked(), pytest.raises(Held, match="another hub"):
        await enrol(str(issue(backend)), state)
    assert not (state / "keys").exists()
    assert (await enrol(str(issue(backend)), state)).hub


@pytest.mark.real("network")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root enrols for another user")
async def test_what_root_enrols_is_the_hubs_users(backend: Running, tmp_path: Path) -> None:
    state = tmp_path / "hub"
    state.mkdir()
    os.chown(state, 12345, 12346)
    await enrol(str(issue(backend)), state)
    owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in state.rglob("*")}
    assert {"enrolment.json", "trust.bin", "keys", "identity.pem", "tls.pem", "store.key"} <= set(owners)
    assert owners == dict.fromkeys(owners, (12345, 12346))


# -- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.real("network")
async def test_a_used_token_is_refused_with_the_reason(backend: Running, tmp_path: Path) -> None:
    token = str(issue(backend))
    await enrol(token, tmp_path / "one")
    with pytest.raises(AuthFailed, match="used already: ask the backend's operator"):
        await enrol(token, tmp_path / "two")
    assert empty(tmp_path / "two")


@pytest.mark.real("network")
async def test_a_wrong_secret_is_refused(backend: Running, tmp_path: Path) -> None:
    with pytest.raises(AuthFailed, match="copy the token again") as raised:
        await enrol(str(issue(backend, secret=bytes(16))), tmp_path / "hub")
    said = raised.value.args[0].params["reason"]
    assert said.code == "token-proof-wrong", "the backend's reason keeps its code, and is said in the shell's language"
    assert empty(tmp_path / "hub")


async def test_an_expired_token_is_not_even_tried(tmp_path: Path) -> None:
    token = Token(url="https://localhost:1", root="00" * 32, id="x", secret=bytes(16), expires=100.0)
    with pytest.raises(AuthFailed, match="expired"):
        await enrol(str(token), tmp_path / "hub", now=lambda: 100.0)
    assert not (tmp_path / "hub").exists()


@pytest.mark.real("network")
async def test_a_backend_that_is_away_is_not_ready(tmp_path: Path) -> None:
    token = Token(url="https://127.0.0.1:1", root="00" * 32, id="x", secret=bytes(16), expires=2e12)
    with pytest.raises(NotReady, match=r"cannot reach https://127\.0\.0\.1:1"):
        await enrol(str(token), tmp_path / "hub")
    assert empty(tmp_path / "hub")


@pytest.mark.real("network")
async def test_a_host_that_trust_does_not_name_is_not_called(backend: Running, tmp_path: Path) -> None:
    port = backend.port
    narrow = msgspec.structs.replace(
        backend.owner.trust, egress=tuple(e for e in backend.owner.trust.egress if e.host != "127.0.0.1")
    )
    document = sign_trust(owner_root(backend.owner.directory / "root", backend.owner.settings.root), narrow)
    async with listening(tmp_path, document) as liar:
        token = issue(backend, url=liar.url)
        with pytest.raises(AuthFailed, match="does not let hubs call"):
            await enrol(str(token), tmp_path / "hub")
    assert liar.asked == ["/v1/trust"]
    assert port != liar.port


# -- who stands in between ---------------------------------------------------------------------------------------


class Liar:
    """A server that serves some trust document and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.bodies: list[bytes] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"


@asynccontextmanager
async def listening(
    root: Path, document: bytes, *, status: int = 200, answer: web.Response | None = None, owner: Path | None = None
) -> AsyncIterator[Liar]:
    """Serve `document` over TLS with a certificate of its own owner, or of `owner`."""
    liar = Liar()

    async def handle(request: web.Request) -> web.Response:
        liar.asked.append(request.path)
        if request.path == "/v1/trust":
            return web.Response(body=document, status=status)
        liar.bodies.append(await request.read())
        return answer or web.json_response({"error": "no"}, status=403)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    if owner is None and not (root / "liar").exists():
        owners.init(root / "liar", owner="Liar")
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls_context(owner or root / "liar"))
    await site.start()
    liar.port = runner.addresses[0][1]
    try:
        yield liar
    finally:
        await runner.cleanup()


@pytest.mark.real("network")
async def test_another_root_learns_no_proof(tmp_path: Path) -> None:
    made = owners.init(tmp_path / "liar", owner="Liar")
    async with listening(tmp_path, made.trust_document) as liar:
        token = Token(url=liar.url, root="11" * 32, id="x", secret=bytes(16), expires=2e12)
        with pytest.raises(AuthFailed, match="another owner root"):
            await enrol(str(token), tmp_path / "hub")
    assert liar.asked == ["/v1/trust"]
    assert empty(tmp_path / "hub")


@pytest.mark.real("network")
async def test_who_repeats_the_true_trust_under_another_certificate_learns_no_proof(tmp_path: Path) -> None:
    """The document is public: a proxy can fetch and serve it. Its certificate is not of the CA named inside."""
    true = owners.init(tmp_path / "true", owner="Ville")
    async with listening(tmp_path, b"") as probe:
        port = probe.port
    true = owners.serve_at(true, port)
    liar = Liar()

    async def handle(request: web.Request) -> web.Response:
        liar.asked.append(request.path)
        return web.Response(body=true.trust_document)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls_context(tmp_path / "liar")).start()
    try:
        token = Token(url=f"https://127.0.0.1:{port}", root=true.settings.root, id="x", secret=bytes(16), expires=2e12)
        with pytest.raises(AuthFailed, match="something stands between"):
            await enrol(str(token), tmp_path / "hub")
    finally:
        await runner.cleanup()
    assert liar.asked == ["/v1/trust"]
    assert empty(tmp_path / "hub")


@pytest.mark.real("network")
@pytest.mark.parametrize("document", [b"", b"<html>login</html>", bytes(300_000)])
async def test_a_captive_portal_is_named(tmp_path: Path, document: bytes) -> None:
    async with listening(tmp_path, document) as liar:
        token = Token(url=liar.url, root="11" * 32, id="x", secret=bytes(16), expires=2e12)
        with pytest.raises(AuthFailed, match="Îlot"):
            await enrol(str(token), tmp_path / "hub")


@pytest.mark.real("network")
@pytest.mark.parametrize("status", [302, 404, 500])
async def test_a_backend_that_does_not_serve_trust_is_not_ready(tmp_path: Path, status: int) -> None:
    async with listening(tmp_path, b"", status=status) as liar:
        token = Token(url=liar.url, root="11" * 32, id="x", secret=bytes(16), expires=2e12)
        with pytest.raises(NotReady, match=str(status)):
            await enrol(str(token), tmp_path / "hub")


class Impostor:
    """The owner's own server, gone wrong: its certificate and trust hold, its answer does not."""

    def __init__(self, directory: Path) -> None:
        self.owner = owners.init(directory, owner="Ville")

    async def answer(self, state: Path, make: Any) -> None:
        async def handle(request: web.Request) -> web.Response:
            if request.path == "/v1/trust":
                return web.Response(body=self.owner.trust_document)
            return make(json.loads(await request.read()))

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls_context(self.owner.directory))
            await site.start()
            port = runner.addresses[0][1]
            self.owner = owners.serve_at(self.owner, port)
            token = Token(
                url=f"https://127.0.0.1:{port}", root=self.owner.settings.root, id="x", secret=bytes(16), expires=2e12
            )
            await enrol(str(token), state)
        finally:
            await runner.cleanup()

    def certified(self, request: dict[str, Any], **change: Any) -> web.Response:
        hub = hub_id(base64.b64decode(request["identity"]))
        made = pki.make_hub_certificate(
            self.owner.ca, self.owner.ca_key, change.pop("csr", request["csr"].encode()), change.pop("name", hub)
        )
        right = {
            "hub": hub, "certificate": pki.pem(made).decode(),
            "trust": base64.b64encode(self.owner.trust_document).decode(),
        }  # fmt: skip
        return web.json_response({**right, **change})


@pytest.mark.real("network")
async def test_an_answer_that_is_right_is_taken(tmp_path: Path) -> None:
    impostor = Impostor(tmp_path / "owner")
    await impostor.answer(tmp_path / "hub", impostor.certified)
    assert enrolment.load(tmp_path / "hub")


@pytest.mark.real("network")
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": "hub-other"}, "another hub's certificate"),
        ({"csr": make_csr(pki.new_key(), "x")}, "another hub's certificate"),
        ({"hub": "hub-other"}, "another hub's certificate"),
        ({"certificate": "none"}, "without a certificate"),
        ({"certificate": 5}, "something other than an enrolment"),
        ({"trust": "AAAA"}, "not a trust document"),
        ({"trust": None}, "something other than an enrolment"),
    ],
)
async def test_an_answer_that_is_wrong_enrols_nothing(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    impostor = Impostor(tmp_path / "owner")
    with pytest.raises(AuthFailed, match=why):
        await impostor.answer(tmp_path / "hub", lambda request: impostor.certified(request, **change))
    assert empty(tmp_path / "hub")


@pytest.mark.real("network")
@pytest.mark.parametrize("body", [b"", b"[", b"[" * 50_000, b"\xff" * 100, bytes(2 << 20)])
async def test_noise_for_an_answer_enrols_nothing(tmp_path: Path, body: bytes) -> None:
    impostor = Impostor(tmp_path / "owner")
    with pytest.raises(AuthFailed, match="Îlot backend"):
        await impostor.answer(tmp_path / "hub", lambda request: web.Response(text=body.decode("latin-1")))
    assert empty(tmp_path / "hub")


@pytest.mark.real("network")
@pytest.mark.parametrize(("status", "error"), [(503, NotReady), (429, NotReady), (500, AuthFailed), (403, AuthFailed)])
async def test_a_refusal_is_told_by_who_must_act(tmp_path: Path, status: int, error: type[HubError]) -> None:
    impostor = Impostor(tmp_path / "owner")
    with pytest.raises(error, match=str(status)):
        await impostor.answer(tmp_path / "hub", lambda request: web.Response(status=status, text="x"))


@pytest.mark.real("network")
async def test_a_backend_that_never_answers_is_given_up(tmp_path: Path) -> None:
    owners.init(tmp_path / "owner", owner="x")

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            writer.close()

    server = await start_server(silent, "127.0.0.1", 0, ssl=tls_context(tmp_path / "owner"))
    port = server.sockets[0].getsockname()[1]
    token = Token(url=f"https://127.0.0.1:{port}", root="11" * 32, id="x", secret=bytes(16), expires=2e12)
    with pytest.raises(NotReady, match="does not answer"):
        await enrol(str(token), tmp_path / "hub", timeout_s=0.2)
    server.close()


# -- the state directory -----------------------------------------------------------------------------------------


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A hub's state directory as enrolment leaves it."""
    made = owners.init(tmp_path / "owner", owner="Ville")
    path = tmp_path / "hub"
    path.mkdir()
    (path / "trust.bin").write_bytes(made.trust_document)
    enrolled = enrolment.Enrolment(hub="hub-x", url="https://localhost:1", root=made.settings.root)
    (path / "enrolment.json").write_bytes(msgspec.json.encode(enrolled))
    return path


def signed(state: Path, **change: Any) -> bytes:
    owner = owners.load(state.parent / "owner")
    root = owner_root(owner.directory / "root", owner.settings.root)
    return sign_trust(root, msgspec.structs.replace(owner.trust, **change))


def test_a_newer_trust_takes_the_place_of_the_old(state: Path) -> None:
    assert enrolment.keep_trust(state, signed(state, version=2)).version == 2
    assert enrolment.load(state)[1].version == 2


def test_the_highest_version_seen_stays(state: Path) -> None:
    enrolment.keep_trust(state, signed(state, version=5))
    with pytest.raises(AuthFailed, match="older"):
        enrolment.keep_trust(state, signed(state, version=4))
    assert enrolment.load(state)[1].version == 5


def test_two_documents_of_one_version_are_not_both_believed(state: Path) -> None:
    with pytest.raises(AuthFailed, match="two different trust documents have version 1"):
        enrolment.keep_trust(state, signed(state, egress=()))
    assert enrolment.keep_trust(state, (state / "trust.bin").read_bytes()).version == 1


def test_trust_of_another_root_is_not_kept(state: Path, tmp_path: Path) -> None:
    other = owners.init(tmp_path / "other", owner="Other")
    with pytest.raises(AuthFailed, match="another owner root"):
        enrolment.keep_trust(state, other.trust_document)
    assert other.settings.root != enrolment.load(state)[0].root


@pytest.mark.parametrize("name", ["enrolment.json", "trust.bin"])
def test_what_is_missing_is_named_with_the_remedy(state: Path, name: str) -> None:
    (state / name).unlink()
    with pytest.raises(ConfigError, match=rf"{name} is missing.*ilot enroll"):
        enrolment.load(state)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"hub": "x", "url": "x", "root": "zz"}'])
def test_a_damaged_enrolment_is_a_clear_error(state: Path, content: bytes) -> None:
    (state / "enrolment.json").write_bytes(content)
    with pytest.raises(ConfigError, match="restore the state backup"):
        enrolment.load(state)


@pytest.mark.real("network")
async def test_a_disk_that_refuses_leaves_no_half_enrolment(
    backend: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = atomic_files.write_atomically

    def refuse(path: Path, data: bytes, **more: Any) -> None:
        if path.name == enrolment.CERTIFICATE:
            raise OSError(28, "No space left on device")
        real(path, data, **more)

    monkeypatch.setattr(atomic_files, "write_atomically", refuse)
    with pytest.raises(StorageError, match="No space left"):
        await enrol(str(issue(backend)), tmp_path / "hub")
    with pytest.raises(ConfigError, match="not enrolled"):
        enrolment.load(tmp_path / "hub")


# -- tokens ------------------------------------------------------------------------------------------------------

TOKEN = Token(url="https://data.example:8443", root="ab" * 32, id="x", secret=b"s" * 16, expires=1.0)


def test_a_token_survives_being_copied_over_several_lines() -> None:
    text = str(TOKEN)
    assert read_token(f"  {text[:40]}\n {text[40:]}\r\n") == TOKEN


def test_a_token_with_padding_reads_the_same() -> None:
    text = str(TOKEN)
    assert read_token(text + "=" * (-len(text.partition(".")[2]) % 4)) == TOKEN


@pytest.mark.parametrize(
    "change",
    [{"url": "http://x"}, {"url": "https://"}, {"url": "https://x/path"}, {"url": "https://u@x"}, {"root": "ab"},
     {"root": "zz" * 32}, {"secret": b"short"}, {"url": "https://x:99999"}],
)  # fmt: skip
def test_a_token_that_says_what_cannot_be_is_damaged(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="damaged"):
        read_token(str(msgspec.structs.replace(TOKEN, **change)))


@given(st.one_of(st.text(max_size=100), st.binary(max_size=100).map(lambda b: "ilot1." + base64.b64encode(b).decode())))
def test_text_that_is_no_token_gives_one_clear_error(text: str) -> None:
    with pytest.raises(ConfigError):
        read_token(text)


@given(at=st.integers(0, len(str(TOKEN)) - 1))
@settings(max_examples=60)
def test_a_token_cut_short_is_refused(at: int) -> None:
    with pytest.raises(ConfigError):
        read_token(str(TOKEN)[:at])


def test_the_secret_does_not_show_in_a_repr() -> None:
    assert "ssss" not in repr(TOKEN)


def test_addresses() -> None:
    assert https_address("https://h") == ("h", 443)
    assert https_address("https://[::1]:8443/") == ("::1", 8443)
