"""Start of the forwarder: powers and resets the concentrator, writes the forwarder's files, then becomes the forwarder.

The descriptor of the lines stays open in it, so the power stays on for as long as it runs. Each start is a reset.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from hub.core.errors import ConfigError, NotReady
from hub.core.text import phrase, reason_of
from hub.operations.concentrator.store import FORWARDERS, RUNTIME, board_of, read

STEP_S = 0.1
"""Pause between two steps, as in Semtech's `reset_lgw.sh`."""


class OutputLines(Protocol):
    """Lines that can be set; see `gpio.Lines`."""

    descriptor: int

    def set(self, pin: int, value: int) -> None: ...


def reset(lines: OutputLines, pins: Mapping[str, int], sleep: Callable[[float], None] = time.sleep) -> None:
    """Power the concentrator and reset it: its own line by a high pulse, that of an SX1261 by a low one."""
    if "power" in pins:
        lines.set(pins["power"], 1)
        sleep(STEP_S)
    for name, steps in (("reset", (1, 0)), ("sx1261_reset", (0, 1))):
        for value in steps if name in pins else ():
            lines.set(pins[name], value)
            sleep(STEP_S)


def prepare(document: Mapping[str, Any], home: Path, device: Path) -> None:
    """Write the forwarder's files. `device` is the true name of the device: a name by id is too long for it."""
    home.mkdir(mode=0o700, exist_ok=True)
    for name, text in document["files"].items():
        written = text
        if name == "station.conf":
            found = board_of(text)
            assert found is not None  # noqa: S101 - `read` refuses any other
            conf, board = found
            board["device"] = f"{board['device'].partition(':')[0]}:{device}"
            written = json.dumps(conf, indent=1) + "\n"
        path = home / name
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", newline="") as file:
            file.write(written)


def launch(
    plan: Path,
    make_lines: Callable[[list[int]], OutputLines],
    become: Callable[[str, list[str]], Any] = os.execv,
    *,
    runtime: Path = RUNTIME,
    forwarders: Path = FORWARDERS,
) -> None:
    """Become the forwarder. Raises ConfigError, NotReady."""
    document = read(plan)
    if document is None:
        raise ConfigError(phrase("radio-no-plan", "{file} does not exist: `ilot radio setup` writes it", file=plan))
    program = forwarders / f"station-{document['family']}"
    if not os.access(program, os.X_OK):
        raise NotReady(
            phrase(
                "radio-no-forwarder",
                "{file} is not installed: docs/how-to/lora-concentrator.md says how it is built",
                file=program,
            )
        )
    device = Path(document["device"])
    try:
        true = device.resolve(strict=True)
    except OSError as error:
        raise NotReady(
            phrase("radio-device-missing", "{device}: {reason}", device=device, reason=reason_of(error))
        ) from error
    pins: dict[str, int] = document["lines"]
    if pins:
        lines = make_lines(sorted(set(pins.values())))
        reset(lines, pins)
        os.set_inheritable(lines.descriptor, True)
    home = runtime / "home"
    prepare(document, home, true)
    become(str(program), [str(program), "--home", str(home), "--temp", str(home)])
