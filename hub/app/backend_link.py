"""Builds the connection to the owner: the link and its trust, certificates, the state backup, the mirror."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from hub.app.automation import AutomationServices
from hub.app.base_services import BaseServices
from hub.app.plugins import FieldServices
from hub.app.service import Service
from hub.automation.backend_answers import BackendAnswers
from hub.config.instances import UplinkInstance
from hub.core.disk.retry import once_the_disk_works
from hub.identity.badges import BadgeVerifier
from hub.identity.certificate_renewal import CertificateRenewal
from hub.identity.trust_updates import TrustUpdates
from hub.operations.backups.gather import Gatherer
from hub.operations.backups.keeper import Keeper
from hub.plugin_host.entry_points import release_of
from hub.plugin_host.plugins import transport_of_others
from hub.plugin_host.registry import Registry
from hub.protocol.documents.trust import Trust
from hub.store_and_forward.link import AnswerHandlers, Line, Link, Sender, UplinkConfig
from hub.store_and_forward.mirror import Mirror, Stick

_log = logging.getLogger("hub")


@dataclass
class BackendServices:
    """The parts that communicate with the owner's backend or keep copies."""

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


def carriers_of(uplinks: Iterable[UplinkInstance], registry: Registry, url: str) -> list[UplinkConfig]:
    """Return the transports to run. One of another distribution is left out."""
    carriers = []
    for one in uplinks:
        plugin = registry.plugins[one.name]
        if plugin.shipped:
            carriers.append(UplinkConfig(one.name, one.config, registry.uplink(one.name).run, url))
        else:
            _log.error(transport_of_others(plugin))
    return carriers


async def build_backend_link(
    base: BaseServices, field: FieldServices, automation: AutomationServices
) -> BackendServices:
    """Build and wire the link; starts nothing."""
    loaded, buffer, clock, enrolled = base.loaded, base.buffer, base.clock, base.enrolled
    options = loaded.config.link
    carriers = carriers_of(loaded.uplinks, base.registry, enrolled.url)

    def adopt(newer: Trust) -> None:
        buffer.update_trust(newer)
        if field.egress.update_trust(newer):
            link.reconnect()
        link.update_trust(newer)

    following = TrustUpdates(base.state.path, base.trust, clock, adopt)
    link = Link(
        Sender(enrolled.hub, base.keys.identity, base.generation),
        Line(carriers, options.metered),
        trust=base.trust,
        buffer=buffer,
        egress=field.egress,
        clock=clock,
        handlers=AnswerHandlers(
            clock.told,
            following.offer,
            lambda certificate: renewal.offer(certificate),  # noqa: PLW0108 - it is made below
        ),
        release=release_of("ilot"),
    )
    renewal = CertificateRenewal(
        base.state.path,
        enrolled,
        base.keys,
        http=field.http,
        clock=clock,
        link=link,
        cas=lambda: [e.ca_pem for e in following.trust.egress],
    )
    badging = BadgeVerifier(
        base.store,
        clock,
        http=field.http,
        url=enrolled.url,
        trust=lambda: following.trust,
        here={enrolled.hub, *loaded.config.sites},
        up=link.up,
        metered=options.metered,
    )
    await once_the_disk_works(badging.load, clock.sleep)
    return BackendServices(
        badging=badging,
        link=link,
        following=following,
        renewal=renewal,
        keeper=_keeper(base, field, link),
        mirror=_mirror(base),
        answering=BackendAnswers(
            automation.alert_engine.book,
            http=field.http,
            url=enrolled.url,
            clock=clock,
            up=link.up,
            metered=options.metered,
        ),
    )


def _keeper(base: BaseServices, field: FieldServices, link: Link) -> Keeper:
    loaded, enrolled = base.loaded, base.enrolled
    gatherer = Gatherer(
        state=base.state,
        hub_keys=base.keys,
        store=base.store,
        buffer=base.buffer,
        config=loaded.path,
        files=loaded.files,
    )
    beside = loaded.config.backup.directory
    return Keeper(
        gatherer,
        enrolled=enrolled,
        http=field.http,
        buffer=base.buffer,
        clock=base.clock,
        directory=loaded.path.parent / beside if beside else None,
        beside=base.state.path,
        told=link.state_generation,
    )


def _mirror(base: BaseServices) -> Mirror:
    where = base.loaded.config.buffer.mirror
    stick = Stick(base.loaded.path.parent / where, base.enrolled.hub, base.state.buffer) if where else None
    return Mirror(stick, buffer=base.buffer, clock=base.clock)
