"""`ilot plugin`: plugins of vendors, installed apart from the hub's environment, and how a vendor signs them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli import output
from hub.cli.hub_client import ask, current_user
from hub.cli.signing import DAY_S, days_option, key_option, loaded_keys
from hub.core.errors import ConfigError, HubError, NotReady
from hub.core.text import phrase

if TYPE_CHECKING:
    from hub.config.parts.vendors import PluginTrust
    from hub.operations.plugins.offers import Here, Offer

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group(cls=output.Group)
def plugin() -> None:
    """Plugins of vendors: install, show and remove them, or sign them as their vendor."""


@output.of_hub
@plugin.command()
@click.argument("file", type=_FILE)
@output.with_hub
def show(file: Path, config: Path, state_dir: Path | None, json: bool) -> None:
    """What the plugin in FILE says and may do, once its signature holds. Changes nothing."""
    from hub.operations.plugins.installing import look

    found = look(file, here(config, state_dir))
    if json:
        output.data(found.facts())
    else:
        _tell(found)


@output.of_hub
@plugin.command()
@click.argument("file", type=_FILE)
@click.option(
    "--accept", default="", metavar="WORD", help="The word that `ilot plugin show FILE` gives: you accept it."
)
@output.with_hub
def install(file: Path, accept: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Install the plugin in FILE: a bundle *.ilot-plugin, or a wheel with its signed document beside it.

    It shows what the plugin may do, and waits for a person where that is more than before. No code of it runs.
    """
    from hub.operations.plugins import installing

    known = here(config, state_dir)

    def accepted(found: Offer) -> bool:
        if accept:
            return accept == found.accept
        if json or not sys.stdin.isatty():
            return False
        _tell(found)
        return output.confirm(phrase("plugin-accept-question", "Install it with these permissions?"), err=True)

    done = installing.install(file, known, accepted, current_user())
    running = _tell_hub(config, state_dir)
    if json:
        output.data({"id": done.id, "version": done.version, "digest": done.digest, "vendor": done.vendor,
                     "types": sorted(done.entry_points), "running": running})  # fmt: skip
        return
    output.echo(phrase("plugin-installed", "{id} {version} is installed", id=done.id, version=done.version))
    output.say(
        phrase("plugin-known-to-hub", "the running hub knows it; an instance that ran before goes on with the "
                                      "former one "
               "until the hub restarts")
        if running
        else phrase("plugin-known-at-start", "the hub uses it from its next start on")
    )  # fmt: skip


@output.of_hub
@plugin.command()
@click.argument("name")
@click.option("--with-state", is_flag=True, help="Also the small state that its instances keep in the buffer.")
@output.with_hub
def remove(name: str, with_state: bool, config: Path, state_dir: Path | None, json: bool) -> None:
    """Remove the plugin NAME. It says what stays."""
    from hub.operations.plugins import installing

    done = installing.remove(here(config, state_dir), name, with_state=with_state, used_by=_used_by(config, name))
    _tell_hub(config, state_dir)
    if json:
        output.data(done._asdict())
        return
    output.echo(phrase("plugin-removed", "{id} {version} is removed", id=done.id, version=done.version))
    if done.instances and not done.forgotten:
        output.say(phrase("plugin-leaves-state", "the small state of {instances} stays in the buffer: `ilot plugin "
                                                 "remove "
                          "{id} --with-state` removes it", instances=done.instances, id=done.id))  # fmt: skip
    elif done.instances:
        output.say(phrase("plugin-state-forgotten", "the small state of {instances} is removed at the hub's next start",
                          instances=done.instances))  # fmt: skip
    output.say(
        phrase("plugin-leaves-floor", "which version it was stays noted, so that nobody brings back an older one")
    )


@output.of_hub
@plugin.command("list")
@output.with_hub
def list_(config: Path, state_dir: Path | None, json: bool) -> None:
    """The plugins that are installed apart, whose they are, and which may not start and why; and the index."""
    from hub.devices.vendor_index import stored_index
    from hub.operations.plugins.index import facts
    from hub.operations.plugins.installing import listed

    known = here(config, state_dir)
    rows, index = listed(known), facts(stored_index(known.plugins), known.now)
    if json:
        output.data({"plugins": rows, "index": index})
        return
    output.table(
        ("plugin", "version", "vendor", "problem"),
        [(one["id"], one["version"], one["vendor"], one["problem"]) for one in rows],
    )
    if index is not None:
        output.say(
            phrase("index-stale", "index {counter} is old: ask the district for a newer one", counter=index["counter"])
            if index["stale"]
            else phrase("index-is", "index {counter}: {revoked} revoked", counter=index["counter"],
                        revoked=len(index["revoked"]))
        )  # fmt: skip


@output.of_hub
@plugin.command()
@click.argument("file", type=_FILE)
@output.with_hub
def index(file: Path, config: Path, state_dir: Path | None, json: bool) -> None:
    """Take the signed index in FILE. What it revokes is not installed, and does not start any more."""
    from hub.operations.plugins.index import facts, take

    known = here(config, state_dir)
    taken = take(file, known.plugins, known.trust)
    _tell_hub(config, state_dir)
    if json:
        output.data(facts(taken, known.now))
    else:
        output.echo(phrase("index-taken", "index {counter} is taken: {count} [entry|entries] revoked",
                           counter=taken.counter, count=len(taken.revoked)))  # fmt: skip


@plugin.command()
@click.argument("wheels", type=_FILE, nargs=-1, required=True)
@key_option
@days_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The bundle; else named by its wheel.")
@click.option("--beside", is_flag=True, help="Write the signed document alone, beside its wheel.")
@click.option("--counter", type=click.IntRange(1), default=None, help="Rises with each; without it, the time.")
@output.as_json
def sign(
    wheels: tuple[Path, ...], keys: tuple[Path, ...], days: int, out: Path | None, beside: bool, counter: int | None,
    json: bool,
) -> None:  # fmt: skip
    """Sign a plugin's wheel, and after it the wheels that it needs, on its vendor's machine. The key is one of `ilot
    release key`."""
    from hub.operations.plugins.making import Times, sign_plugin
    from hub.operations.plugins.sources import SUFFIXES

    now = time.time()
    target = None if beside else out or wheels[0].with_suffix(SUFFIXES["plugin"])
    path, made = sign_plugin(list(wheels), target, loaded_keys(keys), Times(now, now + days * DAY_S, counter or 0))
    told(path, made.id, made.version, made.counter, json=json)


@plugin.command("sign-index")
@click.argument("text", type=_FILE)
@click.argument("bundles", type=_FILE, nargs=-1)
@key_option
@days_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The signed index.")
@click.option("--counter", type=click.IntRange(1), default=None, help="Rises with each; without it, the time.")
@output.as_json
def sign_index(
    text: Path, bundles: tuple[Path, ...], keys: tuple[Path, ...], days: int, out: Path, counter: int | None, json: bool
) -> None:
    """Sign an index as the district: it lists BUNDLES, and revokes what the YAML file TEXT says."""
    from hub.operations.plugins.making import Times, sign_index_of

    now = time.time()
    times = Times(now, now + days * DAY_S, counter or 0)
    made = sign_index_of(text.read_text(encoding="utf-8"), str(text), bundles, out, loaded_keys(keys), times)
    if json:
        output.data(
            {"file": str(out), "counter": made.counter, "listed": len(made.listed), "revoked": len(made.revoked)}
        )
    else:
        output.echo(phrase("index-signed", "index {counter} is signed: {file}", counter=made.counter, file=out))


def told(path: Path, id: str, version: str, counter: int, *, json: bool) -> None:
    """Say what was signed."""
    if json:
        output.data({"file": str(path), "id": id, "version": version, "counter": counter})
    else:
        output.echo(
            phrase(
                "addition-signed",
                "{id} {version} is signed, number {counter}: {file}",
                id=id,
                version=version,
                counter=counter,
                file=path,
            )
        )


def _tell(found: Offer) -> None:
    for line in found.lines():
        output.echo(line)
    if found.accept:
        output.echo(phrase("offer-accept", "to accept this: `--accept {word}`", word=found.accept))


def here(config: Path, state_dir: Path | None) -> Here:
    """Return what is known here of plugins and packs of vendors. Raises ConfigError."""
    from hub.config.state_dir import state_of
    from hub.core.state_dir import StateDir
    from hub.operations.plugins.offers import Here
    from hub.plugin_host.registry import Registry

    names = frozenset(Registry.discover().plugins)
    return Here(StateDir(state_of(config, state_dir)).plugins, trust_in(config), names, time.time())


def trust_in(config: Path) -> PluginTrust:
    """Read the one section that says whose plugins and packs count: what they register is not known yet, so that the
    whole file cannot be judged. Raises ConfigError."""
    from hub.config.parts.vendors import PluginTrust
    from hub.config.positions import Finding
    from hub.config.source import read_all
    from hub.config.validate import validate

    source = read_all(config)
    part = source.data.get("plugins") if isinstance(source.data, dict) else None
    if source.fatal or ("plugins",) in source.broken:
        raise ConfigError(source.problems)
    found: list[Finding] = []
    read = validate(PluginTrust, part or {}, ("plugins",), phrase("this-section", "this section"), found)
    if read is None:
        raise ConfigError(source.positions.problems(found))
    return read


def _used_by(config: Path, name: str) -> list[str]:
    """Return the instances of the configuration that are of a type of this plugin."""
    from hub.config.source import read_all

    data: Any = read_all(config).data
    types: dict[str, str] = {}
    for section in ("integrations", "notifiers", "exporters"):
        parts = data.get(section) if isinstance(data, dict) else None
        for instance, keys in parts.items() if isinstance(parts, dict) else ():
            types[instance] = str(keys.get("type", instance)) if isinstance(keys, dict) else instance
    return [instance for instance, kind in types.items() if kind == name or kind.startswith(f"{name}_")]


def _tell_hub(config: Path, state_dir: Path | None) -> bool:
    """Tell the running hub what is installed now. Return whether one runs."""
    try:
        ask(config, state_dir, "plugins.reload")
    except NotReady:
        return False
    except HubError as error:
        output.say(str(error))
        return False
    return True
