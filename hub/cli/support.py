"""`ilot support`: one redacted file about one device, for whoever helps with it."""

from __future__ import annotations

import base64
import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.disk.atomic_files import write_atomically
from hub.core.errors import HubError
from hub.core.system_errors import file_not_written
from hub.core.text import phrase

WAIT_S = 60.0
LOOK_S = 1.0


@click.command()
@click.argument("device")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write.  [default: ilot-support-<date>.jsonl here]",
)
@click.option("--hour", is_flag=True, help="Raise the log of its integration for an hour, and write nothing yet.")
@click.option("--follow", is_flag=True, help="The same, and print the lines as they come until Ctrl-C.")
@click.option("--end", is_flag=True, help="End the raised hour now.")
@click.option(
    "--personal",
    metavar="WHY",
    default="",
    help="Let payloads that may tell of people go into the file; WHY stands in the audit log.",
)
@output.with_hub
def support(
    device: str,
    out: Path | None,
    hour: bool,
    follow: bool,
    end: bool,
    personal: str,
    config: Path,
    state_dir: Path | None,
    json: bool,
) -> None:
    """Write one file about DEVICE for whoever helps with it: its last 200 frames, errors, versions, configuration, log.

    The file names nobody and holds no secret; bytes of a device that may tell of people are left out unless --personal
    says why they may go. It is lines of JSON: read it before you send it. `ilot pack vector` makes tests of its frames.

    --hour raises the log for an hour without a restart. It comes back by itself, and a restart does not end it.
    """
    if hour or follow or end:
        raised = ask(config, state_dir, "support.raise", device=device, end=end)
        if not follow:
            _tell_raised(raised, json)
            return
        _tell_raised(raised, False)
        with contextlib.suppress(KeyboardInterrupt):
            _follow(config, state_dir, device, json)
        return
    answer = ask(config, state_dir, "support", timeout=WAIT_S, device=device, personal=bool(personal), why=personal)
    data = base64.b64decode(answer["document"])
    path = out or Path(datetime.now(UTC).strftime("ilot-support-%Y%m%d-%H%M%S.jsonl"))
    try:
        write_atomically(path, data)
    except OSError as error:
        raise HubError(file_not_written(path, error)) from error
    if json:
        output.data(
            {"file": str(path), "bytes": len(data), "contents": answer["contents"], "personal": answer["personal"]}
        )
        return
    _tell(path, len(data), answer)


def _tell(path: Path, size: int, answer: dict[str, Any]) -> None:
    held = answer["contents"]
    output.echo(
        phrase(
            "support-written",
            "{file}, {size}: frames {frames}, payloads that no codec could read {kept}, reasons of refusal {counts}, "
            "log lines {lines}; versions, and the configuration of the device",
            file=path,
            size=output.size(size),
            frames=held.get("frame", 0),
            kept=held.get("kept", 0),
            counts=held.get("count", 0),
            lines=held.get("log", 0),
        )
    )
    if answer["personal"] == "withheld":
        output.say(
            phrase(
                "support-bytes-withheld",
                "the bytes of its frames may tell of people and are not in it; --personal WHY puts them in",
            )
        )
    elif answer["personal"] == "included":
        output.say(
            phrase("support-bytes-included", "the bytes of its frames may tell of people: give it to nobody else")
        )
    if not held.get("frame"):
        output.say(
            phrase(
                "support-no-frames",
                "no frame of it was recorded since the start: radio frames are, those of wired buses and of "
                "integrations that read whole messages are not",
            )
        )


def _tell_raised(raised: dict[str, Any], json: bool) -> None:
    if json:
        output.data(raised)
    elif raised["raised_s"]:
        output.say(
            phrase(
                "support-log-raised",
                "the log of {source} is raised for {span}; then `ilot support` writes it into the file",
                source=raised["source"],
                span=output.duration(raised["raised_s"]),
            )
        )
    else:
        output.say(phrase("support-log-lowered", "the log of {source} is as usual again", source=raised["source"]))


def _follow(config: Path, state_dir: Path | None, device: str, json: bool) -> None:
    after = time.time() - LOOK_S
    while True:
        answer = ask(config, state_dir, "support.lines", device=device, after=after)
        for line in answer["lines"]:
            after = max(after, line["at"])
            if json:
                output.data(line)
            else:
                click.echo(f"{output.moment(line['at'])} {line['level']:7} {output.translated(line['text'])}")
        if not answer["raised_s"]:
            return
        time.sleep(LOOK_S)
