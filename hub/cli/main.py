"""The `ilot` command. Each subcommand lives in a module of its own, imported when it is called.

Data go to stdout, messages to stderr, with `--json` as JSON too. Exit codes: 0 ok · 1 bug · 2 usage, or nothing of that
name is here · 3 configuration · 4 unreachable · 5 permission · 6 degraded · 7 data at risk · 8 timeout · 9 something to
be seen to, of `ilot doctor`.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from hub.cli import distribution
from hub.core.errors import ConfigError, HubError
from hub.core.text import phrase, reason_of
from hub.plugin_host import entry_points

COMMANDS = {
    "run": "hub.cli.run:run",
    "demo": "hub.cli.demo:demo",
    "check": "hub.cli.check:check",
    "schema": "hub.cli.check:schema",
    "diagnostics": "hub.cli.diagnostics:diagnostics",
    "doctor": "hub.cli.doctor:doctor",
    "sovereignty": "hub.cli.sovereignty:sovereignty",
    "status": "hub.cli.status:status",
    "support": "hub.cli.support:support",
    "claim": "hub.cli.label:claim",
    "config": "hub.cli.config:config",
    "alerts": "hub.cli.alerts:alerts",
    "audit": "hub.cli.audit:audit",
    "command": "hub.cli.command:command",
    "network": "hub.cli.network:network",
    "notify": "hub.cli.notify:notify",
    "commission": "hub.cli.commission:commission",
    "rule": "hub.cli.rule:rule",
    "crisis": "hub.cli.crisis:crisis",
    "schedule": "hub.cli.schedule:schedule",
    "device": "hub.cli.devices:device",
    "devices": "hub.cli.devices:devices",
    "buffer": "hub.cli.buffer:buffer",
    "account": "hub.cli.account:account",
    "badge": "hub.cli.access:badge",
    "token": "hub.cli.access:token",
    "backup": "hub.cli.backup:backup",
    "quarantine": "hub.cli.quarantine:quarantine",
    "recette": "hub.cli.quarantine:recette",
    "reset": "hub.cli.reset:reset",
    "restore": "hub.cli.backup:restore",
    "energy": "hub.cli.energy:energy",
    "report": "hub.cli.energy:report",
    "evidence": "hub.cli.energy:evidence",
    "history": "hub.cli.history:history",
    "release": "hub.cli.release:release",
    "inventory": "hub.cli.inventory:inventory",
    "keys": "hub.cli.keys:keys",
    "label": "hub.cli.label:label",
    "logs": "hub.cli.diagnostics:logs",
    "plugin": "hub.cli.plugin:plugin",
    "plugins": "hub.cli.plugins:plugins",
    "new": "hub.cli.new:new",
    "texts": "hub.cli.texts:texts",
    "pack": "hub.cli.pack:pack",
    "privacy": "hub.cli.privacy:privacy",
    "decode": "hub.cli.decode:decode",
    "redecode": "hub.cli.redecode:redecode",
    "radio": "hub.cli.concentrator:radio",
    "certify": "hub.cli.certify:certify",
    "capture": "hub.cli.captures.capture:capture",
    "discover": "hub.cli.radio:discover",
    "import": "hub.cli.import_config:importing",
    "replay": "hub.cli.captures.replay:replay",
    "sim": "hub.cli.sim:sim",
    "enroll": "hub.cli.enroll:enroll",
    "version": "hub.cli.version:version",
}
"""Name -> module and function. Other parts of the distribution add theirs as entry points of group `ilot.commands`."""

SECTIONS = {
    "Set up": "new check network enroll run demo doctor label claim import config keys backup restore reset release",
    "Look": "status devices alerts logs history energy radio buffer audit plugins notify sovereignty version",
    "Devices": "device inventory discover quarantine recette commission command redecode pack plugin",
    "Rules, people, reports": "rule schedule privacy account badge token report evidence crisis",
    "For developers and helpers": "certify texts capture replay decode sim schema diagnostics support",
}
"""Sections of the help; commands in none of them, and those that others add, come last."""


class Commands(click.Group):
    """Group that imports a subcommand on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        ours = (name for name, place in COMMANDS.items() if distribution.is_here(place.partition(":")[0]))
        return sorted({*ours, *(entry.name for entry in _others())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module, _, attribute = COMMANDS.get(cmd_name, "").partition(":")
        if module and distribution.is_here(module):
            command: click.Command = getattr(importlib.import_module(module), attribute)
            return command
        for entry in _others():
            if entry.name == cmd_name:
                loaded: click.Command = entry.load()
                return loaded
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by sections, with the whole first sentence of each."""
        from hub.cli.output import sentences

        sections = {title: names.split() for title, names in SECTIONS.items()}
        named = {name for names in sections.values() for name in names}
        sections["Other"] = [name for name in self.list_commands(ctx) if name not in named]
        for title, names in sections.items():
            if rows := sentences(self, ctx, names):
                with formatter.section(title):
                    formatter.write_dl(rows, col_max=14)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None:
            if args[0] in COMMANDS:
                raise click.UsageError(distribution.not_in_sdk(args[0]), ctx)
            import difflib  # imported late: most words are right

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), 1)
            if near:
                said = phrase(
                    "no-such-command-near", "no command {name!r}; did you mean {near!r}?", name=args[0], near=near[0]
                )
            else:
                said = phrase("no-such-command", "no command {name!r}", name=args[0])
            raise click.UsageError(said, ctx)
        return super().resolve_command(ctx, args)


def _others() -> list[entry_points.Entry]:
    """Return entry points of this distribution alone: help imports a command, and a third party's code would run with
    every `--help`."""
    return [one for one in entry_points.installed("ilot.commands") if one.distribution == "ilot"]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="ilot" if distribution.is_whole() else "ilot-sdk", message="%(prog)s %(version)s")
def ilot() -> None:
    """Îlot: an edge hub for city districts."""


def _sentence(error: HubError) -> str:
    """Return what an error says, in the language of the shell."""
    from hub.cli.output import translated

    if isinstance(error, ConfigError):
        return "\n".join(translated(problem.sentence) for problem in error.problems)
    return translated(reason_of(error))


def _show(error: HubError, *, in_json: bool) -> None:
    """Print why a command ended, on stderr: a sentence in the language of the shell, or JSON with its English, code and
    parameters."""
    if not in_json:
        click.echo(f"ilot: {_sentence(error)}", err=True)
        return
    from hub.cli.output import data

    said: dict[str, Any] = {"error": reason_of(error), "exit_code": error.exit_code}
    if isinstance(error, ConfigError):
        said["problems"] = [problem.sentence for problem in error.problems]
    data(said, err=True)


def main(arguments: list[str] | None = None, **extra: Any) -> None:
    """Run the command and exit. HubErrors become one message and their exit code; a bug keeps its traceback."""
    try:
        distribution.expect_one()
        # Without standalone mode click returns the code of `Exit`, and raises the error classes below.
        code = ilot.main(arguments, prog_name="ilot", standalone_mode=False, **extra)
        sys.exit(code if isinstance(code, int) else 0)
    except HubError as error:
        _show(error, in_json="--json" in (sys.argv[1:] if arguments is None else arguments))
        sys.exit(error.exit_code)
    except click.ClickException as error:
        from hub.cli.output import translated

        click.ClickException.__init__(error, translated(error.message))
        error.show()
        sys.exit(max(error.exit_code, HubError.exit_code))  # click uses 1, which means a bug here
    except (click.Abort, KeyboardInterrupt) as error:
        unasked = isinstance(error, click.Abort) and not sys.stdin.isatty()
        from hub.cli.output import translated

        if unasked:
            said = phrase("nobody-answered", "nobody answered, so nothing was done: --yes says yes before")
        else:
            said = phrase("command-interrupted", "interrupted")
        click.echo(f"ilot: {translated(said)}", err=True)
        sys.exit(130)
    except BrokenPipeError:  # `ilot … | head`
        sys.stderr.close()
        sys.exit(0)
