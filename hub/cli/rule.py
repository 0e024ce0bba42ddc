"""`ilot rule`: templates of rules, with their inputs, and how often a rule would have fired."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.hub_client import hub_of
from hub.config.values import duration
from hub.core.text import phrase, reason_of

REPLAY_S = 120.0
"""How long an answer of the hub is waited for."""


@click.group(cls=output.Group)
def rule() -> None:
    """What the hub watches."""


@rule.command()
@click.argument("name", required=False)
@output.with_hub
def templates(name: str | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """The templates of rules, shipped and of the configuration file, with their inputs. With NAME, that one alone.
    Asks no hub."""
    from hub.config.parts.custom_templates import all_templates
    from hub.config.parts.templates import described
    from hub.plugin_host.opening import installed_for

    own: Any = {}
    if config.exists():
        own = installed_for(config, state_dir).open(config).config.rule_templates
    known = all_templates(own)
    if name is not None and name not in known:
        raise click.UsageError(
            phrase("no-such-template", "there is no template {name!r}; there are {known}", name=name, known=list(known))
        )
    found = [described(one, known[one], one in own) for one in (known if name is None else [name])]
    if json:
        output.data({"templates": found})
        return
    for one in found:
        severity = origin = output.word("severity", one["severity"])
        if one["own"]:
            origin = phrase("template-own", "{severity}, of the configuration", severity=severity)
        meaning = output.of_both(one)
        output.echo(
            phrase(
                "template-of-rules", "{name} ({origin}): {meaning}", name=one["name"], origin=origin, meaning=meaning
            )
        )
        for asked in one["inputs"]:
            limits, meaning = output.in_a_row(_limits(asked)), output.of_both(asked)
            said = phrase(
                "template-input", "{name}: {limits}. {meaning}", name=asked["name"], limits=limits, meaning=meaning
            )
            output.echo(f"    {output.translated(said)}")


def _limits(asked: dict[str, Any]) -> list[str]:
    """Return what an input may be, and its default, in the language of the shell."""
    said = [", ".join(asked.get("words", ()))]
    if "low" in asked:
        bounds = phrase(
            "input-bounds", "{low} to {high} {unit}", low=asked["low"], high=asked["high"], unit=asked["unit"]
        )
        said = [output.translated(bounds).rstrip()]
    if asked["default"] is not None:
        default = asked["default"]
        if isinstance(default, float) and default.is_integer():
            default = int(default)
        said.append(output.translated(phrase("input-default", "default {value}", value=default)))
    return said


@rule.command()
@click.argument("name")
@click.option("--last", default="7d", show_default=True, metavar="DURATION", help="How far back: 6h, 31d.")
@output.with_hub
def replay(name: str, last: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """How often the rule NAME of the running hub would have fired, by the history that the hub keeps.

    Where only hours are kept, "at least" so often; silence before the hub started, "about".
    """
    try:
        span_s = duration(last).total_seconds()
    except ValueError as error:
        raise click.UsageError(reason_of(error)) from None
    answer = hub_of(config, state_dir)("rule.replay", timeout=REPLAY_S, name=name, span_s=span_s)
    if json:
        output.data(answer)
        return
    if answer["from"] is None:
        output.echo(phrase("replay-without-history", "{rule}: no history that it could be tried on", rule=name))
        return
    many = {"exact": "", "at-least": phrase("replay-at-least", "at least"), "about": phrase("replay-about", "about")}
    output.echo(
        phrase(
            "replay-result",
            "{rule}: {certainty} {count} [time|times] from {begin} to {end}",
            rule=name,
            certainty=many[answer["certainty"]],
            count=answer["count"],
            begin=_utc(answer["from"]),
            end=_utc(answer["to"]),
        )
    )
    output.table(
        ("since", "until", "place", "value"),
        [
            (
                _utc(one["begin"]),
                "–" if one["end"] is None else _utc(one["end"]),
                one["name"] or one["key"],
                one["value"],
            )
            for one in answer["episodes"]
        ],
    )


def _utc(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
