"""Enrolment, the hub's side: one token text in; pinned trust, own keys and a certificate in the state directory out.

    token  = "ilot1." + base64url of JSON {url, root, id, secret, expires}        (padding optional)
             root: hex fingerprint of the owner root · secret: base64, 16 bytes · expires: Unix seconds
    proof  = HMAC-SHA256(secret, lp(identity public key, certificate request))
    signature = IDENTITY over lp("ilot/enrol/1\\0", token id, certificate request): asked of a hub that the backend
             knows already, so that a token and another hub's public key are not enough for a certificate in its name
    renewal, of the certificate alone, later: IDENTITY signs lp("ilot/renew/1\\0", backend's nonce, hub, request)

Order matters: the first connection fetches only TRUST, over unverified TLS. Only if the owner root's fingerprint
matches the token's does the hub pin the CA that TRUST names for this host, connect again with verification, and send
its proof. A man in the middle learns neither the secret nor a proof made with it.

    state directory    keys/ · trust.bin · tls.crt · enrolment.json {hub, url, root}, written last, so that it says
                       the rest is there
"""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.exceptions import InvalidSignature

from hub.core import tls
from hub.core.disk import atomic_files
from hub.core.errors import AuthFailed, ConfigError, NotReady, StorageError
from hub.core.nesting import shallow_json
from hub.core.state_dir import StateDir
from hub.core.text import Phrase, from_codes, phrase, reason_of, system_error
from hub.identity import keys
from hub.protocol.documents.trust import MAX_DOCUMENT, Egress, Trust, egress_of, read_trust
from hub.protocol.enrolment import Token, enrolment_statement, https_address, make_csr, read_token, token_proof

if TYPE_CHECKING:
    import aiohttp
    from cryptography.hazmat.primitives.asymmetric import ec

CERTIFICATE = "tls.crt"
_MAX_REPLY = 1 << 20
_TIMEOUT_S = 30.0


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """Content of enrolment.json: this hub's id, its backend's URL, the pinned fingerprint of the owner root in hex."""

    hub: str
    url: str
    root: str


class _Answer(msgspec.Struct):
    hub: str
    certificate: str
    trust: bytes


def load(state: Path) -> tuple[Enrolment, Trust]:
    """Load what an earlier `enrol` stored in the state directory.

    Raises ConfigError when there is nothing, AuthFailed when trust.bin was not signed by the pinned root.
    """
    try:
        enrolment = msgspec.json.decode((state / "enrolment.json").read_bytes(), type=Enrolment)
        document, root = (state / "trust.bin").read_bytes(), bytes.fromhex(enrolment.root)
    except FileNotFoundError as error:
        raise ConfigError(
            phrase(
                "hub-not-enrolled",
                "this hub is not enrolled ({file} is missing): `ilot enroll TOKEN`",
                file=error.filename,
            )
        ) from None
    except PermissionError:
        raise ConfigError(
            phrase(
                "enrolment-state-of-another-user",
                "the enrolment in {state} may not be read by this user: try again as the hub's user, or as root",
                state=state,
            )
        ) from None
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise ConfigError(
            phrase(
                "enrolment-state-unreadable",
                "cannot read the enrolment in {state} ({reason}): restore the state backup",
                state=state,
                reason=reason_of(error),
            )
        ) from error
    return enrolment, read_trust(document, root)


def keep_trust(state: Path, document: bytes) -> Trust:
    """Replace the stored TRUST by a newer one, after verifying it against the pinned root.

    Raises AuthFailed when it is refused, is older, or is another one of the same version; StorageError from the disk.
    """
    enrolment, known = load(state)
    trust = read_trust(document, bytes.fromhex(enrolment.root), at_least_version=known.version)
    if trust.version == known.version:
        if trust != known:
            raise AuthFailed(
                phrase(
                    "trust-two-of-one-version",
                    "two different trust documents have version {version}: the owner signs one with a higher version",
                    version=trust.version,
                )
            )
        return known
    _write(state / "trust.bin", document)
    return trust


async def enrol(
    text: str,
    state: Path,
    *,
    name: str = "",
    now: Callable[[], float] | None = None,
    timeout_s: float = _TIMEOUT_S,
    proxy: str | None = None,
    by_tpm: bool = False,
) -> Enrolment:
    """Enrol this hub with a token, creating its keys if there are none.

    `by_tpm`: this machine's TPM holds the keys. `proxy` is the URL of an HTTP proxy. `now` and `timeout_s` in seconds.

    Raises ConfigError (token, state directory), AuthFailed (another root, certificate or refusal), NotReady
    (unreachable), StorageError, also when another process holds the state directory. A hub that is enrolled already is
    not enrolled again. What root writes is the owner's of the state directory.
    """
    token = _token(text, now)
    refuse_enrolled(state)
    with StateDir(state).locked():
        refuse_enrolled(state)
        return await _enrol(token, state, keys_of(state, by_tpm=by_tpm), name, timeout_s, proxy)


async def enrol_held(
    text: str,
    state: Path,
    *,
    name: str = "",
    proxy: str | None = None,
    by_tpm: bool = False,
    now: Callable[[], float] | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> Enrolment:
    """Enrol as `enrol` does, for whoever holds the lock of the state directory already: a hub that waits for this."""
    token = _token(text, now)
    refuse_enrolled(state)
    return await _enrol(token, state, keys_of(state, by_tpm=by_tpm), name, timeout_s, proxy)


def _token(text: str, now: Callable[[], float] | None) -> Token:
    """Read a token. Raises ConfigError; AuthFailed when it has expired by this machine's clock."""
    token = read_token(text)
    if (at := (now or time.time)()) >= token.expires:
        raise AuthFailed(
            phrase(
                "token-expired",
                "this token has expired: ask the backend's operator for a new one, or set this machine's "
                "clock, which says {today}",
                today=datetime.fromtimestamp(at, UTC).date(),
            )
        )
    return token


def keys_of(state: Path, *, by_tpm: bool = False) -> keys.HubKeys:
    """Return the keys in a state directory, made now if there are none. Raises as `hub.identity.keys` does."""
    directory = state / "keys"
    if not directory.exists():
        return keys.create(directory, by_tpm=by_tpm)
    if by_tpm and not keys.held_by_tpm(directory):
        raise ConfigError(
            phrase(
                "key-files-already-there",
                "{directory} holds key files already: `ilot keys seal` has the TPM hold them",
                directory=directory,
            )
        )
    return keys.load(directory)


async def _enrol(
    token: Token, state: Path, hub_keys: keys.HubKeys, name: str, timeout_s: float, proxy: str | None
) -> Enrolment:
    import aiohttp

    limits = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with aiohttp.ClientSession(timeout=limits, trust_env=False, proxy=proxy) as session:
            trust = await _fetch_trust(session, token)
            answer = await _ask(session, token, trust, hub_keys, name)
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
        why = tls.refusal(error)
        if why is None:
            raise AuthFailed(
                phrase(
                    "no-tls13",
                    "no TLS 1.3 with {url} ({reason}): something on the way takes part in TLS, or this is not "
                    "the backend's port",
                    url=token.url,
                    reason=reason_of(error),
                )
            ) from error
        raise AuthFailed(
            phrase(
                "certificate-refused",
                "{server} shows a certificate that is refused: {reason}",
                server=token.url,
                reason=why.told_of_owner(),
            )
        ) from error
    except (aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError) as error:
        says = getattr(error, "status", None) or phrase(
            "no-answer", "no answer"
        )  # not str(error), which contains the credentials
        raise NotReady(
            phrase(
                "not-reached-through-proxy",
                "cannot reach {url} through the proxy ({answer}): see link.proxy",
                url=token.url,
                answer=says,
            )
        ) from None
    except aiohttp.ClientConnectorDNSError as error:
        raise NotReady(
            phrase(
                "backend-name-not-found",
                "{host} is not found: no name server of this network knows it, or none answers; whoever runs the "
                "network looks at its DNS",
                host=error.host,
            )
        ) from error
    except aiohttp.ClientConnectorError as error:
        reason = system_error(error.os_error)
        raise NotReady(phrase("cannot-reach", "cannot reach {url}: {reason}", url=token.url, reason=reason)) from error
    except TimeoutError as error:
        raise NotReady(
            phrase(
                "does-not-answer-within",
                "{server} does not answer within {seconds:g} s",
                server=token.url,
                seconds=timeout_s,
            )
        ) from error
    except (aiohttp.ClientError, OSError) as error:
        raise NotReady(
            phrase("cannot-reach", "cannot reach {url}: {reason}", url=token.url, reason=reason_of(error))
        ) from error
    check_certificate(answer.certificate, answer.hub, hub_keys)
    read_trust(answer.trust, bytes.fromhex(token.root), at_least_version=trust.version)
    enrolment = Enrolment(hub=answer.hub, url=token.url.rstrip("/"), root=token.root.lower())
    keep(state, enrolment, answer.trust, answer.certificate)
    return enrolment


def keep(state: Path, enrolment: Enrolment, trust: bytes, certificate: str) -> None:
    """Write down an enrolment that was judged; enrolment.json comes last. Raises StorageError."""
    _write(state / "trust.bin", trust)
    _write(state / CERTIFICATE, certificate.encode())
    try:
        atomic_files.hand_over_all(state)
    except OSError as error:
        raise StorageError(
            phrase(
                "state-owner-unchangeable",
                "{state} cannot be given to the user of the hub: {reason}",
                state=state,
                reason=system_error(error),
            )
        ) from error
    _write(state / "enrolment.json", msgspec.json.format(msgspec.json.encode(enrolment)))


def refuse_enrolled(state: Path) -> None:
    """Raises ConfigError when the hub of a state directory is enrolled."""
    if (state / "enrolment.json").exists():
        raise ConfigError(
            phrase(
                "already-enrolled",
                "{state} is enrolled already; a new enrolment needs an empty state directory",
                state=state,
            )
        )


async def _fetch_trust(session: aiohttp.ClientSession, token: Token) -> Trust:
    unverified = tls.unverified(ssl.TLSVersion.TLSv1_3)  # TRUST is signed itself, and nothing secret is sent
    async with session.get(f"{token.url}/v1/trust", ssl=unverified, allow_redirects=False) as reply:
        if reply.status != 200:
            raise NotReady(
                phrase(
                    "trust-document-not-served",
                    "{url} answers {status} when asked for its trust document",
                    url=token.url,
                    status=reply.status,
                )
            )
        document = await _read(reply, MAX_DOCUMENT)
    return read_trust(document, bytes.fromhex(token.root))


def expect_egress(trust: Trust, host: str, port: int) -> Egress:
    """Return what the trust document says of a host. Raises AuthFailed when it does not let hubs call it."""
    egress = egress_of(trust, host, port)
    if egress is None:
        raise AuthFailed(
            phrase(
                "trust-forbids-call",
                "the owner's trust document does not let hubs call {host}:{port}: the owner adds it",
                host=host,
                port=port,
            )
        )
    return egress


async def _ask(
    session: aiohttp.ClientSession, token: Token, trust: Trust, hub_keys: keys.HubKeys, name: str
) -> _Answer:
    host, port = https_address(token.url)
    egress = expect_egress(trust, host, port)
    try:
        pinned = tls.client(egress.ca_pem, oldest=ssl.TLSVersion.TLSv1_3)
    except (ssl.SSLError, ValueError) as error:
        raise AuthFailed(
            phrase(
                "trust-ca-unreadable",
                "the trust document's CA for {host} cannot be read: the owner signs a correct one",
                host=host,
            )
        ) from error
    csr = make_csr(certificate_key(hub_keys), hub_keys.hub_id)
    body: dict[str, Any] = {
        "token_id": token.id,
        "identity": base64.b64encode(hub_keys.identity_public).decode(),
        "csr": csr.decode(),
        "name": name,
        "mac": base64.b64encode(token_proof(token.secret, hub_keys.identity_public, csr)).decode(),
        "signature": base64.b64encode(hub_keys.identity.sign(enrolment_statement(token.id, csr))).decode(),
    }
    async with session.post(f"{token.url}/v1/enroll", json=body, ssl=pinned, allow_redirects=False) as reply:
        data = await _read(reply, _MAX_REPLY)
    if reply.status in {429, 503}:
        raise NotReady(
            phrase("backend-busy", "{url} is busy ({status}); try again", url=token.url, status=reply.status)
        )
    if reply.status != 200:
        raise AuthFailed(
            phrase(
                "enrolment-refused",
                "the backend refuses this enrolment ({status}): {reason}",
                status=reply.status,
                reason=_reason(data),
            )
        )
    try:
        return msgspec.json.decode(shallow_json(data), type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AuthFailed(
            phrase(
                "answer-not-an-enrolment",
                "{url} answers something other than an enrolment: is it an Îlot backend?",
                url=token.url,
            )
        ) from error


def check_certificate(
    pem: str, hub: str, hub_keys: keys.HubKeys, *, cas: Iterable[str] | None = None, after: float = 0.0
) -> None:
    """Raise AuthFailed unless this is a certificate for our key in our name.

    With `cas` (PEM), for a certificate from an unauthenticated source: one of them must have issued it, and it must end
    later than `after`, Unix seconds.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise AuthFailed(
            phrase(
                "enrolled-without-certificate",
                "the backend answered without a certificate; its operator looks at its log",
            )
        ) from error
    encoding = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ours = certificate_key(hub_keys).public_key().public_bytes(*encoding)
    named = [str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    same_key = certificate.public_key().public_bytes(*encoding) == ours
    if not same_key or named != [hub] or hub != hub_keys.hub_id:
        raise AuthFailed(
            phrase(
                "certificate-of-another-hub",
                "the backend answered with another hub's certificate; its operator looks at its log",
            )
        )
    if cas is not None and not any(_issued(certificate, ca) for text in cas for ca in _certificates(text)):
        raise AuthFailed(
            phrase(
                "certificate-of-unknown-ca",
                "a certificate came that no CA of the owner's trust document issued: somebody else made it",
            )
        )
    if certificate.not_valid_after_utc.timestamp() <= after:
        raise AuthFailed(
            phrase(
                "certificate-replayed",
                "a certificate came that ends no later than the present one: an old one, sent again",
            )
        )


def _certificates(pem: str) -> list[Any]:
    from cryptography import x509

    try:
        return list(x509.load_pem_x509_certificates(pem.encode()))
    except ValueError:
        return []


def _issued(certificate: Any, ca: Any) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def certificate_key(hub_keys: keys.HubKeys) -> ec.EllipticCurvePrivateKey:
    """Load the key of the client certificate. Raises StorageError when unreadable, ConfigError when it is no such
    key."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key: object = load_pem_private_key(hub_keys.tls_key.read_bytes(), password=None)
    except OSError as error:
        raise StorageError(
            phrase(
                "file-cannot-be-read", "cannot read {path}: {reason}", path=hub_keys.tls_key, reason=system_error(error)
            )
        ) from error
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(
            phrase(
                "key-not-ecdsa-p256",
                "{path} is not an ECDSA P-256 key; restore it from the state backup",
                path=hub_keys.tls_key,
            )
        )
    return key


async def _read(reply: aiohttp.ClientResponse, limit: int) -> bytes:
    data = bytearray()
    async for chunk in reply.content.iter_chunked(65536):
        data += chunk
        if len(data) > limit:
            raise AuthFailed(
                phrase(
                    "answer-too-large",
                    "{url} answers with more than {limit} bytes: is it an Îlot backend?",
                    url=reply.url,
                    limit=limit,
                )
            )
    return bytes(data)


def _reason(data: bytes) -> str:
    try:
        answer = msgspec.json.decode(shallow_json(data), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = {}
    said = from_codes(answer).get("error")
    if isinstance(said, Phrase):
        return said
    return str(said)[:500] if said else phrase("no-reason-given", "no reason given")


def _write(path: Path, data: bytes) -> None:
    try:
        atomic_files.write_atomically(path, data, owner=atomic_files.owner_of(path.parent))
    except OSError as error:
        raise StorageError(
            phrase("file-cannot-be-written", "cannot write {path}: {reason}", path=path, reason=system_error(error))
        ) from error
