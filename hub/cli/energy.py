"""`ilot energy`, `ilot report`, `ilot evidence`: meters, their drift, and the documents that the law requires."""

from __future__ import annotations

import datetime
from pathlib import Path

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.text import phrase


@click.command()
@click.option("--year", type=int, help="By default this one.")
@click.option("--restart", metavar="PLACE", help="Let a new reference period of this meter begin today.")
@output.with_hub
def energy(year: int | None, restart: str | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """The meters of the running hub: what they counted, how complete it is, and whether they drift."""
    if restart is not None:
        answer = ask(config, state_dir, "energy.restart", place=restart)
        if json:
            output.data(answer)
        else:
            output.echo(
                phrase("reference-period-begins", "{meter}: a new reference period begins today", meter=restart)
            )
        return
    ask(config, state_dir, "energy.judge", timeout=600)
    answer = ask(config, state_dir, "energy.meters", year=year)
    if json:
        output.data(answer)
        return
    output.table(
        ("meter", "zone", "carrier", "used", "unit", "estimated", "complete", "drift"),
        [
            (
                one["place"], one["zone"], one["carrier"], one["used"], one["unit"], one["estimated"] or "",
                one["completeness"], _drift(one["drift"]),
            )
            for one in answer["meters"]
        ],
    )  # fmt: skip


def _drift(state: dict[str, object]) -> str:
    if state["state"] == "drift":
        return phrase(
            "meter-drifts", "{size:+.0f} % since {day}", size=100 * float(str(state["size"])), day=state["since"]
        )
    if state["state"] == "learning":
        return phrase("meter-learning", "learning {days}/{needed}", days=state["days"], needed=state["needed"])
    return output.word("drift", state["state"])


@click.command()
@click.argument("kind", type=click.Choice(["r175", "operat", "dossier"]))
@click.option("--year", type=int, help="By default this one.")
@click.option("--operator", default="", help="Only what this operator is given: an id of `energy: operators`.")
@click.option("--format", "shape", type=click.Choice(["html", "json", "csv"]), help="By default HTML; of operat, CSV.")
@click.option("--lang", type=click.Choice(["fr", "en"]), default="fr", show_default=True)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The file; by default named after the report, here.")
@output.with_config
@output.with_state
def report(
    kind: str,
    year: int | None,
    operator: str,
    shape: str | None,
    lang: str,
    out: Path | None,
    config: Path,
    state_dir: Path | None,
) -> None:
    """Write a report of the running hub, signed: R175-3, the yearly OPERAT table, or the inspection dossier."""
    answer = ask(
        config,
        state_dir,
        "energy.report",
        timeout=600,
        kind=kind,
        year=year,
        operator=operator,
        format=shape,
        lang=lang,
    )
    path = out or Path(answer["name"])
    path.write_bytes(answer["document"].encode())
    if answer["signature"]:
        path.with_name(path.name + ".sig").write_text(answer["signature"])
        output.say(phrase("report-signature-in", "its signature is in {file}", file=f"{path}.sig"))
    click.echo(path)


@click.group(cls=output.Group)
def evidence() -> None:
    """Documents that a hub has signed."""


@evidence.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--hub", help="The hub that must have signed it: its id is on its label.")
@output.as_json
def verify(file: Path, hub: str | None, json: bool) -> None:
    """Check FILE, on any machine. Exit code 7 when it was changed, or another hub signed it.

    A CSV has its signature beside it, in FILE.sig.
    """
    from hub.energy.evidence import NotEvidence
    from hub.energy.evidence import verify as check

    beside = file.with_name(file.name + ".sig")
    proof = check(file.read_bytes(), beside.read_bytes() if beside.exists() else None)
    if hub is not None and proof.hub != hub:
        raise NotEvidence(phrase("signed-by-another-hub", "{signer} signed it, not {hub}", signer=proof.hub, hub=hub))
    if json:
        output.data({"file": str(file), "hub": proof.hub, "at": proof.at, "good": True})
        return
    when = datetime.datetime.fromtimestamp(proof.at, datetime.UTC)
    moment = f"{when:%Y-%m-%d %H:%M} UTC"
    output.echo(
        phrase("evidence-good", "{file}: as {hub} signed it on {moment}", file=file, hub=proof.hub, moment=moment)
    )
