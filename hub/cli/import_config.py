"""`ilot import PROTOCOL`: a proposed configuration from an installation or a project file.

An integration with an importer has a module `importer` beside its own (`integrations/knx/importer.py`):

    def arguments(parser: argparse.ArgumentParser) -> None
        its own arguments, shown by `ilot import PROTOCOL --help`

    async def propose(asked: argparse.Namespace) -> dict[str, Any]
        the result, as `import_config` below takes it. `asked` has its own arguments and
            instance  str: the name of the instance, existing or not, in the file
            config    the Config of that instance, None when the file has none
            devices   dict: the devices of that instance in the file, id → their `settings:` as in the file
        Raises NotReady, AuthFailed, DecodeError, ConfigError.

    def brings_zones(asked: argparse.Namespace) -> bool     optional
        whether what it reads says in which zone each place is; without it, `--zone` is settled before `propose`

It only uses its arguments, enrols nothing, and imports nothing of this module.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli import output
from hub.core.errors import ConfigError, Problem
from hub.core.text import phrase

if TYPE_CHECKING:
    from hub.config.instances import Models
    from hub.plugin_host.opening import Installed

SECTIONS = ("sites", "zones", "places", "integrations", "devices")


@dataclass(frozen=True, slots=True)
class Proposal:
    """Result of `import_config`.

    `text` is YAML of everything found; `diff` a unified diff of the files that would change, empty when all of it is
    there already; `files` the new text of each of them; `kept` the paths where the file has another value, which is
    preserved; `problems` are those of `ilot check` with the result; `notes` are sentences for people; `config` the
    first file.
    """

    text: str
    diff: str
    files: dict[Path, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    config: Path = Path()


def propose(found: Mapping[str, Any], config: Path, models: Models | None = None, *, zone: str = "") -> Proposal:
    """Return YAML text of `found`, and a diff against the configuration that starts at `config` (it need not exist).

    `found` is plain data with the sections of the file, all optional, in the file's notation:

        {"places":       {"cta-1": {"name": "CTA 1", "zone": "technique"}},
         "integrations": {"bacnet": {…options}},
         "devices":      {"bacnet:1201": {"integration": "bacnet", "place": "cta-1", "settings": {…}}},
         "zones": …, "sites": …,
         "notes":        ["3 objects have no unit and are left out"]}

    A place without `zone` gets `zone`, or the one zone that the file has. A device without `place` gets a place of its
    own, named after it. In any mapping `"#": text` is a comment at the end of its line, `"# any": text` a comment line,
    and `{"!secret": name}` refers to a secret (see `hub.config.editing.yaml_writer`). Untrusted text is quoted as
    needed.

    No existing entry is changed or removed: mappings only grow. Entries of which a later import may find more are
    therefore in a mapping by address (`objects: {"analog-input:3": {…}}`), not in a list.

    With `models` the result is checked as by `ilot check`; secrets are read for that. Blocking. Raises ConfigError when
    the file cannot be read or extended, UsageError when the zone is ambiguous. Writes nothing.
    """
    from hub.config.editing.merge import merge
    from hub.config.editing.yaml_writer import block, plain

    notes = [note if isinstance(note, str) else str(note) for note in found.get("notes", ())]
    wanted = _whole(found, config, zone)
    if not plain(wanted):
        return Proposal("", "", notes=notes)
    merged = merge(config, wanted)
    diff = "".join(
        "".join(
            difflib.unified_diff(
                merged.before[name].splitlines(keepends=True),
                text.splitlines(keepends=True),
                name,
                f"{name} (proposed)",
            )
        )
        for name, text in merged.after.items()
    )
    problems = _check(config, merged.after, merged.data, models)
    files = {config.parent / name: text for name, text in merged.after.items()}
    return Proposal(block(wanted), diff, files, merged.kept, problems, notes, config)


def write(proposal: Proposal) -> list[Path]:
    """Replace each file by its proposed text, whole or not at all, with its present owner and rights (a new one with
    those of the first file, for nobody else). Raises CannotWrite."""
    from hub.config.history import write_texts

    directory = proposal.config.parent
    texts = {path.relative_to(directory).as_posix(): text.encode() for path, text in proposal.files.items()}
    write_texts(proposal.config, texts)
    return list(proposal.files)


def _diff(name: str, before: str, after: str) -> str:
    """Return a diff. A missing newline at the end of a file is added, since the diff is for reading."""
    old, new = before.splitlines(), after.splitlines()
    return "".join(f"{line}\n" for line in difflib.unified_diff(old, new, name, f"{name} (proposed)", lineterm=""))


def _whole(found: Mapping[str, Any], config: Path, zone: str) -> dict[str, Any]:
    """Return `found` with a place for each device and a zone for each place."""
    if unknown := set(found) - {*SECTIONS, "notes"}:
        raise TypeError(f"a proposal has no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    has = _data(config)
    whole = {section: dict(found.get(section) or {}) for section in SECTIONS}
    for name, device in whole["devices"].items():
        if "place" not in device and "place" not in _mapping(_mapping(has.get("devices")).get(name)):
            place = _slug(name)
            whole["places"].setdefault(place, {"name": device["name"]} if device.get("name") else {})
            whole["devices"][name] = {**device, "place": place}
    there = _mapping(has.get("places"))
    for name, place in whole["places"].items():
        if "zone" not in place and "zone" not in _mapping(there.get(name)):
            zone = zone or _only_zone({**_mapping(has.get("zones")), **whole["zones"]})
            whole["places"][name] = {"zone": zone, **place}
    return {section: entries for section, entries in whole.items() if entries}


def _only_zone(zones: Mapping[str, Any]) -> str:
    if len(zones) == 1:
        return next(iter(zones))
    if zones:
        raise click.UsageError(
            phrase(
                "zone-of-places-missing",
                "every place is in a zone; say which with --zone (there are {zones})",
                zones=sorted(zones),
            )
        )
    raise click.UsageError(
        phrase(
            "no-zone-for-places",
            "every place is in a zone; say which with --zone (the configuration has none yet: add one to `zones`)",
        )
    )


def settle_zone(config: Path, zone: str) -> None:
    """Check that places without a zone can get one. Raises UsageError when `zone` has to be said, or is none of the
    file's, ConfigError when the file cannot be read."""
    zones = _mapping(_data(config).get("zones"))
    if not zone or not zones:
        _only_zone(zones)
    elif zone not in zones:
        raise click.UsageError(
            phrase("zone-not-there", "there is no zone {zone!r}; there are {zones}", zone=zone, zones=sorted(zones))
        )


def _slug(text: str) -> str:
    """Return a device id in the form of a place's id."""
    letters = "".join(c if c in "abcdefghijklmnopqrstuvwxyz0123456789_.-" else "-" for c in text.lower())
    return (letters.strip("-._") or "place")[:64]


def _data(config: Path) -> dict[str, Any]:
    from hub.config.source import read

    if not config.exists():
        return {}
    source = read(config)
    if source.problems:
        raise ConfigError(source.problems)
    return _mapping(source.data)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _check(config: Path, texts: Mapping[str, str], expected: Any, models: Models | None) -> list[Problem]:
    """Parse the proposed files: they must give the expected data, and be valid."""
    from hub.config.load import load
    from hub.config.source import SECRETS, read

    with tempfile.TemporaryDirectory(prefix="ilot-import-") as scratch:
        copy = Path(scratch)
        present = read(config).files if config.exists() else {}
        for name in {**present, **texts}:
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            text = texts[name].encode() if name in texts else (config.parent / name).read_bytes()
            target.write_bytes(text)
        if (secrets := config.parent / SECRETS).exists():
            (copy / SECRETS).symlink_to(secrets.resolve())
        start = copy / config.name
        if not start.exists():
            return []
        try:
            if read(start).data != expected:
                raise ConfigError(
                    phrase(
                        "file-not-extendable",
                        "the file is written in a way that cannot be added to; add the text by hand",
                    )
                )
            if models is not None:
                load(start, models)
        except ConfigError as error:
            return [replace(p, file=p.file.replace(scratch, str(config.parent), 1)) for p in error.problems]
    return []


@click.command(
    "import",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []},
)
@click.argument("protocol")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def importing(protocol: str, arguments: tuple[str, ...]) -> None:
    """Propose devices and places of PROTOCOL ("bacnet", "knx"…) from what is out there, or from a project file.

    Prints the proposed YAML and the difference to the configuration file, and asks before it writes. Nothing that the
    file says is changed. ARGUMENTS are the protocol's own; `ilot import PROTOCOL --help` lists them.
    """
    import asyncio

    from hub.plugin_host.opening import installed_for
    from hub.plugin_host.registry import Registry

    registry = Registry.discover()
    if output.is_help_request(protocol):
        output.help_with(sorted(_importers(registry)))
    module = _importer(protocol, registry)
    asked = _parse(protocol, module, list(arguments))
    config: Path = asked.config_file
    here = installed_for(config, asked.state_dir, registry)
    name, options, devices = _configured(protocol, asked.instance, config, here)
    asked.instance, asked.config, asked.devices = name, options, devices
    if not getattr(module, "brings_zones", lambda asked: False)(asked):
        settle_zone(config, asked.zone)  # before minutes of questions to devices
    found = asyncio.run(module.propose(asked))
    show(propose(found, config, here.models, zone=asked.zone), config, asked)


def show(proposal: Proposal, config: Path, asked: argparse.Namespace) -> None:
    """Print a proposal, and write it if requested. Exit code 3 when the result would be invalid."""
    if asked.json:
        output.data(
            {
                "text": proposal.text, "diff": proposal.diff, "kept": proposal.kept, "notes": proposal.notes,
                "problems": [problem.sentence for problem in proposal.problems],
            }
        )  # fmt: skip
    elif not proposal.diff:
        output.say(
            phrase("proposal-nothing-to-add", "{file}: nothing to add", file=config)
            if proposal.text
            else phrase("proposal-empty", "nothing was found")
        )
    else:
        click.echo(proposal.diff if config.exists() else proposal.text, nl=False)
    for note in proposal.notes:
        output.say(note)
    if proposal.kept:
        few = ", ".join(proposal.kept[:5]) + (" …" if len(proposal.kept) > 5 else "")
        output.say(
            phrase(
                "import-kept-as-is",
                "kept as {file} has it, though what was found differs: {paths}",
                file=config,
                paths=few,
            )
        )
    if proposal.problems:
        from hub.cli.problems import render

        output.say(render(proposal.problems, french=output.french()).rstrip())
        output.say(
            phrase(
                "import-incomplete",
                "the proposal is not complete; correct it by hand, or the file first; nothing was written",
            )
        )
        raise click.exceptions.Exit(ConfigError.exit_code)
    if not proposal.diff or asked.dry_run or (asked.json and not asked.yes):
        return
    if not asked.yes:
        if not sys.stdin.isatty():
            output.say(phrase("import-not-written", "nothing was written: add --yes to write it"))
            return
        if not output.confirm(
            phrase("import-question", "write this to {files}?", files=[str(one) for one in proposal.files]), err=True
        ):
            return
    for path in write(proposal):
        output.say(
            phrase(
                "import-written",
                "{file}: written; `ilot check` reads it, and `ilot config reload` lets a running hub take it up",
                file=path,
            )
        )


def _importers(registry: Any) -> dict[str, str]:
    """Return protocol → module of its importer."""
    able = {}
    for plugin in registry.plugins.values():
        module = f"{plugin.entry.value.partition(':')[0]}.importer"
        try:
            there = plugin.shipped and importlib.util.find_spec(module) is not None
        except ModuleNotFoundError:  # the plugin is a module, not a package
            there = False
        if there:
            able[plugin.name] = module
    return able


def _importer(protocol: str, registry: Any) -> Any:
    able = _importers(registry)
    if protocol in able:
        return importlib.import_module(able[protocol])
    raise click.UsageError(
        phrase(
            "nothing-imports",
            "nothing here imports {protocol!r}; there are {protocols}",
            protocol=protocol,
            protocols=sorted(able) or phrase("nobody-none", "none"),
        )
    )


def _parse(protocol: str, module: Any, arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"ilot import {protocol}", description=(module.__doc__ or "").split("\n\n")[0]
    )
    here = Path("config.yaml")
    parser.add_argument(
        "-c",
        "--config",
        dest="config_file",
        type=Path,
        metavar="FILE",
        default=here if here.exists() else Path("/etc/ilot/config.yaml"),
        help="the configuration file (default: config.yaml here, else /etc/ilot/config.yaml)",
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIRECTORY",
        default=os.environ.get("ILOT_STATE_DIR") and Path(os.environ["ILOT_STATE_DIR"]),
        help="the state directory (default: what the configuration says)",
    )
    parser.add_argument("--instance", default="", help=f"the integration in the file (default: the first {protocol})")
    parser.add_argument("--zone", default="", help="the zone of places that the source puts in none")
    parser.add_argument("--yes", action="store_true", help="write without asking")
    parser.add_argument("--dry-run", action="store_true", help="write nothing and do not ask")
    parser.add_argument("--json", action="store_true", help="print one JSON object; written only with --yes")
    module.arguments(parser.add_argument_group(protocol))
    return parser.parse_args(arguments)


def _configured(protocol: str, wanted: str, config: Path, here: Installed) -> tuple[str, Any, dict[str, Any]]:
    """Return the instance to import for: its name, options (None when the file has none) and devices. Raises
    ConfigError."""
    if not config.exists():
        return wanted or protocol, None, {}
    loaded = here.open(config)
    for instance in loaded.integrations:
        if instance.type == protocol and wanted in ("", instance.name):
            devices = {d.id: dict(d.settings) for d in loaded.devices if d.integration == instance.name}
            return instance.name, instance.config, devices
    return wanted or protocol, None, {}
