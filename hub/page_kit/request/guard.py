"""Checks of a request's origin, by the headers that browsers send. Pure.

Against DNS rebinding: Host must be a name of this hub, on its port. Against request forgery: a request that changes
something has an Origin equal to that Host, or, from a browser that omits it, `Sec-Fetch-Site: same-origin`; and the API
is never called from another site. (W3C Fetch Metadata; RFC 6454; OWASP, Cross-Site Request Forgery Prevention.)
"""

from __future__ import annotations

import hashlib
import re
import socket
from base64 import b64encode
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

SAFE = ("GET", "HEAD")
METHODS = ("GET", "HEAD", "POST", "DELETE")

POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
    "img-src 'self' data:; require-trusted-types-for 'script'"
)
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def policy_with_style(html: str) -> str:
    """Return POLICY with the first style element of this page allowed, by its digest (CSP Level 3, section 6.7.3.3)."""
    found = _STYLE.search(html)
    if found is None:
        return POLICY
    digest = b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
    return f"{POLICY}; style-src 'self' 'sha256-{digest}'"


def permissions(*, camera: bool = False, geolocation: bool = False) -> str:
    """Return the permissions that a page may request (W3C Permissions Policy): none, unless it is made for them."""
    may = {"camera": camera, "geolocation": geolocation, "microphone": False, "payment": False, "usb": False}
    return ", ".join(f"{name}=({'self' if yes else ''})" for name, yes in may.items())


HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer, forms would send `Origin: null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": permissions(),
}
"""Headers of every answer. No Strict-Transport-Security: it would forbid people to accept a self-signed certificate."""


def names_of_this_machine(configured: Iterable[str]) -> frozenset[str]:
    """Return the names under which browsers may call."""
    own = socket.gethostname().lower()
    return frozenset({*configured, "localhost", own, f"{own.partition('.')[0]}.local"} - {""})


def split_host(host: str) -> tuple[str, int | None]:
    """Return (name or address, port) of a Host header; ("", None) of an invalid one."""
    text = host.strip().lower()
    name, sep, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not sep:
        name, port = text, ""
    if port and not (port.isascii() and port.isdigit() and len(port) <= 5):
        return "", None
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    elif ":" in name:
        return "", None
    return name.rstrip("."), int(port) if port else None


def host_is_ours(host: str, names: frozenset[str], local: str, port: int) -> bool:
    """Return whether Host is ours. `local` is the address at which the connection arrived: no foreign name can be an
    address."""
    name, said = split_host(host)
    if not name or (said if said is not None else 443) != port:
        return False
    if name in names:
        return True
    try:
        here = ip_address(local.partition("%")[0])
        mapped = getattr(here, "ipv4_mapped", None)
        return ip_address(name) == (mapped or here)
    except ValueError:
        return False


def is_cross_site(method: str, host: str, headers: Mapping[str, str], *, api: bool) -> bool:
    """Return whether another site's page sent it, or nothing shows that one of ours did."""
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
    if method in SAFE:
        # Links to a page may come from anywhere; the API is called only by our own pages, and by programs.
        return api and (site not in (None, "same-origin", "none") or origin not in (None, f"https://{host}"))
    if site not in (None, "same-origin"):
        return True
    if origin is not None:
        return origin.lower() != f"https://{host.lower()}"
    return site is None
