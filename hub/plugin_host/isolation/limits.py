"""The limits of one plugin process, and the command line that carries them to it. Imports nothing but the standard
library: the root program that starts plugins (`starter`) reads this too.

    python -I -S -B -c BOOT PATHS DESCRIPTOR MEMORY FILES TASKS OWN_ROOT DIRECT_NETWORK

The starter is the package's, and the child the release's that the hub runs: more words may only follow at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

BOOT = (
    "import sys; sys.path += [one for one in sys.argv.pop(1).split(':') if one not in sys.path]; "
    "from hub.plugin_host.isolation.child import main; raise SystemExit(main())"
)


LARGEST_FILE = 8 << 20
"""Bytes of a file in the working directory of a plugin that has one."""


class Limits(NamedTuple):
    """`memory`: bytes of address space beyond what the hub's own part of the process took; `files`: descriptors;
    `tasks`: threads; `own_root`: it has a root directory of its own, where it can write only in its working directory;
    `direct_network`: its libraries open sockets themselves."""

    memory: int
    files: int
    tasks: int
    own_root: bool
    direct_network: bool


def command(python: str, paths: Sequence[str], descriptor: int, limits: Limits) -> list[str]:
    """Return the command of a plugin process: Python without the site module, its `.pth` files and the environment."""
    numbers = [str(int(one)) for one in (descriptor, *limits)]
    return [python, "-I", "-S", "-B", "-c", BOOT, ":".join(paths), *numbers]


def given(arguments: Sequence[str]) -> tuple[int, Limits]:
    """Return the descriptor of the session and the limits from `sys.argv` of a plugin process. Raises ValueError."""
    _, *numbers = arguments
    descriptor, memory, files, tasks, own_root, direct_network, *_ = map(int, numbers)
    return descriptor, Limits(memory, files, tasks, bool(own_root), bool(direct_network))
