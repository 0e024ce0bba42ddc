"""Addresses of nodes in the configuration. Pure.

    ns=2;s=Boiler.Flow                     node id, OPC 10000-6, 5.3.1.10: i= number, s= text, g= GUID, b= base64
    nsu=urn:vendor:boiler;s=Boiler.Flow    the same with the namespace's URI, which stays when the server renumbers them
    /Boiler/FlowTemperature                browse names from the Objects folder, in the device's `namespace`
    /2:Boiler/urn:vendor:x:Flow            a step may name its own namespace, by index or URI, before its last colon

In a path `&` makes the character after it an ordinary one (OPC 10000-4, A.2): `/A&/B` is one step.
"""

from __future__ import annotations

import base64
import binascii
import re

from hub.sdk.phrases import phrase
from integrations.opcua.messages import ID, Where

MOST_STEPS = 16

_NODE = re.compile(r"(?:ns=(\d{1,5});|nsu=([^;\x00-\x1f]{1,255});)?([isgb])=(.+)", re.DOTALL)
_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def where(address: str, namespace: str = "") -> Where:
    """Parse an address; `namespace` is that of steps without one, "" for the standard's. Raises ValueError with what
    was expected."""
    if len(address.encode(errors="replace")) > ID or not address.isprintable():
        raise ValueError(phrase("opcua.address-too-long", "at most {most} bytes, all of them printable", most=ID))
    return Where(path=_steps(address, namespace)) if address.startswith("/") else Where(node=_checked(address))


def _checked(address: str) -> str:
    found = _NODE.fullmatch(address)
    if found is None:
        raise ValueError(
            phrase(
                "opcua.not-a-node",
                "{address!r} is no node: expected one like ns=2;s=Boiler.Flow, or a path like /Boiler/Flow",
                address=address,
            )
        )
    index, _, kind, name = found.groups()
    if index is not None and int(index) > 0xFFFF:
        raise ValueError(
            phrase("opcua.no-such-namespace", "namespace {index} does not exist: there are 65536", index=index)
        )
    if kind == "i" and not (name.isdecimal() and name.isascii() and int(name) <= 0xFFFFFFFF):
        raise ValueError(
            phrase("opcua.node-id-not-number", "{address!r}: i= is followed by a number of 32 bits", address=address)
        )
    if kind == "g" and not _GUID.fullmatch(name):
        raise ValueError(phrase("opcua.node-id-not-guid", "{address!r}: g= is followed by a GUID", address=address))
    if kind == "b":
        try:
            base64.b64decode(name, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(
                phrase("opcua.node-id-not-base64", "{address!r}: b= is followed by base64", address=address)
            ) from None
    return address


def _steps(address: str, namespace: str) -> list[tuple[str, str]]:
    steps: list[tuple[str, str]] = []
    for raw in _parts(address[1:], "/"):
        *before, name = _parts(raw, ":")
        own = ":".join(before)
        if not _plain(name):
            raise ValueError(phrase("opcua.empty-step", "{address!r}: a step is empty", address=address))
        steps.append((_plain(own) if before else namespace, _plain(name)))
    if len(steps) > MOST_STEPS:
        raise ValueError(
            phrase(
                "opcua.too-many-steps",
                "{address!r}: more than {most} steps",
                address=address,
                most=MOST_STEPS,
            )
        )
    return steps


def _parts(text: str, mark: str) -> list[str]:
    """Split at each mark that has no `&` before it."""
    parts, escaped = [""], False
    for letter in text:
        if letter == mark and not escaped:
            parts.append("")
        else:
            parts[-1] += letter
        escaped = letter == "&" and not escaped
    return parts


def _plain(text: str) -> str:
    return re.sub(r"&(.)", r"\1", text, flags=re.DOTALL)


def path_of(steps: list[tuple[str, str]], namespace: str) -> str:
    """Format a path, each step a namespace (URI) and a name, as an address that `where` reads."""

    def step(uri: str, name: str) -> str:
        quoted = re.sub(r"([&/:])", r"&\1", name)
        if uri == namespace:
            return quoted
        return (re.sub(r"([&/])", r"&\1", uri) or "0") + ":" + quoted

    return "".join("/" + step(*one) for one in steps)
