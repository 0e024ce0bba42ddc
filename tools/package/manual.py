"""Manual pages from what the commands say of themselves. Run by the packed Python.

    bin/python3 -I manual.py FOLDER COMMAND DATE VERSION [SUBCOMMAND]

Writes FOLDER/COMMAND.1 and, of the hub's command, FOLDER/COMMAND-NAME.1 for each command of it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from hub.cli.main import ilot
from hub.cli.output import translated


def roff(text: str) -> str:
    """Text as troff takes it: no line of it is a request, no character of it a command."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in text.split("\n"))


def said(text: str) -> str:
    """A help text in the language of the shell, its lines joined to paragraphs."""
    plain = re.sub(r"\x08\n?", "", str(translated(text)))
    return "\n.PP\n".join(roff(" ".join(part.split())) for part in plain.split("\n\n") if part.strip())


def options(context: click.Context) -> str:
    rows = []
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            rows.append(f".TP\n\\fB{roff(record[0])}\\fR\n{said(record[1]) or '.'}")
    return "\n".join(rows)


def commands(context: click.Context) -> list[tuple[str, click.Command]]:
    group = context.command
    if not isinstance(group, click.Group):
        return []
    found = [(name, group.get_command(context, name)) for name in group.list_commands(context)]
    return [(name, one) for name, one in found if one is not None and not one.hidden]


def described(context: click.Context, level: str) -> str:
    """Usage, help and options of a command, and of each below it."""
    usage = " ".join(context.command.collect_usage_pieces(context))
    parts = [
        f"{level} {roff(context.command_path)}" if level else "",
        f".B {roff(context.command_path)}\n{roff(usage)}",
    ]
    parts += [".PP", said(context.command.help or ""), options(context)]
    for below, one in commands(context):
        parts.append(described(click.Context(one, info_name=below, parent=context), ".SS"))
    return "\n".join(part for part in parts if part)


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.1").write_text(text, "utf-8")


def page(name: str, context: click.Context, head: str, body: str) -> str:
    brief = " ".join(roff(" ".join(str(translated(context.command.help or "")).split("\n\n")[0].split())).split())
    return f'.TH "{roff(name.upper())}" "1" {head}\n.SH NAME\n{roff(name)} \\- {brief}\n{body}\n'


def main(folder: Path, command: str, date: str, version: str, only: str = "") -> None:
    head = f'"{date}" "Îlot {version}" "Îlot"'
    top = click.Context(ilot, info_name="ilot", color=False)
    if only:
        one = ilot.get_command(top, only)
        context = click.Context(one, info_name=command)  # type: ignore[arg-type]
        write(folder, command, page(command, context, head, f".SH SYNOPSIS\n{described(context, '')}"))
        return
    rows = []
    for name, one in commands(top):
        if name == "backend":
            continue  # a package of its own, with that page
        context = click.Context(one, info_name=name, parent=top)
        own = f"{command}-{name}"
        write(folder, own, page(own, context, head, f".SH SYNOPSIS\n{described(context, '')}"))
        first = " ".join(str(translated(one.help or "")).split("\n\n")[0].split())
        rows.append(f".TP\n.BR {roff(own)} (1)\n{roff(first)}")
    body = "\n".join([".SH SYNOPSIS", described_top(top), ".SH COMMANDS", *rows])
    write(folder, command, page(command, top, head, body))


def described_top(context: click.Context) -> str:
    usage = " ".join(context.command.collect_usage_pieces(context))
    return f".B {context.command_path}\n{roff(usage)}\n{options(context)}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
