"""`ilot enroll`: enrols this hub at its owner."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.config.state_dir import state_of
from hub.core.errors import HubError, NotReady
from hub.core.state_dir import StateDir
from hub.core.text import phrase, reason_of
from hub.identity.enrolment import refuse_enrolled
from hub.protocol.enrolment_files import MAX_ANSWER

_MAX_TOKEN = 8192
_CALL_S = 60.0


_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("token", required=False)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="A file that holds the token; - is stdin. Other users can see arguments, not files.",
)
@click.option("--request", type=_FILE, help="Without a network: write this hub's request to this file.")
@click.option("--answer", type=_FILE, help="Without a network: enrol by this file of `ilot backend enroll`.")
@click.option("--root", default="", help="With --answer: the first 16 digits of the owner's root, as shown there.")
@click.option("--name", default="", help="What the backend's operator sees beside this hub's id.")
@click.option("--tpm", "by_tpm", is_flag=True, help="This machine's TPM 2.0 holds the new keys: no file ever does.")
@output.with_hub
def enroll(
    token: str | None,
    token_file: Path | None,
    request: Path | None,
    answer: Path | None,
    root: str,
    name: str,
    by_tpm: bool,
    config: Path,
    state_dir: Path | None,
    json: bool,
) -> None:
    """Enrol this hub with a one-use TOKEN from `ilot backend token`.

    Checks the owner's root against the token before anything secret is sent, makes this hub's keys, and gets its
    certificate. Everything is written to the state directory. A hub that runs and waits for this goes into service by
    itself. A hub that cannot reach its backend takes --request there, and --answer from there.
    """
    if [token, token_file, request, answer].count(None) != 3:
        raise click.UsageError(
            phrase("token-missing", "give the token, or one of --token-file, --request and --answer")
        )
    state = state_of(config, state_dir)
    if request is not None:
        _write_request(config, state, request, name, by_tpm)
        return
    text = _read(answer, MAX_ANSWER) if answer is not None else _token(token, token_file)
    refuse_enrolled(state)
    output.say(phrase("enrolling-into", "enrolling into {directory}", directory=state))
    running = True
    try:
        if answer is not None:
            done = ask(config, state, "enrolment.answer", answer=text, root=root)
        else:
            done = ask(config, state, "enrolment.token", timeout=_CALL_S, token=text, name=name, tpm=by_tpm)
    except NotReady:
        running = False
        done = _alone(config, state, text, root, name, by_tpm, by_file=answer is not None)
    if json:
        output.data({**done, "state_dir": str(state)})
        return
    output.echo(phrase("enrolled-at", "enrolled as {hub} at {url}", hub=done["hub"], url=done["url"]))
    output.echo(phrase("owner-root", "owner root {root}", root=done["root"]))
    if running:
        output.say(phrase("enrolled-running", "the hub that runs here goes into service now: `ilot status`"))
    else:
        output.say(
            phrase(
                "enrolled-next",
                "next: a configuration (`ilot new config` writes a first one, whose uplink takes {url} by itself), "
                "then `ilot run`",
                url=done["url"],
            )
        )


def _alone(
    config: Path, state: Path, text: str, root: str, name: str, by_tpm: bool, *, by_file: bool
) -> dict[str, Any]:
    """Enrol where no hub runs."""
    from hub.identity import enrolment, offline_enrolment

    if by_file:
        with StateDir(state).locked():
            keys = enrolment.keys_of(state, by_tpm=by_tpm)
            made = offline_enrolment.accept(text.encode(), root, state, keys)
    else:
        proxy = _proxy(config, state)
        made = asyncio.run(enrolment.enrol(text, state, name=name, proxy=proxy, by_tpm=by_tpm))
    return {"hub": made.hub, "url": made.url, "root": made.root}


def _write_request(config: Path, state: Path, file: Path, name: str, by_tpm: bool) -> None:
    from hub.core.disk.atomic_files import write_atomically
    from hub.core.system_errors import file_not_written
    from hub.identity import enrolment, offline_enrolment

    refuse_enrolled(state)
    try:
        text = ask(config, state, "enrolment.request")["file"]
    except NotReady:
        with StateDir(state).locked():
            text = offline_enrolment.request(enrolment.keys_of(state, by_tpm=by_tpm), name).decode()
    try:
        write_atomically(file, text.encode())
    except OSError as error:
        raise HubError(file_not_written(file, error)) from error
    output.say(
        phrase(
            "request-file-written",
            "{file}: bring it to the backend, where `ilot backend enroll` answers it; then `ilot enroll --answer`",
            file=file,
        )
    )


def _token(token: str | None, file: Path | None) -> str:
    if file is None:
        return token or ""
    return sys.stdin.read(_MAX_TOKEN) if str(file) == "-" else _read(file, _MAX_TOKEN)


def _read(file: Path, most: int) -> str:
    """Return the text of a file, one character more than `most` at most."""
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(most + 1)
    except (OSError, ValueError) as error:
        raise click.UsageError(
            phrase("enrolment-file-not-read", "{file} cannot be read: {reason}", file=file, reason=reason_of(error))
        ) from error


def _proxy(config: Path, state: Path) -> str | None:
    """Return the configured proxy, if any; the rest of the file may still be wrong at this point."""
    from hub.core.errors import ConfigError
    from hub.plugin_host.opening import installed_for

    if not config.exists():
        return None
    try:
        return installed_for(config, state).open(config).config.link.proxy_url()
    except ConfigError as error:
        output.say(
            phrase(
                "proxy-not-used",
                "the configuration is not right yet ({count} [problem|problems]), so its link.proxy is not used: "
                "{reason}",
                count=len(error.problems),
                reason=reason_of(error),
            )
        )
        return None
