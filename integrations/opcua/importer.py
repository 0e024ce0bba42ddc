"""Browse an OPC UA server and propose a configuration that reads its measurements. One request at a time, 20 a second
at most; nothing is written and no method is called. The server has to be trusted first: without --trusted, or `trusted`
in the file, its thumbprint is shown and nothing else is done.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

import hub
from hub.sdk.options import wrong_option
from hub.sdk.phrases import phrase
from integrations.opcua import messages as m
from integrations.opcua.addresses import path_of
from integrations.opcua.browsing import Variable, Walk
from integrations.opcua.entering import entered
from integrations.opcua.guessing import metric, said
from integrations.opcua.link import Link
from integrations.opcua.settings import SECURITY, Config

UNKNOWN_SHOWN = 30
"""Maximum variables of a device without a guess that are shown as comments."""


def arguments(parser: Any) -> None:
    """Add the arguments of `ilot import opcua`."""
    parser.add_argument("--url", metavar="opc.tcp://HOST:PORT", help="the server (default: the one in the file)")
    parser.add_argument("--security", choices=list(SECURITY), help="default: sign-and-encrypt, or as in the file")
    parser.add_argument("--trusted", metavar="SHA256", help="thumbprint of its certificate, compared at the server")
    parser.add_argument("--directory", metavar="DIRECTORY", help="where this hub's own certificate lies")
    parser.add_argument("--depth", type=int, default=8, metavar="STEPS", help="how deep to look (default: %(default)s)")
    parser.add_argument("--most", type=int, default=2000, metavar="N", help="variables, at most (default: %(default)s)")


async def propose(asked: argparse.Namespace) -> dict[str, Any]:
    """Browse the server and return the proposal for `ilot import`. Raises NotReady or AuthFailed."""
    config = _config(asked)
    async with entered(config, "import") as inside:
        walk = Walk(inside.link, depth=asked.depth, most=asked.most)
        variables = [variable async for variable in walk.variables()]
        resolved = await _resolved(inside.link, variables)
        devices, notes = proposed(list(zip(variables, resolved, strict=True)), asked.instance, asked.devices)
        notes = [*notes, *walk.skipped[:10]]
        if inside.unused:
            notes.append(
                phrase(
                    "opcua.security-unused",
                    "security is none, though the server offers {offers}",
                    offers=inside.unused,
                )
            )
        for device in devices.values():
            device["#"] = f"{inside.server.product} {inside.server.version}".strip()
    return {"devices": devices, "integrations": _instance(asked, config), "notes": notes}


def _config(asked: argparse.Namespace) -> Config:
    """Return the instance of the file, changed by the arguments. Raises NotReady with what is missing or wrong."""
    said_now = {
        key: value
        for key, value in (
            ("url", asked.url),
            ("security", asked.security),
            ("directory", asked.directory),
            ("trusted", [asked.trusted] if asked.trusted else None),
        )
        if value is not None
    }
    if asked.config is None and "url" not in said_now:
        raise hub.NotReady(
            phrase("opcua.no-server-given", "say which server: --url opc.tcp://host:port, or name it in the file")
        )
    before = {} if asked.config is None else {name: getattr(asked.config, name) for name in Config.model_fields}
    try:
        return Config.model_validate({**before, **said_now})
    except ValidationError as error:
        raise hub.NotReady(wrong_option(error)) from error


async def _resolved(link: Link, variables: Sequence[Variable]) -> list[m.Resolved]:
    found: list[m.Resolved] = []
    for batch in m.batches([m.Where(node=variable.node) for variable in variables]):
        found += (await link.ask(m.Resolve(batch), m.Nodes)).nodes
    return found


def proposed(
    found: Sequence[tuple[Variable, m.Resolved]], instance: str, known: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return devices, one for each object that has variables, and notes. Pure. `known` are the devices of the file: an
    address that one of them already reads stays there."""
    objects: dict[tuple[tuple[str, str], ...], list[tuple[Variable, m.Resolved]]] = {}
    for variable, node in found:
        objects.setdefault(variable.steps[:-1], []).append((variable, node))
    devices: dict[str, Any] = {}
    left = 0
    for steps, members in objects.items():
        namespace = _most_common([variable.steps[-1][0] for variable, _ in members])
        nodes, others = _nodes(members, namespace)
        left += len(others)
        if not nodes:
            continue
        titles = members[0][0].titles[:-1]
        name = _id(steps, devices)
        used = dict((known.get(name) or {}).get("nodes") or {})
        taken = {one["metric"] for one in used.values() if isinstance(one, dict) and "metric" in one}
        fresh = {at: one for at, one in nodes.items() if at in used or one["metric"] not in taken}
        if not fresh:
            continue
        comments = {f"# {at}": text for at, text in others[:UNKNOWN_SHOWN]}
        devices[name] = {
            "integration": instance,
            "name": _shown(titles[-1] if titles else "OPC UA"),
            "settings": {"namespace": namespace, "nodes": {**fresh, **comments}},
        }
    notes: list[str] = []
    if left:
        notes.append(
            phrase(
                "opcua.variables-unknown",
                "{count} [variable has|variables have] no known meaning here; the file names [it|them] as comments",
                count=left,
            )
        )
    if not devices and not known:
        notes.append(
            phrase(
                "opcua.nothing-recognised",
                "no variable has a unit or a name that says what it measures: name them in the file by hand",
            )
        )
    return devices, notes


def _nodes(
    members: Sequence[tuple[Variable, m.Resolved]], namespace: str
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return addresses with their metrics, and those without one: (address, why)."""
    nodes: dict[str, Any] = {}
    others: list[tuple[str, str]] = []
    taken: set[str] = set()
    for variable, node in members:
        address = path_of(list(variable.steps), namespace)
        about = f"{node.kind or 'a structure'}{'[]' if node.array else ''} {node.unit}".strip()
        if len(address) > m.ID or not address.isprintable():
            address = variable.node
        guess = metric(variable.steps[-1][1], node, variable.titles)
        if node.status >= 0x80000000 or not node.access & 1:
            others.append((address, "cannot be read"))
        elif guess is None:
            others.append((address, about))
        elif guess in taken:
            others.append((address, f"another {guess}, {about}"))
        else:
            taken.add(guess)
            nodes[address] = {"metric": guess, "#": _comment(variable, node)}
    return nodes, others


def _comment(variable: Variable, node: m.Resolved) -> str:
    parts = [variable.titles[-1], node.unit, "writable" if node.access & 2 else ""]
    return ", ".join(part for part in map(_shown, parts) if part)


def _shown(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)[: m.TEXT]


def _id(steps: Sequence[tuple[str, str]], taken: dict[str, Any]) -> str:
    """Build an id from `opcua:` and the object's last names, as few as make it unique."""
    names = ["-".join(said(name)) or "objects" for _, name in steps] or ["objects"]
    for count in range(1, len(names) + 1):
        name = f"opcua:{'-'.join(names[-count:])}"[:100]
        if name not in taken:
            return name
    number = 2
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"


def _most_common(uris: Sequence[str]) -> str:
    return max(uris, key=uris.count)


def _instance(asked: argparse.Namespace, config: Config) -> dict[str, Any]:
    if asked.config is not None:
        return {}
    options: dict[str, Any] = {} if re.fullmatch("opcua", asked.instance) else {"type": "opcua"}
    options["url"] = config.url
    if config.security != "sign-and-encrypt":
        options["security"] = config.security
    if config.trusted:
        options["trusted"] = list(config.trusted)
    if config.directory is not None:
        options["directory"] = str(config.directory)
    return {asked.instance: options}
