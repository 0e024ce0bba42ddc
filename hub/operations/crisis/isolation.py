"""Selection of the integrations that stop when a hub is isolated. Pure.

An integration goes on when its owner declared a perimeter for it (a locked room, a network of its own), when the
configuration names it in `crisis.keep`, or when none of its options is an address on a network: it is on a serial line,
a radio, or this machine. Every other one stops, and so do all exporters and notifiers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from hub.core.text import phrase
from hub.i18n.catalogues import translate

_NAMED = re.compile(r"(^|_)(host|hosts|server|broker|url|urls|address|gateway|endpoint|bbmd|listen)$")
_DEVICE = re.compile(r"/dev/|/tmp/|/run/|\./")
LOCAL = frozenset({"", "localhost"})


class Verdict(NamedTuple):
    """Verdict on a plugin: whether it goes on. `why` gives the reason in a sentence, `why_fr` in French."""

    name: str
    goes_on: bool
    why: str
    why_fr: str = ""


def isolation_verdict(name: str, options: Any, *, perimeter: bool, kept: Iterable[str]) -> Verdict:
    """Return the verdict on one integration, whose options are plain data."""
    if name in kept:
        return _verdict(name, True, phrase("isolation-keeps", "crisis.keep names it"))
    if perimeter:
        return _verdict(name, True, phrase("isolation-perimeter", "its owner declared a perimeter for it"))
    found = sorted(set(addresses(options)))
    if found:
        if len(found) > 3:
            return _verdict(
                name, False, phrase("isolation-speaks-with-more", "it speaks with {hosts} and more", hosts=found[:3])
            )
        return _verdict(name, False, phrase("isolation-speaks-with", "it speaks with {hosts}", hosts=found))
    return _verdict(name, True, phrase("isolation-names-nobody", "it names no other machine"))


def _verdict(name: str, goes_on: bool, why: str) -> Verdict:
    return Verdict(name, goes_on, why, str(translate(why, "fr")))


def addresses(options: Any, key: str = "") -> Iterator[str]:
    """Yield the hosts in options: values of keys that name one, every URL, `host:port` unless it is beside a line, and
    every IP address wherever it stands; that of a multicast group reaches other machines too."""
    if isinstance(options, dict):
        for name, value in options.items():
            yield from addresses(value, str(name))
    elif isinstance(options, list | tuple | set | frozenset):
        for value in options:
            yield from addresses(value, key)
    elif isinstance(options, str | IPv4Address | IPv6Address) or type(options).__name__ in ("HttpUrl", "AnyUrl", "Url"):
        host = _host(str(options), key)
        if host and not _of_this_machine(host):
            yield host


def _host(text: str, key: str) -> str:
    if "://" in text:
        try:
            return urlsplit(text).hostname or ""
        except ValueError:
            return text
    if _NAMED.search(key) is None or _DEVICE.match(text):
        return text if _is_address(text) else ""
    host, _, port = text.rpartition(":")
    return (host if host and port.isdigit() and ":" not in host else text).strip("[]")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _of_this_machine(host: str) -> bool:
    if host.lower() in LOCAL:
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback
