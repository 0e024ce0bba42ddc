"""`ilot rule templates`: templates of rules, with their inputs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.config.values import show_duration
from hub.core.text import phrase


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
    from hub.plugin_host.opening import installed_for

    own: Any = {}
    if config.exists():
        own = installed_for(config, state_dir).open(config).config.rule_templates
    known = all_templates(own)
    if name is not None and name not in known:
        raise click.UsageError(
            phrase("no-such-template", "there is no template {name!r}; there are {known}", name=name, known=list(known))
        )
    found = [_plain(one, known[one], one in own) for one in (known if name is None else [name])]
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


def _plain(name: str, template: Any, own: bool) -> dict[str, Any]:
    return {
        "name": name, "own": own, "en": template.en, "fr": template.fr, "severity": template.severity,
        "needs_schedule": template.needs_schedule,
        "inputs": [_input(asked, one) for asked, one in template.inputs.items()],
    }  # fmt: skip


def _input(name: str, asked: Any) -> dict[str, Any]:
    made = {
        "name": name, "kind": asked.kind, "default": _shown(asked.default), "unit": asked.unit, "en": asked.en,
        "fr": asked.fr,
    }  # fmt: skip
    if asked.words:
        return {**made, "words": list(asked.words)}
    bounds = (asked.low, asked.high)
    if asked.kind == "duration":
        low, high = (show_duration(timedelta(seconds=one)) for one in bounds)
        return {**made, "low": low, "high": high}
    return {**made, "low": f"{asked.low:g}", "high": f"{asked.high:g}"}


def _shown(value: Any) -> Any:
    return show_duration(value) if isinstance(value, timedelta) else value
