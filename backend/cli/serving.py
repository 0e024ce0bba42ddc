"""`ilot backend run`, and its three parts one by one: `ingest`, `api`, `compact`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from backend.cli.console import (
    DATABASE,
    DIRECTORY,
    JSON,
    handles_errors,
    log_to_stderr,
    log_uncaught,
    say,
    say_error,
    show,
    translated,
)
from hub.core.errors import ConfigError, HubError
from hub.core.text import phrase

if TYPE_CHECKING:
    from backend.ingest.sigfox.callbacks import ListenAddress
    from backend.maintenance.row_migration import Moved
    from backend.processes.api_process import RunningApi
    from backend.processes.compactor_process import RunningCompactor
    from backend.processes.ingest_process import Running
    from backend.processes.metrics import MetricsAddress
    from backend.processes.process import Manager
    from backend.processes.supervisor import Part

log = logging.getLogger("backend")

TELL_MOVED_S = 10.0
"""Seconds between two words on how far a migration is."""

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
Facts = dict[str, Any]

_PORT = (
    "Default: the one of init; 0: any free one. One that the trust document does not name yet needs the owner root in "
    "DIRECTORY/root, for this once."
)
_DATABASE = click.option(
    "--database",
    default=None,
    envvar=DATABASE,
    help="A file, or postgresql://USER@HOST/NAME. Default: DIRECTORY/backend.db.",
)
_METRICS = click.option("--metrics", default="", metavar="[ADDRESS:]PORT", help="Offer metrics to Prometheus there.")
_API_PORT = click.option(
    "--port", type=click.IntRange(0, 65535), help="Answer at a port of its own too, over TLS. 0: any free one."
)
_OF_SPACES = (
    click.option("--sftp", default="", metavar="[ADDRESS:]PORT", help="Let providers drop files there by SFTP."),
    click.option(
        "--spaces-mqtt", default="", metavar="HOST[:PORT]", help="Take what providers publish at this broker."
    ),
)
_OF_INGEST = (
    click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on."),
    click.option("--port", type=click.IntRange(0, 65535), help=_PORT),
    click.option("--journal", is_flag=True, hidden=True),
    click.option("--mqtt", default="", metavar="HOST[:PORT]", help="Hear hubs at this MQTT broker too."),
    click.option(
        "--callbacks", default="", metavar="ADDRESS:PORT", help="Receive the Sigfox operator's callbacks there."
    ),
    click.option(
        "--callbacks-certificate", type=click.Path(path_type=Path, dir_okay=False), help="Its TLS chain, PEM."
    ),
    click.option(
        "--callbacks-key", type=click.Path(path_type=Path, dir_okay=False), help="The private key of that, PEM."
    ),
)


def _options_of_spaces(command: F) -> F:
    return reduce(lambda made, option: option(made), reversed(_OF_SPACES), command)


def _options_of_ingest(command: F) -> F:
    return reduce(lambda made, option: option(made), reversed(_OF_INGEST), command)


@click.command()
@DIRECTORY
@_DATABASE
@_options_of_ingest
@click.option("--shared", is_flag=True, help="Let other ingest processes of this machine and user have the same port.")
@_METRICS
@JSON
@handles_errors
def ingest(directory: Path, database: str | None, metrics: str, as_json: bool, **options: Any) -> None:
    """Answer the hubs of DIRECTORY until SIGTERM: one process over SQLite, any number over PostgreSQL.

    The operator's requests that come to its port are passed on to an `api` of the same DIRECTORY."""
    from backend.processes.ingest_process import answering_hubs

    more = _ingest_options(options) | {"database": database, "metrics": _metrics(metrics)}
    _run_alone(lambda manager: answering_hubs(directory, moved=_telling(manager), **more), _ingest_facts, as_json)


@click.command()
@DIRECTORY
@_DATABASE
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of that port.")
@_API_PORT
@_options_of_spaces
@_METRICS
@JSON
@handles_errors
def api(
    directory: Path,
    database: str | None,
    host: str,
    port: int | None,
    sftp: str,
    spaces_mqtt: str,
    metrics: str,
    as_json: bool,
) -> None:
    """Answer the operators of DIRECTORY until SIGTERM: what comes to the port of the hubs, and at a port of its own."""
    from backend.processes.api_process import answering_operators

    more = _spaces_options(sftp, spaces_mqtt)
    part = answering_operators(directory, database=database, host=host, port=port, metrics=_metrics(metrics), **more)
    _run_alone(lambda _: part, _api_facts, as_json)


@click.command()
@DIRECTORY
@_DATABASE
@_METRICS
@JSON
@handles_errors
def compact(directory: Path, database: str | None, metrics: str, as_json: bool) -> None:
    """Compact the database of DIRECTORY and watch for silent hubs until SIGTERM.

    One process does so for each database; another one waits until it is gone."""
    from backend.processes.compactor_process import compacting

    part = compacting(directory, database=database, metrics=_metrics(metrics))
    _run_alone(lambda _: part, _compact_facts, as_json)


@click.command()
@DIRECTORY
@_DATABASE
@_options_of_ingest
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Ingest processes, over PostgreSQL."
)
@click.option("--api", "api_at", default="", metavar="[ADDRESS:]PORT", help="A port of its own for the operator's API.")
@_options_of_spaces
@click.option(
    "--metrics",
    default="",
    metavar="[ADDRESS:]PORT",
    help="Offer metrics of ingest to Prometheus there, of the API at the next port, of the compactor at the one after.",
)
@JSON
@handles_errors
def run(
    directory: Path,
    database: str | None,
    workers: int,
    api_at: str,
    sftp: str,
    spaces_mqtt: str,
    metrics: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Serve DIRECTORY until SIGTERM: ingest, the operator's API and the compactor, each in a process of its own."""
    import os
    import sys

    from backend.owner import directory as owners
    from backend.processes.metrics import read_address
    from backend.processes.supervisor import Supervisor
    from backend.storage.opening import is_url
    from hub.core.service_manager import ServiceManager

    owners.check_made(directory)
    if workers > 1 and not is_url(database or ""):
        raise ConfigError(
            phrase("workers-need-postgresql", "several ingest processes need PostgreSQL: give its --database")
        )
    at = read_address(api_at) if api_at else None
    offered = _metrics(metrics)
    options = _ingest_options(options) | {"database": database}
    parts = [
        *_ingest_parts(directory, options, workers, offered),
        _api_part(directory, database, at, _next(offered, 1), _spaces_options(sftp, spaces_mqtt)),
        _compact_part(directory, database, _next(offered, 2)),
    ]
    _prepare("run")
    manager = ServiceManager(os.environ, translated)
    sys.exit(Supervisor(parts, lambda made: _tell_all(made, as_json), manager).run())


def _ingest_parts(directory: Path, options: Facts, workers: int, metrics: MetricsAddress | None) -> Iterator[Part]:
    """Yield the ingest processes. The first one finds the port, and listens at broker and callbacks."""
    from backend.processes.ingest_process import answering_hubs
    from backend.processes.supervisor import Part

    def make(number: int) -> Part:
        more = options | {"shared": workers > 1, "metrics": _next(metrics, number and number + 2)}
        more |= {"mqtt": "", "callbacks": None} if number else {}

        def part(former: Facts, manager: Manager) -> AbstractAsyncContextManager[Running]:
            found = former or made[0].facts
            told = {"moved": _telling(manager)} | ({"port": found["port"]} if found else {})
            return answering_hubs(directory, **more | told)

        name = "ingest" if workers == 1 else f"ingest-{number + 1}"
        return Part(name, partial(_be_part, name, part, _ingest_facts))

    made: list[Part] = []
    for number in range(workers):
        made.append(make(number))
        yield made[-1]


def _api_part(
    directory: Path, database: str | None, at: MetricsAddress | None, metrics: MetricsAddress | None, spaces: Facts
) -> Part:
    from backend.processes.api_process import answering_operators
    from backend.processes.supervisor import Part

    def part(former: Facts, manager: Manager) -> AbstractAsyncContextManager[RunningApi]:
        port = None if at is None else former.get("port") or at.port
        host = "127.0.0.1" if at is None else at.host
        return answering_operators(directory, database=database, host=host, port=port, metrics=metrics, **spaces)

    return Part("api", partial(_be_part, "api", part, _api_facts))


def _compact_part(directory: Path, database: str | None, metrics: MetricsAddress | None) -> Part:
    from backend.processes.compactor_process import compacting
    from backend.processes.supervisor import Part

    def part(former: Facts, manager: Manager) -> AbstractAsyncContextManager[RunningCompactor]:
        return compacting(directory, database=database, metrics=metrics)

    return Part("compact", partial(_be_part, "compact", part, _compact_facts))


def _be_part(
    name: str,
    part: Callable[[Facts, Manager], AbstractAsyncContextManager[T]],
    facts: Callable[[T], Facts],
    former: Facts,
    pipe: int,
) -> int:
    """Run a part in its own process, started by `run`; return its exit code."""
    from backend.processes.process import Parent

    _prepare(name)
    parent = Parent(pipe)

    def ready(running: T) -> str:
        parent.facts = facts(running)
        return ""

    return _finish(part(former, parent), ready, parent)


def _run_alone(
    part: Callable[[Manager], AbstractAsyncContextManager[T]], facts: Callable[[T], Facts], as_json: bool
) -> None:
    """Run a part as the only one of this command."""
    import os
    import sys

    from hub.core.service_manager import ServiceManager

    def ready(running: T) -> str:
        return _tell(facts(running), as_json)

    _prepare("")
    manager = ServiceManager(os.environ, translated)
    sys.exit(_finish(part(manager), ready, manager))


def _finish(part: AbstractAsyncContextManager[T], ready: Callable[[T], str], manager: Manager) -> int:
    """Run a part until it ends; return its exit code, with what ended it said."""
    import asyncio

    from backend.processes import process

    try:
        asyncio.run(process.run(part, ready, manager))
    except (HubError, OSError) as error:
        return say_error(error)
    return 0


def _prepare(process: str) -> None:
    """Ready this process to serve: its log, and its memory before any key is read."""
    from hub.core.process_hardening import harden

    log_to_stderr(process)
    log_uncaught()
    for sentence in harden():
        log.warning("%s", sentence)


def _telling(manager: Manager) -> Callable[[Moved], None]:
    """Return what tells how far the migration of a database is, which a start waits for: hubs keep meanwhile."""
    told = float("-inf")

    def tell(now: Moved) -> None:
        nonlocal told
        if time.monotonic() - told < TELL_MOVED_S:
            return
        told = time.monotonic()
        said = phrase(
            "rows-moving",
            "readings of a former release are moved into chunks before hubs are answered: {share:.1%}, {count} so far",
            share=now.share,
            count=now.rows,
        )
        log.warning(said)
        manager.starting(said, 10 * TELL_MOVED_S)

    return tell


def _tell_all(parts: Sequence[Part], as_json: bool) -> str:
    """Say that all parts work; return the sentence for systemd."""
    facts = parts[0].facts | {"api": parts[-2].facts["url"]}
    if "sftp" in parts[-2].facts:
        facts["sftp"] = parts[-2].facts["sftp"]
    if "metrics" in facts:
        facts["metrics_of_others"] = [part.facts["metrics"] for part in parts[1:]]
    return _tell(facts, as_json)


def _tell(facts: Facts, as_json: bool) -> str:
    """Say what works, on stdout as JSON or on stderr; return the sentence for systemd."""
    if facts.get("demo_grade"):
        say(phrase("demo-grade", "demo grade: the owner root or the recovery key lies beside the server"))
    if facts.get("callbacks"):
        say(phrase("receiving-callbacks", "receiving Sigfox callbacks at {url}", url=facts["callbacks"]))
    for url in [facts["metrics"], *facts.get("metrics_of_others", ())] if "metrics" in facts else []:
        say(phrase("metrics-at", "metrics at {url}", url=url))
    if facts.get("sftp"):
        say(phrase("sftp-at", "provider spaces by SFTP at port {port}", port=facts["sftp"]))
    if facts.get("api"):
        say(phrase("api-at", "the operator's API at {url}", url=facts["api"]))
    if "root" in facts:
        said = phrase("serving-at", "serving {owner!r} at {url}", owner=facts["owner"], url=facts["url"])
        shown = phrase(
            "serving-owner",
            "serving {owner!r} at {url}, owner root {root}",
            owner=facts["owner"],
            url=facts["url"],
            root=f"{facts['root'][:16]}…",
        )
    elif "url" in facts:
        said = shown = phrase("api-answers", "the operator's API answers")
    else:
        said = shown = phrase("compactor-runs", "the compactor runs")
    if as_json:
        show(facts, True, [])
    else:
        say(shown)
    return said


def _ingest_facts(running: Running) -> Facts:
    owner = running.owner
    facts = {
        "url": running.url, "port": running.port, "owner": owner.settings.owner, "root": owner.settings.root,
        "demo_grade": owner.demo_grade,
    }  # fmt: skip
    more = {"callbacks": running.callbacks, "metrics": running.metrics}
    return facts | {name: value for name, value in more.items() if value}


def _api_facts(running: RunningApi) -> Facts:
    facts = {"url": running.url, "port": running.port, "api": running.url}
    more = {"metrics": running.metrics, "sftp": running.sftp}
    return facts | {name: value for name, value in more.items() if value}


def _compact_facts(running: RunningCompactor) -> Facts:
    return {"metrics": running.metrics} if running.metrics else {}


def _ingest_options(given: Facts) -> Facts:
    """Return the options of ingest as `answering_hubs` takes them. Raises ConfigError."""
    certificate, key = given.pop("callbacks_certificate"), given.pop("callbacks_key")
    if given.pop("journal"):
        say(phrase("journal-option-gone", "--journal does nothing any more: without it hubs are answered as fast"))
    callbacks: ListenAddress | None = None
    if given["callbacks"]:
        from backend.ingest.sigfox.callbacks import ListenAddress
        from backend.owner.broker import read_address

        at = read_address(given["callbacks"])
        callbacks = ListenAddress(at.host, at.port, certificate, key).checked()
    return given | {"callbacks": callbacks}


def _spaces_options(sftp: str, mqtt: str) -> Facts:
    """Return the options of provider spaces as `answering_operators` takes them. Raises ConfigError."""
    from backend.owner.broker import read_address

    return {"sftp": _metrics(sftp), "broker": read_address(mqtt) if mqtt else None}


def _metrics(given: str) -> MetricsAddress | None:
    from backend.processes.metrics import read_address

    return read_address(given) if given else None


def _next(at: MetricsAddress | None, step: int) -> MetricsAddress | None:
    """Return the address `step` ports further; any free port stays any."""
    return at if at is None or not at.port else at._replace(port=at.port + step)
