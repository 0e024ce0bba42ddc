"""Comparison of declared dependencies with observed ones. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from hub.core.text import phrase
from hub.operations.sovereignty.observed import Peer
from hub.operations.sovereignty.sources import Source

ENDPOINT, ISSUER, TIME, MIRROR, RESOLVER, KEY = "endpoint", "issuer", "time", "mirror", "resolver", "key"


class Dependency(NamedTuple):
    """A dependency of this hub. `by`: who declared it, "" when nobody did; then `remedy` says what to do."""

    kind: str
    what: str
    by: str
    detail: str = ""
    remedy: str = ""


def endpoints(
    declared: Mapping[str, str], seen: Iterable[Peer], resolve: Callable[[str], Iterable[str]]
) -> list[Dependency]:
    """Compare the observed peers with `declared` (host → who declared it): each must be an address of one of them."""
    lines = [Dependency(ENDPOINT, host, by) for host, by in sorted(declared.items())]
    of = {address: host for host in declared for address in (host, *resolve(host))}
    for peer in seen:
        host = of.get(peer.address)
        if host is None:
            lines.append(
                Dependency(
                    ENDPOINT,
                    f"{peer.address}:{peer.port}",
                    "",
                    phrase("peer-seen-now", "{protocol}, seen just now", protocol=peer.protocol),
                    phrase(
                        "peer-not-declared",
                        "no plugin and no trust document names it: find out which process part speaks with it",
                    ),
                )
            )
    return lines


def sources(kind: str, found: Iterable[Source], declared: Iterable[str], option: str) -> list[Dependency]:
    """Compare the hosts in the machine's files with the declared ones; a machine's own addresses need not be
    declared."""
    names, this_machine = {name.lower() for name in declared}, phrase("this-machine", "this machine")
    lines: dict[str, Dependency] = {}
    for source in found:
        ours = source.host in ("localhost", "::1") or source.host.startswith("127.")
        by = f"sovereignty.{option}" if source.host in names else this_machine if ours else ""
        remedy = (
            ""
            if by
            else phrase(
                "declare-or-remove-host",
                "declare it in sovereignty.{option}, or take it out of {file}",
                option=option,
                file=source.file,
            )
        )
        lines.setdefault(source.host, Dependency(kind, source.host, by, source.file, remedy))
    return sorted(lines.values())
