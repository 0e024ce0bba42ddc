"""`ilot release`: later releases of the hub, which root installs, judges and takes back; and how a maker signs them."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.hub_client import current_user
from hub.cli.signing import DAY_S, key_option, loaded_keys, password_of
from hub.config.state_dir import state_of
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of

WAIT_S, STEP_S = 1500.0, 1.0
TAKEN_UP_S = 60.0
"""Root's program begins within seconds where its unit is there."""


@click.group(cls=output.Group)
def release() -> None:
    """Releases of this hub: which one runs, install another one, go back."""


@output.of_hub
@release.command("list")
@output.with_hub
def list_(config: Path, state_dir: Path | None, json: bool) -> None:
    """What runs, what lies here, and how the last update ended. Works without a running hub."""
    facts = _facts(config, state_dir)
    if json:
        output.data(facts)
        return
    for line in lines(facts):
        output.echo(line)


@output.of_hub
@release.command()
@click.argument("bundle", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@output.with_hub
def show(bundle: Path, config: Path, state_dir: Path | None, json: bool) -> None:
    """What a bundle says, once its signature holds, and whether this hub would take it. Changes nothing."""
    from hub.operations.releases.offers import shown

    with bundle.open("rb") as source:
        facts = shown(source, state_of(config, state_dir))
    if json:
        output.data(facts)
    else:
        for line in offered_lines(facts):
            output.echo(line)
    if facts["objection"]:
        raise click.exceptions.Exit(3)


@output.of_hub
@release.command()
@click.argument("bundle", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--again", is_flag=True, help="Also one that was taken back here, or the one that was left.")
@click.option("--no-wait", is_flag=True, help="Hand it over and do not wait for the outcome.")
@output.with_hub
def install(bundle: Path, again: bool, no_wait: bool, config: Path, state_dir: Path | None, json: bool) -> None:
    """Install a release out of a bundle, as root or the hub's user.

    ilot-release.service verifies it, switches and judges the hub for 15 minutes. Exit code 6 when it was taken back.
    """
    from hub.operations.releases.inbox import INSTALL, Inbox, Request

    inbox = Inbox(state_of(config, state_dir))
    before = _last(_facts(config, state_dir))
    with _handing_over(inbox.drop), inbox.begin() as target, bundle.open("rb") as source:
        shutil.copyfileobj(source, target)
        target.flush()
        os.fsync(target.fileno())
    inbox.ask(Request(do=INSTALL, by=current_user(), again=again))
    _wait(before, config, state_dir, json=json, no_wait=no_wait)


@contextlib.contextmanager
def _handing_over(drop: Any) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        drop()
        raise HubError(
            phrase("release-not-handed-over", "the bundle could not be copied: {reason}", reason=reason_of(error))
        ) from error


@output.of_hub
@release.command("return")
@click.option("--no-wait", is_flag=True, help="Ask for it and do not wait for the outcome.")
@output.with_hub
def return_(no_wait: bool, config: Path, state_dir: Path | None, json: bool) -> None:
    """Go back to the release before, or end a trial."""
    from hub.operations.releases.inbox import RETURN, Inbox, Request

    before = _last(_facts(config, state_dir))
    Inbox(state_of(config, state_dir)).ask(Request(do=RETURN, by=current_user()))
    _wait(before, config, state_dir, json=json, no_wait=no_wait)


@release.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@output.as_json
def key(path: Path, json: bool) -> None:
    """Make a key that signs releases, on a machine that stays offline. Its public line goes into the package's
    release-keys. The password is asked for, or taken from ILOT_RELEASE_PASSWORD."""
    from hub.operations.releases.making import new_key

    public = new_key(path, password_of(new=True)).hex()
    if json:
        output.data({"key": str(path), "public": public})
    else:
        output.echo(phrase("release-key-made", "made {path}; line for release-keys:", path=path))
        click.echo(f"ed25519 {public} {path.stem}")


@output.of_hub
@release.command()
@click.argument("package", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@key_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The bundle; else named by its release.")
@click.option(
    "--days", type=click.IntRange(1, 730), default=120, show_default=True, help="Days within which it may be installed."
)
@click.option("--after", type=click.IntRange(0), default=0, help="Lowest release that it may follow on.")
@click.option("--notes", default="", help="What people read before they install it.")
@output.as_json
def sign(
    package: Path, keys: tuple[Path, ...], out: Path | None, days: int, after: int, notes: str, json: bool
) -> None:
    """Make a signed bundle of a package of the hub (`make dist`), on the maker's machine."""
    from hub.operations.releases.bundle import SUFFIX
    from hub.operations.releases.making import Facts, bundle_of_package

    now = time.time()
    target = out or Path(f"{package.stem}{SUFFIX}")
    facts = Facts(now, now + days * DAY_S, after, notes)
    made = bundle_of_package(package, target, loaded_keys(keys), facts)
    if json:
        output.data({"bundle": str(target), "counter": made.counter, "architecture": made.architecture})
    else:
        output.echo(phrase("release-signed", "release {counter} for {architecture}: {path}, {size}",
                           counter=made.counter, architecture=made.architecture, path=target,
                           size=output.size(target.stat().st_size)))  # fmt: skip


def _facts(config: Path, state_dir: Path | None) -> dict[str, Any]:
    from hub.operations.releases.offers import listed

    return listed(state_of(config, state_dir))


def _last(facts: dict[str, Any]) -> float:
    return facts["last"]["at"] if facts["last"] else 0.0


def _wait(before: float, config: Path, state_dir: Path | None, *, json: bool, no_wait: bool) -> None:
    """Wait until root has told how it ended. Raises HubError when nobody takes the wish up."""
    if no_wait:
        output.say(phrase("release-handed-over", "handed over: `ilot release list` says how it goes"))
        return
    began, told = time.monotonic(), ""
    while time.monotonic() - began < (WAIT_S if told else TAKEN_UP_S):
        facts = _facts(config, state_dir)
        if _last(facts) != before:
            _ended(facts, json=json)
            return
        if (phase := facts["phase"]) and phase != told:
            output.say(output.translated(PHASES[phase]) if phase in PHASES else phase)
            told = phase
        time.sleep(STEP_S)
    raise HubError(
        phrase(
            "release-nobody-took-it",
            "nobody took it up: does ilot-release.path run? `systemctl status ilot-release.path ilot-release`",
        )
    )


def _ended(facts: dict[str, Any], *, json: bool) -> None:
    if json:
        output.data(facts)
    else:
        output.echo(outcome_line(facts["last"]))
    code = {"installed": 0, "returned": 0, "taken-back": 6}.get(facts["last"]["result"], 3)
    if code:
        raise click.exceptions.Exit(code)


PHASES = {
    "verifying": phrase("release-verifying", "verifying the bundle"),
    "unpacking": phrase("release-unpacking", "unpacking; the hub goes on"),
    "switching": phrase("release-switching", "switching: the hub restarts"),
    "judging": phrase("release-judging", "the new release runs, and is judged for 15 minutes"),
    "returning": phrase("release-returning", "going back: the hub restarts"),
}


def outcome_line(last: dict[str, Any]) -> str:
    """Return how an update ended, as a sentence."""
    facts = {"counter": last["counter"], "reason": last["reason"], "when": output.minute(last["at"])}
    if last["result"] == "installed":
        return phrase("release-ended-installed", "{when}: release {counter} is installed", **facts)
    if last["result"] == "returned":
        return phrase("release-ended-returned", "{when}: left release {counter}: {reason}", **facts)
    if last["result"] == "taken-back":
        return phrase("release-ended-taken-back", "{when}: release {counter} was taken back: {reason}", **facts)
    return phrase("release-ended-refused", "{when}: refused: {reason}", **facts)


def lines(facts: dict[str, Any]) -> list[str]:
    """Return what `ilot release list` says."""
    said: list[str] = [
        phrase("release-runs", "release {counter} is to run; the package has {package}",
               counter=facts["wanted"], package=facts["package"])
    ]  # fmt: skip
    said += [
        phrase("release-here", "here: {counter}, version {version}, of {date}", counter=one["counter"],
               version=one["version"], date=output.minute(one["issued"]))
        for one in facts["releases"]
    ]  # fmt: skip
    if facts["phase"] in PHASES:
        said.append(PHASES[facts["phase"]])
    if facts["last"] is not None:
        said.append(outcome_line(facts["last"]))
    if not facts["keys"]:
        said.append(phrase("release-keys-none", "no release keys: this hub takes releases by apt alone"))
    return said


def offered_lines(facts: dict[str, Any]) -> list[str]:
    """Return what `ilot release show` says."""
    said: list[str] = [
        phrase(
            "release-offered",
            "release {counter}, version {version}, for {architecture}, of {date}, {size}",
            counter=facts["counter"], version=facts["version"], architecture=facts["architecture"],
            date=output.minute(facts["issued"]), size=output.size(facts["size"]),
        )
    ]  # fmt: skip
    if facts["notes"]:
        said.append(facts["notes"])
    said.append(facts["objection"] or phrase("release-would-be-taken", "this hub would take it"))
    return said
