"""`ilot plugins`: installed plugins, described outside of the hub; `restart`: restarts a running one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.text import phrase

if TYPE_CHECKING:
    from hub.plugin_host.isolation.describe import Description

KINDS = ("integration", "exporter", "notifier")


@click.group(cls=output.Group, invoke_without_command=True)
@output.as_json
@click.pass_context
def plugins(context: click.Context, json: bool) -> None:
    """List the installed plugins, what each registers, and which cannot be loaded and why."""
    if context.invoked_subcommand is None:
        _list(json)


@plugins.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), default=None, help="Where several have that name.")
@click.option("--dry-run", is_flag=True, help="Say what would be restarted; do nothing.")
@output.with_hub
def restart(name: str, kind: str | None, dry_run: bool, config: Path, state_dir: Path | None, json: bool) -> None:
    """Stop the instance NAME of the running hub and start it anew; the others go on. It is noted in the audit log."""
    answer = ask(config, state_dir, "plugin.restart", name=name, kind=kind or "", dry_run=dry_run)
    if json:
        output.data(answer)
        return
    facts = {
        "kind": output.word("plugin-kind", answer["kind"]),
        "name": answer["name"],
        "was": output.word("plugin", answer["was"]),
        "state": output.word("plugin", answer["state"]),
    }
    output.echo(
        phrase("plugin-would-restart", "{kind} {name}: would be restarted; it was {was}, it is {state}", **facts)
        if dry_run
        else phrase("plugin-restarted", "{kind} {name}: restarted; it was {was}, it is {state}", **facts)
    )


def _registered(plugin: Description) -> list[str]:
    return [
        *(phrase("registers-integration", "integration {name}", name=one.name) for one in plugin.integrations),
        *(phrase("registers-decoder", "decoder {name} ({kind})", name=c.name, kind=c.kind) for c in plugin.decoders),
        *(phrase("registers-uplink", "uplink {name}", name=one.name) for one in plugin.uplinks),
        *(phrase("registers-exporter", "exporter {name}", name=one.name) for one in plugin.exporters),
        *(phrase("registers-notifier", "notifier {name}", name=one.name) for one in plugin.notifiers),
    ]


def _list(json: bool) -> None:
    from hub.plugin_host.isolation.describe import Description, describe
    from hub.plugin_host.registry import Registry

    found = Registry.discover()
    described = [describe(plugin) for plugin in sorted(found.plugins.values(), key=lambda p: p.name)]
    problems: list[str] = [one.error for one in described]
    for one in found.hidden:
        problems.append(phrase("plugin-hidden", "hidden by {other}", other=found.plugins[one.name]))
        described.append(Description(one.name, one.distribution, one.version, error=str(problems[-1])))
    if json:
        output.data(msgspec.to_builtins(described))
    else:
        output.table(
            ("plugin", "distribution", "version", "registers", "problem"),
            [
                (
                    d.name,
                    d.distribution,
                    d.version,
                    ", ".join(map(output.translated, _registered(d))),
                    problem,
                )
                for d, problem in zip(described, problems, strict=True)
            ],
        )
    if any(d.error for d in described):
        raise click.exceptions.Exit(6)
