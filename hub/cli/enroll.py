"""`ilot enroll`: enrols this hub at its owner."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from hub.cli import output
from hub.config.state_dir import state_of
from hub.core.text import phrase, reason_of


@click.command()
@click.argument("token", required=False)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="A file that holds the token; - is stdin. Other users can see arguments, not files.",
)
@click.option("--name", default="", help="What the backend's operator sees beside this hub's id.")
@click.option("--tpm", "by_tpm", is_flag=True, help="This machine's TPM 2.0 holds the new keys: no file ever does.")
@output.with_hub
def enroll(
    token: str | None,
    token_file: Path | None,
    name: str,
    by_tpm: bool,
    config: Path,
    state_dir: Path | None,
    json: bool,
) -> None:
    """Enrol this hub with a one-use TOKEN from `ilot backend token`.

    Checks the owner's root against the token before anything secret is sent, makes this hub's keys, and gets its
    certificate. Everything is written to the state directory.
    """
    from hub.identity.enrolment import enrol

    if (token is None) == (token_file is None):
        raise click.UsageError(phrase("token-missing", "give the token, or --token-file"))
    if token_file is not None:
        try:
            token = sys.stdin.read() if str(token_file) == "-" else token_file.read_text()
        except (OSError, ValueError) as error:
            raise click.UsageError(
                phrase("token-file-not-read", "the token file cannot be read: {reason}", reason=reason_of(error))
            ) from error
    state = state_of(config, state_dir)
    proxy = _proxy(config, state)
    output.say(phrase("enrolling-into", "enrolling into {directory}", directory=state))
    enrolment = asyncio.run(enrol(token or "", state, name=name, proxy=proxy, by_tpm=by_tpm))
    if json:
        output.data({"hub": enrolment.hub, "url": enrolment.url, "root": enrolment.root, "state_dir": str(state)})
    else:
        output.echo(phrase("enrolled-at", "enrolled as {hub} at {url}", hub=enrolment.hub, url=enrolment.url))
        output.echo(phrase("owner-root", "owner root {root}", root=enrolment.root))
        output.say(
            phrase(
                "enrolled-next",
                "next: set link.uplinks.https.url to {url} in the configuration (`ilot new config` writes a first "
                "one), then `ilot run`",
                url=enrolment.url,
            )
        )


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
