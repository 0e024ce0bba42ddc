"""`ilot backend check`: the conformance suite at a URL, or what is damaged in a directory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from backend.cli.console import JSON, handles_errors, row, say, show, translated
from hub.core.errors import StorageError
from hub.core.text import phrase, reason_of


@click.command()
@click.argument("what", metavar="URL|DIRECTORY")
@click.option(
    "--token", "token_text", default="", help="For a URL: a token of that backend, made with --trial; it is used up."
)
@JSON
@handles_errors
def check(what: str, token_text: str, as_json: bool) -> None:
    """Run the conformance suite against the backend at URL, with a throw-away hub; or look through the database of
    DIRECTORY for what is damaged, SQLite's own check first, and for records that wait for something."""
    if "://" not in what:
        _look_through(Path(what), as_json)
        return
    if not token_text:
        raise click.UsageError(
            phrase("check-needs-token", "a backend at a URL is checked with an enrolment token of it: --token")
        )
    import asyncio

    from backend.conformance.suite import run_suite

    results = asyncio.run(run_suite(what, token_text, say))
    for result in results:
        if as_json:
            show(msgspec.structs.asdict(result), True, [])
        else:
            why = f": {translated(result.why)}" if result.why else ""
            show(None, False, [f"{'ok  ' if result.passed else 'FAIL'} {result.name}{why}"])
    failed = sum(not result.passed for result in results)
    say(
        phrase(
            "checks-passed",
            "{passed} of {count} checks passed",
            passed=len(results) - failed,
            count=len(results),
        )
    )
    if failed:
        sys.exit(7)


def _look_through(directory: Path, as_json: bool) -> None:
    from backend.maintenance import consistency_check, integrity_check
    from backend.owner import directory as owners
    from backend.storage.opening import open_queries, open_storage

    found = hurt = 0

    def tell(one: dict[str, Any]) -> None:
        nonlocal found
        found += 1
        whose: str = "-"
        if one["run"]:
            whose = phrase("stream-of-run", "{stream} of run {run}", stream=one["stream"], run=one["run"])
        remedy = phrase("remedy-is", "remedy: {remedy}", remedy=one["remedy"])
        count = f"{one['count']}: {translated(one['of'])}"
        show(one, as_json, [row(one["what"], one["hub"] or "-", whose, count), row("", remedy)])

    owner = owners.load(directory)
    path, queries = owner.database, open_queries(owner.database)
    for one in integrity_check.find_damage(
        queries,
        lambda share: say(
            phrase(
                "share-looked-through",
                "{file}: about {share:.0f}% is looked through",
                file=path.name,
                share=100.0 * share,
            )
        ),
    ):
        tell(one)
    hurt = found
    try:
        open_storage(path).close()  # of a former release: brought up to date first
        for one in consistency_check.check(queries, owner.recipients):
            tell(one)
    except StorageError as error:
        if not hurt:
            raise
        say(
            phrase(
                "contents-not-looked-through",
                "what it holds could not be looked through: {reason}",
                reason=reason_of(error),
            )
        )
    if found:
        say(phrase("findings-counted", "{count} [finding|findings]: the remedy of each stands below it", count=found))
    else:
        say(
            phrase(
                "database-whole",
                "the database is whole, all context that is kept can be read, and nothing waits for some that was lost",
            )
        )
    sys.exit(7 if found else 0)
