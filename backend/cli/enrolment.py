"""`ilot backend token`, `enroll` and `enroll-table`: admission of hubs."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from backend.cli.console import DIRECTORY, JSON, Lifetime, database, date, handles_errors, row, say, show
from hub.core.disk.atomic_files import make_directory, write_atomically
from hub.core.errors import ConfigError, HubError, StorageError
from hub.core.text import phrase, reason_of, system_error

if TYPE_CHECKING:
    from backend.hubs.enrolment_tables import Fault, Line
    from backend.hubs.registry import Newcomer
    from backend.owner.directory import Owner

TAG = click.option("--tag", "tags", multiple=True, help="A tag that it will have, such as its carrier. Repeat.")
URL = click.option("--url", default="", help="Address the hub calls. Default: the one last served.")


@click.command()
@DIRECTORY
@click.option("--expires", type=Lifetime(), default="24h", show_default=True, help="How long it may be used.")
@click.option("--name", default="", help="What the hub will be called.")
@TAG
@URL
@click.option("--trial", is_flag=True, help="For `ilot backend check URL`: its hub and what it sends are deleted.")
@click.option("--qr", is_flag=True, help="Draw it as a QR code too, for the phone of whoever stands at the hub.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write its QR code to this file: .png, .svg or .pdf."
)
@JSON
@handles_errors
def token(
    directory: Path,
    expires: float,
    name: str,
    tags: tuple[str, ...],
    url: str,
    trial: bool,
    qr: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Print an enrolment token: one hub, once, until it expires."""
    from backend.hubs.enrolment_tables import read_tags
    from backend.hubs.registry import Newcomer, Registry
    from backend.owner import directory as owners

    kind = out.suffix.lower().removeprefix(".") if out is not None else "svg"
    if kind not in ("svg", "png", "pdf"):
        raise click.BadParameter(
            phrase("token-qr-kind-wrong", "a QR code is .svg, .png or .pdf, not {kind!r}", kind=kind),
            param_hint="--out",
        )
    owner = owners.load(directory)
    url = address_of(url, owner)
    newcomer = Newcomer(name, read_tags(" ".join(tags)))
    with database(directory) as storage:
        (made,) = Registry(storage).issue_many(
            [newcomer], url=url, root=owner.settings.root, now=time.time(), lifetime=expires
        )
        if trial:
            with storage.transaction():
                storage.trials.expect(made.id)
    say(
        phrase(
            "token-for-trial",
            "For one run of the conformance suite, until {moment}: ilot backend check {url} --token TOKEN",
            moment=date(made.expires),
            url=url,
        )
        if trial
        else phrase(
            "token-for-one-hub",
            "For one hub, until {moment}. On the page of the hub, or there: ilot enroll --token-file -",
            moment=date(made.expires),
        )
    )
    if out is not None:
        write_file(out, draw(str(made), kind))
        say(
            phrase(
                "token-qr-written",
                "{file} holds its QR code, which is worth as much as the token: delete it once it was used",
                file=out,
            )
        )
    if qr:
        click.echo(_in_terminal(str(made)), err=True)
    show({"token": str(made), "id": made.id, "url": url, "expires": made.expires}, as_json, [str(made)])


@click.command()
@DIRECTORY
@click.argument("request", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The answer. Default: HUB.enrolment.json.")
@click.option("--name", default="", help="What the hub will be called. Default: as its request says.")
@TAG
@URL
@JSON
@handles_errors
def enroll(
    directory: Path, request: Path, out: Path | None, name: str, tags: tuple[str, ...], url: str, as_json: bool
) -> None:
    """Enrol the hub that wrote the file REQUEST, and write the answer that it takes: no network is needed."""
    from backend.hubs.enrolment_tables import read_tags
    from backend.hubs.registry import Newcomer, Registry
    from backend.owner import directory as owners
    from hub.protocol.enrolment_files import grouped

    owner = owners.load(directory)
    newcomer = Newcomer(name, read_tags(" ".join(tags)))
    one = _answered(request, newcomer, owner, address_of(url, owner))
    out = out or Path(f"{one.hub}.enrolment.json")
    with database(directory) as storage:
        Registry(storage).enlist_many([(one.identity, one.newcomer)], time.time())
        write_file(out, one.answer)
    digits = grouped(owner.settings.root)
    say(
        phrase(
            "answer-file-written",
            "{hub} is enrolled. Take {file} to it, and these digits, by another way than the file: {digits}",
            hub=one.hub,
            file=out,
            digits=digits,
        )
    )
    facts = {"hub": one.hub, "answer": str(out), "url": one.url, "root": owner.settings.root, "digits": digits}
    show(facts, as_json, [f"{title}\t{value}" for title, value in facts.items()])


@click.command("enroll-table")
@DIRECTORY
@click.argument("table", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Write the answers to this folder."
)
@URL
@JSON
@handles_errors
def enroll_table(directory: Path, table: Path, out: Path, url: str, as_json: bool) -> None:
    """Enrol the hubs of TABLE (CSV: request, name, tags), and write each its answer, HUB.enrolment.json.

    `request` names the file that a hub wrote, from TABLE's folder on. Nobody is enrolled while a row is wrong.
    """
    from backend.hubs.enrolment_tables import Fault
    from backend.hubs.registry import Registry
    from backend.owner import directory as owners
    from hub.protocol.enrolment_files import grouped

    owner = owners.load(directory)
    url = address_of(url, owner)
    found, faults = list[_Answered](), list[Fault]()
    for line in read_enrolment_table(table, requests=True):
        try:
            found.append(_answered(table.parent / line.request, line.newcomer, owner, url))
        except HubError as error:
            faults.append(Fault(line.line, reason_of(error)))
    _refuse_faults(table, faults)
    make_directory(out, 0o777)
    with database(directory) as storage:
        Registry(storage).enlist_many([(one.identity, one.newcomer) for one in found], time.time())
        for one in found:
            write_file(out / f"{one.hub}.enrolment.json", one.answer)
    digits = grouped(owner.settings.root)
    say(
        phrase(
            "answer-files-written",
            "{count} [hub is|hubs are] enrolled. Take the files in {folder} to them, and these digits, by another way "
            "than the files: {digits}",
            count=len(found),
            folder=out,
            digits=digits,
        )
    )
    for one in found:
        file = str(out / f"{one.hub}.enrolment.json")
        facts = {"hub": one.hub, "answer": file, "url": url, "root": owner.settings.root, "digits": digits}
        show(facts, as_json, [row(one.hub, one.newcomer.name or "-", file)])


class _Answered(NamedTuple):
    """A hub's request file, and the answer to it."""

    hub: str
    identity: bytes
    newcomer: Newcomer
    url: str
    answer: bytes


def _answered(request: Path, newcomer: Newcomer, owner: Owner, url: str) -> _Answered:
    """Return the answer to a request file. It is made before anything is stored, since it may be refused."""
    from hub.protocol import enrolment_files
    from hub.protocol.hub_id import hub_id

    asked = enrolment_files.read_request(_bounded(request, enrolment_files.MAX_REQUEST))
    hub = hub_id(asked.identity)
    certificate = owner.certify(asked.csr.encode(), hub).decode()
    answer = enrolment_files.Answer(
        hub=hub, url=url, root=owner.settings.root, certificate=certificate, trust=owner.trust_document
    )
    named = newcomer._replace(name=newcomer.name or asked.name)
    return _Answered(hub, asked.identity, named, url, enrolment_files.write(answer))


def read_enrolment_table(table: Path, *, requests: bool) -> list[Line]:
    """Return the rows of a table, and say what is left out of it. Raises ConfigError where a row is wrong."""
    from backend.hubs.enrolment_tables import MAX_BYTES, read_table

    try:
        found = read_table(_bounded(table, MAX_BYTES), requests=requests)
    except ConfigError as error:
        raise ConfigError(phrase("fault-in-file", "{file}: {reason}", file=table, reason=reason_of(error))) from error
    for column in found.ignored:
        say(phrase("column-left-out", "column {column!r} means nothing here and is left out", column=column))
    _refuse_faults(table, found.faults)
    return found.lines


def _refuse_faults(table: Path, faults: Sequence[Fault]) -> None:
    """Say what is wrong in which line, and raise ConfigError, unless nothing is."""
    for fault in faults:
        say(phrase("problem-at-place", "{place}: {reason}", place=f"{table}:{fault.line}", reason=fault.reason))
    if faults:
        raise ConfigError(
            phrase("rows-wrong-nothing-done", "{count} [row is|rows are] wrong, nothing is done", count=len(faults))
        )


def address_of(url: str, owner: Owner) -> str:
    """Return the address that a hub will call. Raises ConfigError."""

    from hub.protocol.enrolment import https_address

    url = url.rstrip("/") or owner.settings.url
    try:
        https_address(url)
    except ValueError as error:
        raise ConfigError(reason_of(error)) from error
    return url


def _bounded(file: Path, most: int) -> bytes:
    """Return what a file holds, one byte more than `most` at most. Raises StorageError."""
    try:
        with file.open("rb") as opened:
            return opened.read(most + 1)
    except OSError as error:
        raise StorageError(
            phrase("file-not-read", "{file} cannot be read: {reason}", file=file, reason=system_error(error))
        ) from error


def write_file(file: Path, data: bytes) -> None:
    try:
        write_atomically(file, data)
    except OSError as error:
        raise StorageError(
            phrase("file-not-written", "{file} cannot be written: {reason}", file=file, reason=system_error(error))
        ) from error


def draw(text: str, kind: str) -> bytes:
    import segno

    out = io.BytesIO()
    segno.make(text, error="l", micro=False).save(out, kind=kind, scale=4, border=4)
    return out.getvalue()


def _in_terminal(text: str) -> str:
    import segno

    out = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out=out, compact=True, border=2)
    return out.getvalue()
