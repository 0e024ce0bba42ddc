"""`ilot commission`: progress of a commissioning, and its report. The pages use the same calls."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of, with_codes


@click.group(cls=output.Group)
def commission() -> None:
    """Commissioning: which devices are expected, which of them report, and what is to be done about the others."""


@commission.command()
@output.with_hub
def status(config: Path, state_dir: Path | None, json: bool) -> None:
    """Every expected device, and what is to be done about it."""
    answer = ask(config, state_dir, "roster.show")
    if json:
        output.data(answer)
        return
    for row in answer["rows"]:
        what = output.translated(output.of_both(row["remedy"])) if row["remedy"] else ""
        colour = output.translated(output.word("roster", row["colour"]))
        click.echo(f"{colour:6} {row['device'] or row['label']:32} {row['place']:20} {what}")
    output.echo(
        phrase("expected-report", "{green}/{expected} report", green=answer["green"], expected=answer["expected"])
    )


@commission.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the signed report to this file.")
@output.with_config
@output.with_state
def report(out: Path | None, config: Path, state_dir: Path | None) -> None:
    """The report as JSON, signed by this hub. The page `/commissioning/report` prints it."""
    import msgspec

    from hub.core.disk.atomic_files import write_atomically

    answer = ask(config, state_dir, "roster.report")
    if out is None:
        output.data(answer)
        return
    write_atomically(out, msgspec.json.format(msgspec.json.encode(with_codes(answer))) + b"\n")
    output.say(
        phrase(
            "commissioning-written",
            "{file}: {green}/{expected} report",
            file=out,
            green=answer["report"]["green"],
            expected=answer["report"]["expected"],
        )
    )


@commission.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True, resolve_path=True))
@click.option("--name", default="", help="What people call this floor.  [default: the name of the file]")
@output.with_hub
def plan(file: Path, name: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Add a floor plan, FILE: PNG or JPEG, 4 MB at most. The hub's own user must be able to read it."""
    answer = ask(config, state_dir, "picture.add", file=str(file), name=name or file.stem)
    if json:
        output.data(answer)
        return
    output.say(
        phrase("plan-added", "plan {plan} added; put places on it on the page /commissioning/plan", plan=answer["id"])
    )


@commission.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@output.as_json
def verify(file: Path, json: bool) -> None:
    """Check that FILE is a report as the hub that it names signed it. Needs no hub."""
    import msgspec

    from hub.core.errors import ConfigError
    from hub.onboarding.adoption.report import verify as verify_report

    try:
        answer = msgspec.json.decode(shallow_json(file.read_bytes()), type=dict)
    except msgspec.DecodeError as error:
        raise ConfigError(
            phrase("not-a-report", "{file} is no report: {reason}", file=file, reason=reason_of(error))
        ) from error
    found = verify_report(answer)
    if json:
        output.data({name: found[name] for name in ("hub", "at", "by", "expected", "green")})
        return
    output.echo(
        phrase(
            "report-signed-by",
            "{hub} signed it: {green}/{expected} report",
            hub=found["hub"],
            green=found["green"],
            expected=found["expected"],
        )
    )
