"""What is declared, held against what is there. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from hub.operations.sovereignty.observed import Peer
from hub.operations.sovereignty.sources import Source

ENDPOINT, ISSUER, TIME, MIRROR, RESOLVER, KEY = "endpoint", "issuer", "time", "mirror", "resolver", "key"


class Line(NamedTuple):
    """One thing that this hub depends on. `by`: who declared it, "" when nobody did; then `remedy` says what to do."""

    kind: str
    what: str
    by: str
    detail: str = ""
    remedy: str = ""


def endpoints(declared: Mapping[str, str], seen: Iterable[Peer], resolve: Callable[[str], Iterable[str]]) -> list[Line]:
    """`declared`: host → who declared it. Every far end that is seen must be an address of one of them."""
    lines = [Line(ENDPOINT, host, by) for host, by in sorted(declared.items())]
    of = {address: host for host in declared for address in (host, *resolve(host))}
    for peer in seen:
        host = of.get(peer.address)
        if host is None:
            lines.append(
                Line(
                    ENDPOINT,
                    f"{peer.address}:{peer.port}",
                    "",
                    f"{peer.protocol}, seen just now",
                    "no plugin and no trust document names it: find out which process part speaks with it",
                )
            )
    return lines


def sources(kind: str, found: Iterable[Source], declared: Iterable[str], option: str) -> list[Line]:
    """Each host that the machine's files name must be declared; a machine's own addresses need not be."""
    names = {name.lower() for name in declared}
    lines: dict[str, Line] = {}
    for source in found:
        ours = source.host in ("localhost", "::1") or source.host.startswith("127.")
        by = f"sovereignty.{option}" if source.host in names else "this machine" if ours else ""
        remedy = "" if by else f"declare it in sovereignty.{option}, or take it out of {source.file}"
        lines.setdefault(source.host, Line(kind, source.host, by, source.file, remedy))
    return sorted(lines.values())
