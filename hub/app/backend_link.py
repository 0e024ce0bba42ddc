"""The way to the owner: the link and its trust, the certificate, the state backup, the mirror."""

from __future__ import annotations

from dataclasses import dataclass

from hub.app.automation import Watch
from hub.app.base_services import BaseServices
from hub.app.plugins import Field
from hub.app.service import Service
from hub.automation.backend_answers import BackendAnswers
from hub.core.disk.retry import once_the_disk_works
from hub.identity.badges import BadgeVerifier
from hub.identity.certificate_renewal import CertificateRenewal
from hub.identity.trust_updates import TrustUpdates
from hub.operations.backups.gather import Gatherer
from hub.operations.backups.keeper import Keeper
from hub.protocol.documents.trust import Trust
from hub.store_and_forward.link import Link, UplinkConfig
from hub.store_and_forward.mirror import Mirror, Stick


@dataclass
class Outward:
    """What speaks to the owner's backend, and what keeps copies."""

    link: Link
    following: TrustUpdates
    renewal: CertificateRenewal
    keeper: Keeper
    mirror: Mirror
    answering: BackendAnswers
    badging: BadgeVerifier

    @property
    def services(self) -> list[Service]:
        return [
            Service(self.link), Service(self.keeper, "backup"), Service(self.mirror, "mirror"),
            Service(self.following, "trust"), Service(self.renewal, "certificate"), Service(self.answering),
            Service(self.badging, "badges"),
        ]  # fmt: skip


async def build_outward(ground: BaseServices, field: Field, watch: Watch) -> Outward:
    """Build and wire it; starts nothing."""
    loaded, buffer, clock, enrolled = ground.loaded, ground.buffer, ground.clock, ground.enrolled
    options = loaded.config.link
    carriers = [UplinkConfig(u.name, u.config, ground.registry.uplink(u.name).run) for u in loaded.uplinks]

    def adopt(newer: Trust) -> None:
        buffer.update_trust(newer)
        if field.egress.update_trust(newer):
            link.reconnect()
        link.update_trust(newer)

    following = TrustUpdates(ground.state.path, ground.trust, clock, adopt)
    link = Link(
        hub=enrolled.hub,
        identity=ground.keys.identity,
        trust=ground.trust,
        buffer=buffer,
        egress=field.egress,
        clock=clock,
        uplinks=carriers,
        on_clock=clock.told,
        generation=ground.generation,
        on_trust=following.offer,
        on_certificate=lambda certificate: renewal.offer(certificate),  # noqa: PLW0108 - it is made below
        metered=options.metered,
    )
    renewal = CertificateRenewal(
        ground.state.path,
        enrolled,
        ground.keys,
        http=field.http,
        clock=clock,
        up=link.up,
        renewed=link.reconnect,
        ask=link.ask_certificate,
        cas=lambda: [e.ca_pem for e in following.trust.egress],
    )
    badging = BadgeVerifier(
        ground.store,
        clock,
        http=field.http,
        url=enrolled.url,
        trust=lambda: following.trust,
        here={enrolled.hub, *loaded.config.sites},
        up=link.up,
        metered=options.metered,
    )
    await once_the_disk_works(badging.load, clock.sleep)
    return Outward(
        badging=badging,
        link=link,
        following=following,
        renewal=renewal,
        keeper=_keeper(ground, field, link),
        mirror=_mirror(ground),
        answering=BackendAnswers(
            watch.watching.book, http=field.http, url=enrolled.url, clock=clock, up=link.up, metered=options.metered
        ),
    )


def _keeper(ground: BaseServices, field: Field, link: Link) -> Keeper:
    loaded, enrolled = ground.loaded, ground.enrolled
    gatherer = Gatherer(
        state=ground.state,
        hub_keys=ground.keys,
        store=ground.store,
        buffer=ground.buffer,
        config=loaded.path,
        files=loaded.files,
    )
    beside = loaded.config.backup.directory
    return Keeper(
        gatherer,
        hub=enrolled.hub,
        url=enrolled.url,
        http=field.http,
        buffer=ground.buffer,
        clock=ground.clock,
        directory=loaded.path.parent / beside if beside else None,
        beside=ground.state.path,
        told=link.state_generation,
    )


def _mirror(ground: BaseServices) -> Mirror:
    where = ground.loaded.config.buffer.mirror
    stick = Stick(ground.loaded.path.parent / where, ground.enrolled.hub, ground.state.buffer) if where else None
    return Mirror(stick, buffer=ground.buffer, clock=ground.clock)
