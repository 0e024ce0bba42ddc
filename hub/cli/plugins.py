"""`ilot plugins`: installed plugins, described outside of the hub; `restart`: restarts a running one."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from hub.cli import output
from hub.cli.hub_client import ask

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
    done = "would be restarted" if dry_run else "restarted"
    click.echo(f"{answer['kind']} {answer['name']}: {done}; it was {answer['was']}, it is {answer['state']}")


def _list(json: bool) -> None:
    from hub.plugin_host.isolation.describe import Description, describe
    from hub.plugin_host.registry import Registry

    found = Registry.discover()
    described = [describe(plugin) for plugin in sorted(found.plugins.values(), key=lambda p: p.name)]
    described += [
        Description(one.name, one.distribution, one.version, error=f"hidden by {found.plugins[one.name]}")
        for one in found.hidden
    ]
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
                    ", ".join(
                        [f"integration {i.name}" for i in d.integrations]
                        + [f"decoder {c.name} ({c.kind})" for c in d.decoders]
                        + [f"uplink {u.name}" for u in d.uplinks]
                        + [f"exporter {e.name}" for e in d.exporters]
                        + [f"notifier {n.name}" for n in d.notifiers]
                    ),
                    d.error,
                )
                for d in described
            ],
        )
    if any(d.error for d in described):
        raise click.exceptions.Exit(6)
