"""Import of the operator's files into the register: all of a file, or nothing of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from backend.city.register import files
from backend.city.register.files import Parsed, Problem
from backend.city.register.sync import areas_of
from backend.storage.city import register
from backend.storage.city.database import Reader, Transaction
from hub.core.text import phrase


def apply(t: Transaction, parsed: Parsed, hubs: Collection[str], now: float) -> list[Problem]:
    """Write what a file says, unless something in it is wrong, or names what there is not; return what that is. `hubs`
    are those that are enrolled."""
    problems = sorted([*parsed.problems, *_strangers(t, parsed, hubs)])
    if problems:
        return problems
    lines = [(dict(one.values), one) for one in parsed.lines]
    if parsed.what == files.SERVICES:
        register.put_services(t, [(str(of["id"]), str(of.get("name") or of["id"])) for of, _ in lines])
    elif parsed.what == files.SECTORS:
        register.put_sectors(t, [(str(of["id"]), str(of.get("name") or of["id"]), one.area) for of, one in lines])
    elif parsed.what == files.SITES:
        register.put_sites(t, [(str(of.pop("id")), of, one.sectors) for of, one in lines], now)
    else:
        register.put_things(t, [(str(of.pop("hub")), str(of.pop("device")), of) for of, _ in lines])
    register.place_all(t, areas_of(t).of)
    return []


def _strangers(r: Reader, parsed: Parsed, hubs: Collection[str]) -> Iterator[Problem]:
    """Yield lines that name a service, a sector, a site or a hub that is unknown."""
    services, known = register.services(r), set(hubs)
    sectors = {name for name, _, _ in register.sectors(r)}
    sites = {one.id for one in register.sites(r)}
    for one in parsed.lines:
        service, site, hub = (one.values.get(name) for name in ("service", "site", "hub"))
        if service and service not in services:
            yield Problem(
                one.line,
                phrase("register-no-service", "there is no service {service}: import it first", service=service),
            )
        for sector in one.sectors or ():
            if sector not in sectors:
                yield Problem(
                    one.line,
                    phrase("register-no-sector", "there is no sector {sector}: import it first", sector=sector),
                )
        if parsed.what == files.THINGS and site and site not in sites:
            yield Problem(one.line, phrase("register-no-site", "there is no site {site}: import it first", site=site))
        if parsed.what == files.THINGS and hub not in known:
            yield Problem(one.line, phrase("register-no-hub", "no hub {hub} is enrolled", hub=hub))
