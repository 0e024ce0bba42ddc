"""A hub whose only way to its owner is a broker: its certificate is renewed by way of that, a real mosquitto."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from backend.owner import directory as owners
from hub.core.clock import SystemClock
from hub.core.errors import NotReady
from hub.identity import certificate_renewal, enrolment, keys
from hub.identity.certificate_renewal import CertificateRenewal, read_validity
from hub.identity.certificate_validity import Validity
from hub.sdk.session import Reply
from hub.store_and_forward.link import AnswerHandlers

from .kit import District, done, until

pytestmark = pytest.mark.real("clock, network, processes")


class NoWay:
    """The address of the enrolment, behind a firewall."""

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, timeout: timedelta, anonymous: bool
    ) -> Reply:
        raise NotReady("there is no way there")


def certificates_last(directory: Path, seconds: float) -> None:
    path = directory / "backend.json"
    settings = msgspec.json.decode(path.read_bytes(), type=owners.Settings)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(settings, certificate_days=seconds / 86_400)))


async def test_the_certificate_is_renewed_by_way_of_the_broker_and_the_hub_goes_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate_renewal, "LOOK_S", 0.05)
    monkeypatch.setattr("hub.store_and_forward.link.core.STATE_S", 0.2)
    # due from the first look on, and still good when a busy machine comes to it
    monkeypatch.setattr(Validity, "renew_at", property(lambda life: life.end - 600.0))
    district = District(tmp_path)
    await district.broker.start()
    try:
        certificates_last(district.owner, 300.0)
        async with district.backend() as running:
            name = await district.enrol(running)
        certificates_last(district.owner, 36_000.0)
        state = tmp_path / "hub"
        first = (state / enrolment.CERTIFICATE).read_bytes()
        async with district.backend(), district.hub() as (buffer, link):
            enrolled, trust = enrolment.load(state)
            assert enrolled.hub == name
            renewing = CertificateRenewal(
                state,
                enrolled,
                keys.load(state / "keys"),
                http=NoWay(),
                clock=SystemClock(),
                link=link,
                cas=lambda: [e.ca_pem for e in trust.egress],
            )
            link._handlers = AnswerHandlers(certificate=renewing.offer)
            task = asyncio.create_task(renewing.run())
            await district.write(buffer, 5)
            await until(lambda: (state / enrolment.CERTIFICATE).read_bytes() != first)
            await until(lambda: renewing.status()["error"] == "")
            life = read_validity(state / enrolment.CERTIFICATE)
            assert life is not None
            assert life.end > time.time() + 30_000
            assert link.delivery.stating.csr == b"", "one is enough"
            await until(link.up)
            await district.write(buffer, 5)  # over a connection made with the new one
            await until(lambda: done(link))
            task.cancel()
            await asyncio.wait([task])
        assert district.arrived() == district.everything()
    finally:
        district.broker.stop()
