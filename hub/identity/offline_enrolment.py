"""Enrolment by files, for a hub that cannot reach its backend: a request out, the backend's answer in.

What the token does for an enrolment over the network, a person does here: the fingerprint of the owner's root is read
at the backend and typed at the hub (`hub.protocol.enrolment_files`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from hub.core.errors import AuthFailed, ConfigError
from hub.core.text import phrase
from hub.identity import enrolment, keys
from hub.identity.certificate_validity import validity
from hub.protocol import enrolment_files
from hub.protocol.documents.trust import read_trust
from hub.protocol.enrolment import https_address, make_csr


def request(hub_keys: keys.HubKeys, name: str = "") -> bytes:
    """Return the request file of this hub. Raises StorageError, ConfigError for its keys."""
    csr = make_csr(enrolment.certificate_key(hub_keys), hub_keys.hub_id).decode()
    signature = hub_keys.identity.sign(enrolment_files.request_statement(csr, name))
    return enrolment_files.write(
        enrolment_files.Request(identity=hub_keys.identity_public, csr=csr, name=name, signature=signature)
    )


def accept(
    data: bytes, typed: str, state: Path, hub_keys: keys.HubKeys, now: Callable[[], float] = time.time
) -> enrolment.Enrolment:
    """Enrol this hub by an answer file. `typed`: the first digits of the owner root's fingerprint, as somebody read
    them at the backend. The caller holds the lock of the state directory.

    Raises ConfigError, AuthFailed for an answer that is refused, StorageError; nothing is written then.
    """
    enrolment.refuse_enrolled(state)
    answer = enrolment_files.read_answer(data, typed)
    trust = read_trust(answer.trust, bytes.fromhex(answer.root))
    try:
        host, port = https_address(answer.url)
    except ValueError:
        raise ConfigError(
            phrase("answer-file-without-address", "this answer names no address of a backend: have it written again")
        ) from None
    enrolment.expect_egress(trust, host, port)
    enrolment.check_certificate(answer.certificate, answer.hub, hub_keys, cas=[one.ca_pem for one in trust.egress])
    _expect_now(answer.certificate, now())
    enrolled = enrolment.Enrolment(hub=answer.hub, url=answer.url.rstrip("/"), root=answer.root)
    enrolment.keep(state, enrolled, answer.trust, answer.certificate)
    return enrolled


def _expect_now(certificate: str, now: float) -> None:
    """Raise AuthFailed unless this machine's clock lies within a certificate's life."""
    begin, end = validity(certificate)  # it was read as a certificate just before
    if not begin <= now < end:
        raise AuthFailed(
            phrase(
                "answer-file-not-of-today",
                "the certificate in this answer is not good on {today}, which is what this machine's clock says: set "
                "the clock, or have the answer written again",
                today=datetime.fromtimestamp(now, UTC).date(),
            )
        )
