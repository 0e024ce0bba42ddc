"""How a command asks the hub that runs on its state directory, and in whose name."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

Hub = Callable[..., Any]
"""The running hub, to commands that ask it more than once: `hub("status")`."""


def ask(config: Path, state_dir: Path | None, name: str, /, *, timeout: float = 30.0, **arguments: Any) -> Any:
    """The answer of the running hub, which is told who asks. Raises NotReady where none runs, Refused when it says no,
    ConfigError where the state directory cannot be told."""
    from hub.config.state_dir import state_of
    from hub.core.state_dir import StateDir
    from hub.rpc.control_socket import call

    return call(StateDir(state_of(config, state_dir)).socket, name, timeout=timeout, by=who(), **arguments)


def hub_of(config: Path, state_dir: Path | None) -> Hub:
    """That hub, to be asked later."""
    return partial(ask, config, state_dir)


def who() -> str:
    """Who types this, as the audit log has it: the account, behind sudo the one that called it; its number where it has
    no name."""
    try:
        return f"cli:{os.environ.get('SUDO_USER') or getpass.getuser()}"
    except (KeyError, OSError):  # an OSError since Python 3.13
        return f"cli:{os.getuid()}"
