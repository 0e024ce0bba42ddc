"""Checks of states, trust documents, certificates and admission."""

from __future__ import annotations

import asyncio
import base64
import ssl
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.conformance.checks import Check, CheckFailed, is_taken, must
from backend.conformance.probe import Probe, rows
from backend.conformance.sender import Segment
from hub.core.errors import AuthFailed, HubError
from hub.core.text import phrase, reason_of
from hub.identity import enrolment
from hub.protocol.documents.trust import read_trust
from hub.protocol.enrolment import https_address, make_csr, read_token, renewal_statement
from hub.protocol.link_messages import sign_state
from hub.protocol.records.rows import READINGS

CHECKS: list[Check] = []


def check(one: Check) -> Check:
    CHECKS.append(one)
    return one


@check
async def _trust(probe: Probe) -> None:
    """TRUST is served to anybody, signed by the owner root of the token"""
    async with probe.session.get(f"{probe.url}/v1/trust", ssl=probe.tls(certificate=False)) as reply:
        read_trust(await reply.read(), bytes.fromhex(read_token(probe.token).root), probe.trust.version)


@check
async def _state(probe: Probe) -> None:
    """a signed state is answered with what is stored of its streams"""
    segment = probe.segment()
    await probe.post(segment.message([segment.block(rows())]))
    answer = await probe.post(stated(probe, segment, probe.keys.identity), "state")
    is_taken(answer, segment, 1)
    must(
        answer.acks[-1].nonce == bytes(range(16)),
        phrase("check-stated-nonce-missing", "the ack does not carry the nonce that was stated"),
    )


@check
async def _with_records(probe: Probe) -> None:
    """a state that comes with records counts before them, where the backend says that it takes such messages"""
    segment = probe.segment()
    block = segment.block(rows())
    if (await probe.post(stated(probe, segment, probe.keys.identity, speaks=2), "state")).speaks < 2:
        return
    nonce = bytes(range(1, 17))
    state = stated(probe, segment, probe.keys.identity, speaks=2, nonce=nonce)
    answer = await probe.post(segment.message([block], state=state))
    is_taken(answer, segment, 1)
    must(
        answer.acks[-1].nonce == nonce,
        phrase("check-sent-nonce-missing", "the ack does not carry the nonce that came with the records"),
    )


@check
async def _forged_state(probe: Probe) -> None:
    """a state that another identity signed is answered 403"""
    answer = await probe.post(stated(probe, probe.segment(), Ed25519PrivateKey.generate()), "state")
    must(answer.status == 403, phrase("check-status", "status {status}", status=answer.status))


@check
async def _token_twice(probe: Probe) -> None:
    """a token that was used does not enrol a second hub"""
    with tempfile.TemporaryDirectory(prefix="ilot-check-") as scratch:
        try:
            await enrolment.enrol(probe.token, Path(scratch))
        except AuthFailed:
            return
        except HubError as error:
            raise CheckFailed(reason_of(error)) from error
    raise CheckFailed(phrase("check-enrolled-twice", "it did"))


@check
async def _old_tls(probe: Probe) -> None:
    """TLS 1.2 is refused"""
    host, port = https_address(probe.url)
    context = probe.tls(newest=ssl.TLSVersion.TLSv1_2)
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=context)
    except ConnectionRefusedError:
        raise
    except OSError:  # an alert, or a reset: either way it was refused
        return
    writer.close()
    raise CheckFailed(phrase("check-old-tls-accepted", "it was accepted"))


@check
async def _played_again(probe: Probe) -> None:
    """a state that was overtaken by a newer one, and comes again, changes nothing"""
    segment = probe.segment()
    await probe.post(segment.message([segment.block(rows())]))
    old = stated(probe, segment, probe.keys.identity, nonce=b"o" * 16)
    await probe.post(old, "state")
    await probe.post(stated(probe, segment, probe.keys.identity, nonce=b"n" * 16), "state")
    answer = await probe.post(old, "state")
    is_taken(answer, segment, 1)
    must(
        answer.acks[-1].nonce == b"n" * 16,
        phrase("check-old-nonce-back", "the old nonce came back: it is current who plays last"),
    )


@check
async def _set_back(probe: Probe) -> None:
    """a state with a lower number, made after an answer to a higher one, is believed: the hub's store was set back"""
    segment = probe.segment()
    await probe.post(segment.message([segment.block(rows())]))
    high = await probe.post(stated(probe, segment, probe.keys.identity, n=10**6, nonce=b"h" * 16), "state")
    low = stated(probe, segment, probe.keys.identity, heard=high.acks[-1].now, nonce=b"l" * 16)
    answer = await probe.post(low, "state")
    must(
        answer.acks[-1].nonce == b"l" * 16,
        phrase("check-nonce-not-taken", "its nonce is not taken, so that this hub is locked out"),
    )


@check
async def _newer_trust(probe: Probe) -> None:
    """a hub that states an older trust version is handed the newest TRUST"""
    segment = probe.segment()
    heard = (await probe.post(segment.message([segment.block(rows())]))).acks[-1].now
    answer = await probe.post(stated(probe, segment, probe.keys.identity, trust_version=0, heard=heard), "state")
    must(bool(answer.trust), phrase("check-no-trust", "the reply holds none"))
    root = bytes.fromhex(read_token(probe.token).root)
    must(
        read_trust(answer.trust, root, probe.trust.version).version >= probe.trust.version,
        phrase("check-older-trust", "it is an older one"),
    )


@check
async def _renewal(probe: Probe) -> None:
    """another certificate is given, without the former one, for a signature of the identity over a fresh nonce"""
    status, body = await _renewed(probe, probe.keys.identity)
    must(status == 200, phrase("check-status", "status {status}", status=status))
    enrolment.check_certificate(body["certificate"], probe.hub, probe.keys)


@check
async def _forged_renewal(probe: Probe) -> None:
    """no certificate is given for another identity's signature, or for a nonce that the backend did not make"""
    for identity, nonce in ((Ed25519PrivateKey.generate(), b""), (probe.keys.identity, bytes(32))):
        status, _ = await _renewed(probe, identity, nonce)
        must(status == 403, phrase("check-status", "status {status}", status=status))


def stated(probe: Probe, segment: Segment, identity: Ed25519PrivateKey, **more: object) -> bytes:
    streams = {READINGS: (segment.run, segment.next_seq - 1, segment.last_digest)}
    return sign_state(probe.state_of(streams, **more), identity)


async def _renewed(probe: Probe, identity: Ed25519PrivateKey, nonce: bytes = b"") -> tuple[int, dict[str, str]]:
    async with probe.session.get(f"{probe.url}/v1/renewal", ssl=probe.tls(certificate=False)) as reply:
        must(reply.status == 200, phrase("check-status-for-nonce", "status {status} for a nonce", status=reply.status))
        made = base64.b64decode((await reply.json())["nonce"])
    nonce = nonce or made
    csr = make_csr(enrolment.certificate_key(probe.keys), probe.hub)
    signature = identity.sign(renewal_statement(nonce, probe.hub, csr))
    body = {
        "nonce": base64.b64encode(nonce).decode(), "csr": csr.decode(),
        "signature": base64.b64encode(signature).decode(),
    }  # fmt: skip
    url = f"{probe.url}/v1/hubs/{probe.hub}/renewal"
    async with probe.session.post(url, json=body, ssl=probe.tls(certificate=False)) as reply:
        return reply.status, await reply.json()
