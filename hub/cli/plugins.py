"""`ilot plugins`: installed plugins, described outside of the hub; `restart`: restarts a running one."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.text import phrase

if TYPE_CHECKING:
    from hub.plugin_host.isolation.describe import Description

KINDS = ("integration", "exporter", "notifier")


@click.group(cls=output.Group, invoke_without_command=True)
@output.with_hub
@click.pass_context
def plugins(context: click.Context, config: Path, state_dir: Path | None, json: bool) -> None:
    """List the installed plugins, what each registers, and which cannot be loaded and why.

    Also those that are installed apart (`ilot plugin`), with what they may do.
    """
    if context.invoked_subcommand is None:
        _list(config, state_dir, json)


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


def _apart(facts: dict[str, Any] | None) -> dict[str, Any]:
    """Return what only the list of this hub knows of a plugin: where it is installed, and what it may do."""
    return {} if facts is None else dict(msgspec.to_builtins(facts))


def _registered(plugin: Description) -> list[str]:
    return [
        *(phrase("registers-integration", "integration {name}", name=one.name) for one in plugin.integrations),
        *(phrase("registers-decoder", "decoder {name} ({kind})", name=c.name, kind=c.kind) for c in plugin.decoders),
        *(phrase("registers-uplink", "uplink {name}", name=one.name) for one in plugin.uplinks),
        *(phrase("registers-exporter", "exporter {name}", name=one.name) for one in plugin.exporters),
        *(phrase("registers-notifier", "notifier {name}", name=one.name) for one in plugin.notifiers),
    ]


def _told(plugin: Description, apart: Collection[str]) -> list[str]:
    """Return what a plugin registers; of one that is installed apart nothing has run yet."""
    if plugin.name in apart:
        return [phrase("registers-in-its-process", "said by itself, once it runs in a process of its own")]
    return _registered(plugin)


def _list(config: Path, state_dir: Path | None, json: bool) -> None:
    from hub.plugin_host.isolation.describe import Description, describe
    from hub.plugin_host.opening import installed_for

    found = installed_for(config, state_dir).registry
    known = sorted(found.plugins.values(), key=lambda p: p.name)
    described = [describe(plugin) for plugin in known]
    problems: list[str] = [p.barred if p.paths else one.error for p, one in zip(known, described, strict=True)]
    for one in found.hidden:
        problems.append(phrase("plugin-hidden", "hidden by {other}", other=found.plugins[one.name]))
        described.append(Description(one.name, one.distribution, one.version, error=str(problems[-1])))
    if json:
        apart = {p.name: {"paths": p.paths, "manifest": p.manifest, "barred": str(p.barred)} for p in known}
        plain = [msgspec.structs.replace(one, error=str(one.error)) for one in described]
        output.data([{**msgspec.to_builtins(one), **_apart(apart.get(one.name))} for one in plain])
    else:
        names = {p.name for p in known if p.paths and not p.barred}
        output.table(
            ("plugin", "distribution", "version", "registers", "problem"),
            [
                (
                    d.name,
                    d.distribution,
                    d.version,
                    ", ".join(map(output.translated, _told(d, names))),
                    problem,
                )
                for d, problem in zip(described, problems, strict=True)
            ],
        )
    if any(problems):
        raise click.exceptions.Exit(6)
