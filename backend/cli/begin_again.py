"""`ilot backend begin-again`: after a PostgreSQL database was put back to an earlier moment."""

from __future__ import annotations

import click

from backend.cli.console import DATABASE, JSON, handles_errors, say, show
from hub.core.text import phrase


@click.command("begin-again")
@click.option("--database", "url", required=True, envvar=DATABASE, help="postgresql://USER@HOST/NAME.")
@JSON
@handles_errors
def begin_again(url: str, as_json: bool) -> None:
    """Give a PostgreSQL database that was put back to an earlier moment another identity.

    Hubs then send again what it lacks, as far as they keep it, instead of believing what was acknowledged before.
    Tokens that it holds for unused are withdrawn: they may have been used since. Of the city's people, sessions, codes
    and tokens of programs end. Workers must not run meanwhile.
    """
    from backend.storage.opening import begin_again as begin

    withdrawn = begin(url)
    say(
        phrase(
            "database-begins-again",
            "The database has another identity, hubs send again what it lacks. {count} [token|tokens] withdrawn.",
            count=withdrawn,
        )
    )
    show({"tokens_withdrawn": withdrawn}, as_json, [])
