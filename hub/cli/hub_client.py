"""Client of the hub that runs on a state directory."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

Hub = Callable[..., Any]
"""The running hub, for commands with several calls: `hub("status")`."""


def ask(config: Path, state_dir: Path | None, name: str, /, *, timeout: float = 30.0, **arguments: Any) -> Any:
    """Return the answer of the running hub, with this user as the author. Raises NotReady without one, CallRefused when
    it answers with an error, ConfigError where the state directory cannot be determined."""
    from hub.config.state_dir import state_of
    from hub.core.errors import NotReady
    from hub.core.state_dir import StateDir, refusal
    from hub.rpc.control_socket import call

    state = StateDir(state_of(config, state_dir))
    try:
        return call(state.socket, name, timeout=timeout, by=current_user(), **arguments)
    except NotReady as error:
        if not (reason := refusal(state.path)):
            raise
        from hub.app.unwritable import told

        raise NotReady(told(state.path, reason)) from error


def hub_of(config: Path, state_dir: Path | None) -> Hub:
    """Return that hub, for later calls."""
    return partial(ask, config, state_dir)


def current_user() -> str:
    """Return the user for the audit log: the account, behind sudo the calling one; its number where it has no name."""
    try:
        return f"cli:{os.environ.get('SUDO_USER') or getpass.getuser()}"
    except (KeyError, OSError):  # OSError since Python 3.13
        return f"cli:{os.getuid()}"
