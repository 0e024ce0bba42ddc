"""`ilot backend city routes check|import|export`: who is told of which alert, and the proof that somebody always is."""

from __future__ import annotations

import getpass
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backend.cli.city_people import opened
from backend.cli.console import DIRECTORY, JSON, Group, handles_errors, row, say, show
from hub.core.errors import ConfigError
from hub.core.text import phrase

if TYPE_CHECKING:
    from backend.city.dispatch.checking import Verdict
    from backend.city.dispatch.plan import Plan

YEAR_S = 366 * 86_400.0
FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))


@click.group(cls=Group)
def routes() -> None:
    """Routes of alerts, with rota and people: check, import and export."""


@routes.command()
@DIRECTORY
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="A plan that is not stored.")
@click.option("--year", type=click.IntRange(2020, 2200), help="That calendar year. Default: a year from now.")
@JSON
@handles_errors
def check(directory: Path, file: Path | None, year: int | None, as_json: bool) -> None:
    """Prove that every hour of a year has somebody, both nights of the clock change and public holidays included."""
    from backend.city.dispatch import checking, plan_table

    begin, end = _year(year)
    with opened(directory) as city, city.snapshot() as now:
        _, plan = plan_table.current(now)
        swaps = plan_table.standing_swaps(now, begin)
    if file is not None:
        plan = _read(file, plan)
    verdict = checking.check(plan, swaps, begin, end)
    _show(verdict, plan, as_json)
    if verdict.wrong:
        raise ConfigError(verdict.wrong[0])
    if verdict.holes:
        sys.exit(6)


@routes.command(name="import")
@DIRECTORY
@FILE
@click.option("--dry-run", is_flag=True, help="Check the file and change nothing.")
@handles_errors
def import_(directory: Path, file: Path, dry_run: bool) -> None:
    """Let the plan of FILE count: YAML for all of it, CSV for its routes, its rota or its people."""
    from backend.city.dispatch import checking, plan_table
    from backend.city.people import journal

    now = time.time()
    with opened(directory) as city:
        with city.snapshot() as there:
            _, former = plan_table.current(there)
            swaps = plan_table.standing_swaps(there, now)
        plan = _read(file, former)
        verdict = checking.check(plan, swaps, *_year(None))
        if verdict.wrong:
            raise ConfigError(verdict.wrong[0])
        _show(verdict, plan, as_json=False)
        if dry_run:
            return
        who = f"cli:{getpass.getuser()}"
        with city.transaction() as t:
            version = plan_table.store(t, plan, who, now)
            journal.note(t, who, "routes.stored", str(version), {"file": file.name}, now)
    say(phrase("routes-stored", "version {version} of the plan counts from now on", version=version))


@routes.command()
@DIRECTORY
@handles_errors
def export(directory: Path) -> None:
    """Print the plan that counts as YAML, as `import` reads it."""
    from backend.city.dispatch import plan_file, plan_table

    with opened(directory) as city, city.snapshot() as now:
        _, plan = plan_table.current(now)
    click.echo(plan_file.written(plan), nl=False)


def _read(file: Path, former: Plan) -> Plan:
    from backend.city.dispatch import plan_file

    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        text = file.read_text(encoding="cp1252", errors="replace")  # as spreadsheets write it
    if file.suffix.lower() == ".csv":
        return plan_file.read_csv(text, former, str(file))
    return plan_file.read_yaml(text, str(file))


def _year(year: int | None) -> tuple[float, float]:
    if year is None:
        now = time.time()
        return now - now % 3600, now - now % 3600 + YEAR_S
    first, last = (datetime(one, 1, 1, tzinfo=UTC).timestamp() for one in (year, year + 1))
    return first - 86_400, last + 86_400  # wherever the plan's zone is


def _show(verdict: Verdict, plan: Plan, as_json: bool) -> None:
    from backend.city.dispatch.wording import moment

    told: dict[str, Any] = {
        "hours": verdict.hours, "moments": verdict.moments, "wrong": list(verdict.wrong),
        "holes": [one._asdict() for one in verdict.holes],
    }  # fmt: skip
    lines = [
        row(moment(one.begin, plan.zone, "en"), moment(one.end, plan.zone, "en"), one.service,
            ", ".join(f"{name} {number}" for name, number in one.steps))
        for one in verdict.holes
    ]  # fmt: skip
    if not verdict.wrong and not verdict.holes:
        said = phrase(
            "routes-proved",
            "each of {hours} hours has somebody at every step of {count} [route|routes]",
            hours=verdict.hours,
            count=len(plan.routes),
        )
        lines.append(said)
    elif verdict.holes:
        say(phrase("routes-with-holes", "{count} [period has|periods have] nobody:", count=len(verdict.holes)))
    show(told, as_json, lines)
