"""Search of a bus for devices that a person adds: from the ETS project, from telegrams, or at typed group addresses.

A telegram carries no datapoint type. Where neither the project nor the person says it, the type is guessed from the
length and the value, and the proposal says so. Only read requests are sent, and only to addresses that are tried.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hub
from hub.sdk.finding import Found, Lent, Match, Tried
from hub.sdk.phrases import phrase, reason_of
from integrations.knx import addresses, points, values
from integrations.knx.link import Link, Said
from integrations.knx.points import POINTS
from integrations.knx.project.reader import read as read_project
from integrations.knx.proposal import Wish, propose
from integrations.knx.settings import Config, DeviceSettings
from integrations.knx.shared import borrowed, last, note

LISTEN_S, ANSWER_S = 60, 2.0
"""Seconds for which the bus is heard, and for which an answer is awaited."""
MOST_SENDERS, MOST_GROUPS = 200, 64
_RANGES = (("9.001", -30.0, 60.0), ("9.007", 0.0, 100.0), ("9.008", 250.0, 10_000.0), ("9.004", 0.0, 100_000.0))
"""Types of two octets that buildings send most, the likeliest first, and the values that each has there."""

NOT_HEARD = phrase(
    "knx.not-heard-yet", "nobody answers a request, and nothing was heard there: it comes when the device sends"
)

Groups = dict[str, dict[str, Any]]


async def search_bus(config: Config, text: str, lent: Lent) -> None:
    """Report devices of the project and senders that are heard, or what answers at typed addresses. Raises NotReady,
    AuthFailed."""
    asked = wanted(text)
    known = _configured(lent)
    typed: dict[int, str] = {}
    if config.project is not None:
        typed, devices = await asyncio.to_thread(_of_project, config.project, {one.id for one in lent.devices})
        for one in devices if not asked else ():
            lent.found(one)
    async with borrowed(config) as link:
        if asked:
            await _ask(link, config, {address: dpt or typed.get(address, "") for address, dpt in asked.items()}, lent)
        else:
            await _listen(link, config, known.keys() | typed.keys(), lent)


async def read_now(config: Config, settings: DeviceSettings) -> Tried:
    """Ask at each group address; what is not answered is shown as last heard. Raises NotReady, AuthFailed."""
    mains = {addresses.group(text): group for text, group in settings.groups.items()}
    async with borrowed(config) as link:
        answers, wrong = await _answers(link, config, list(mains))
    told: dict[str, float | int | bool | str] = {}
    why: dict[str, str] = {}
    for address, group in mains.items():
        said = answers.get(address) or last(config, address)
        if said is None or said.payload is None:
            why[group.metric] = wrong.get(address) or NOT_HEARD
            continue
        try:
            told[group.metric] = values.value(group, said.payload)
        except hub.DecodeError as error:
            why[group.metric] = error.detail or error.reason
    own = (group.own_metric() for group in mains.values())
    return Tried(values=told, wrong=why, metrics=tuple(metric for metric in own if metric is not None))


def wanted(text: str) -> dict[int, str]:
    """Return group address → datapoint type, "" where none is typed. Raises NotReady."""
    found: dict[int, str] = {}
    for part in re.split(r"[,;\s]+", text.strip()):
        written, _, dpt = part.partition("=")
        try:
            if part:
                found[addresses.group(written)] = points.canonical(dpt) if dpt else ""
        except ValueError as error:
            raise hub.NotReady(reason_of(error)) from None
    if len(found) > MOST_GROUPS:
        raise hub.NotReady(phrase("knx.too-many-typed", "at most {most} group addresses at once", most=MOST_GROUPS))
    return found


def _configured(lent: Lent) -> dict[int, str]:
    """Return group address → the device of this hub that is read there."""
    found: dict[int, str] = {}
    for device in lent.devices:
        groups = device.settings.get("groups")
        for written in groups if isinstance(groups, Mapping) else ():
            try:
                found[addresses.group(str(written))] = device.id
            except ValueError:
                continue
    return found


def _of_project(file: Path, known: set[str]) -> tuple[dict[int, str], list[Found]]:
    """Return group address → its type, and the devices of the project. Blocking. Raises NotReady."""
    try:
        project = read_project(file, databases=False)
    except hub.DecodeError as error:
        raise hub.NotReady(
            phrase("knx.project-without-names", "{project} gives no names: {reason}", project=file, reason=error.detail)
        ) from error
    found = list[Found]()
    why = phrase("knx.match-by-project", "it stands so in the ETS project")
    proposed = propose(project, Wish("knx", zones="none"), {}).get("devices", {})
    for name, device in list(proposed.items())[:MOST_SENDERS]:
        groups = {
            address: {key: value for key, value in group.items() if not key.startswith("#")}
            for address, group in device["settings"]["groups"].items()
            if not address.startswith("#")
        }
        title = " · ".join(part for part in (device.get("name", ""), device.get("model", "")) if part)[:100]
        found.append(
            Found(
                address=name.removeprefix("knx:"),
                device=name,
                title=title,
                matches=(Match(settings={"groups": groups}, title=title, why=why),),
                known=name if name in known else "",
            )
        )
    return {group.address: _canonical(group.dpt) for group in project.groups.values()}, found


def _canonical(dpt: str) -> str:
    try:
        return points.canonical(dpt)
    except ValueError:
        return ""


async def _listen(link: Link, config: Config, known: set[int], lent: Lent) -> None:
    """Report each sender of group addresses that are not known yet, with all that it has said."""
    heard: asyncio.Queue[Said] = asyncio.Queue(1000)
    senders: dict[int, dict[int, Said]] = {}

    def hear(said: Said) -> None:
        note(config, said)
        if said.payload is not None and said.address not in known and not heard.full():
            heard.put_nowait(said)

    link.listeners.append(hear)
    try:
        for second in range(LISTEN_S):
            lent.progress(second, LISTEN_S)
            try:
                async with asyncio.timeout(1.0):
                    while not link.lost.is_set():
                        said = await heard.get()
                        if said.source in senders or len(senders) < MOST_SENDERS:
                            theirs = senders.setdefault(said.source, {})
                            if len(theirs) < MOST_GROUPS:
                                theirs.setdefault(said.address, said)
                                lent.found(_sender(config, said.source, theirs))
            except TimeoutError:
                continue
            raise hub.NotReady(
                phrase("knx.connection-lost", "{bus} is away: the connection was lost", bus=config.where)
            )
    finally:
        link.listeners.remove(hear)
    lent.progress(LISTEN_S, LISTEN_S)


def _sender(config: Config, source: int, said: Mapping[int, Said]) -> Found:
    shown = addresses.show_individual(source)
    groups = _groups(config, dict.fromkeys(said, ""), said)
    return Found(
        address=shown,
        device=f"knx:{shown}",
        title=", ".join(addresses.show_group(address, config.levels) for address in said)[:100],
        matches=_guessed(groups),
    )


async def _ask(link: Link, config: Config, asked: Mapping[int, str], lent: Lent) -> None:
    """Report one device of the typed addresses: by their types, or by what they answer."""
    lent.progress(0, 1)
    answers, _ = await _answers(link, config, list(asked))
    groups = _groups(config, asked, answers)
    first = addresses.show_group(next(iter(asked)), config.levels)
    known = _configured(lent)
    lent.found(
        Found(
            address=first,
            device=f"knx:group-{first.replace('/', '-')}",
            title=", ".join(addresses.show_group(address, config.levels) for address in asked)[:100],
            matches=_stated(groups) if all(asked.values()) else _guessed(groups),
            known=next((known[address] for address in asked if address in known), ""),
        )
    )
    lent.progress(1, 1)


def _stated(groups: Groups) -> tuple[Match, ...]:
    why = phrase("knx.match-by-type", "these are the types that you give")
    return (Match(settings={"groups": groups}, why=why),) if groups else ()


def _guessed(groups: Groups) -> tuple[Match, ...]:
    why = phrase(
        "knx.match-by-guess", "guessed from the length and the value of what it sends: compare with the device"
    )
    return (Match(settings={"groups": groups}, why=why),) if groups else ()


def _groups(config: Config, typed: Mapping[int, str], said: Mapping[int, Said]) -> Groups:
    """Return the entries of those addresses whose type is known or guessed; a metric stands once in a device."""
    found: Groups = {}
    used: set[str] = set()
    for address, dpt in typed.items():
        point = POINTS[dpt] if dpt else _guess(said.get(address), used)
        if point is None or not point.metric or point.metric in used:
            continue
        used.add(point.metric)
        found[addresses.show_group(address, config.levels)] = {"dpt": point.dpt, "metric": point.metric}
    return found


def _guess(said: Said | None, used: set[str]) -> points.Point | None:
    payload = None if said is None else said.payload
    if isinstance(payload, int):
        return POINTS["1.001"] if payload in (0, 1) else None
    if payload is None or len(payload) != 2:
        return None  # other lengths have too many meanings
    for dpt, low, high in _RANGES:
        try:
            value = values.read(POINTS[dpt], payload)
        except hub.DecodeError:
            continue
        if POINTS[dpt].metric not in used and isinstance(value, int | float) and low <= value <= high:
            return POINTS[dpt]
    return None


async def _answers(link: Link, config: Config, asked: list[int]) -> tuple[dict[int, Said], dict[int, str]]:
    """Send a read request to each address; return what is said there, and why a request was not sent."""
    answers: dict[int, Said] = {}
    wrong: dict[int, str] = {}
    all_there = asyncio.Event()

    def hear(said: Said) -> None:
        note(config, said)
        if said.payload is not None and said.address in asked:
            answers[said.address] = said
            if len(answers) == len(asked):
                all_there.set()

    link.listeners.append(hear)
    try:
        for address in asked:
            try:
                await link.ask(address)
            except hub.DecodeError as error:
                wrong[address] = error.detail or error.reason
        try:
            async with asyncio.timeout(min(ANSWER_S, config.timeout.total_seconds())):
                await all_there.wait()
        except TimeoutError:
            pass
    finally:
        link.listeners.remove(hear)
    return answers, wrong
