"""`ilot plugins`: what is installed, described without running it in the hub."""

from __future__ import annotations

import click
import msgspec

from hub.cli import output


@click.command()
@output.as_json
def plugins(json: bool) -> None:
    """List the installed plugins, what each registers, and which cannot be loaded and why."""
    from hub.isolation.describe import describe
    from hub.registry import Registry

    described = [describe(plugin) for plugin in sorted(Registry.discover().plugins.values(), key=lambda p: p.name)]
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
