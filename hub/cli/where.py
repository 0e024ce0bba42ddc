"""Which state directory a command is about: what was said, else what the configuration says."""

from __future__ import annotations

import os
import re
from pathlib import Path

DEFAULT_STATE = Path("/var/lib/ilot")


def state_of(config: Path, state_dir: Path | None) -> Path:
    """The state directory, without importing the configuration engine: commands that only talk to the running
    hub must start fast. A configuration too odd for this look is read by the commands that need all of it."""
    if state_dir is not None:
        return state_dir
    if "STATE_DIRECTORY" in os.environ:  # systemd
        return Path(os.environ["STATE_DIRECTORY"].partition(":")[0])
    try:
        text = config.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return DEFAULT_STATE
    said = re.search(r"^\s+state_dir:\s*[\"']?([^\"'#\n]+)", text, re.MULTILINE)
    return (config.parent / said.group(1).strip()) if said else DEFAULT_STATE


def socket_of(config: Path, state_dir: Path | None) -> Path:
    return state_of(config, state_dir) / "hub.sock"
