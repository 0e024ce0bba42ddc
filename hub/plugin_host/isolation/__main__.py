"""The child process: `python -m hub.plugin_host.isolation describe NAME` prints one JSON object.

Before importing the plugin it sets irrevocable limits: memory, processor time, no writes to files, and termination
together with its parent.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

from hub.core.errors import HubError
from hub.plugin_host.isolation.describe import TIMEOUT_S, describe_here, packed
from hub.plugin_host.registry import Registry

MEMORY = 512 << 20
"""Limit of its data segment, in bytes."""
PR_SET_PDEATHSIG = 1  # prctl(2)


def bound() -> None:
    """Set the limits. Raises OSError."""
    processor = int(TIMEOUT_S)
    limits = {resource.RLIMIT_DATA: MEMORY, resource.RLIMIT_CPU: processor, resource.RLIMIT_FSIZE: 0}
    for kind, wanted in {**limits, resource.RLIMIT_CORE: 0}.items():
        most = resource.getrlimit(kind)[1]
        most = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(kind, (most, most))
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_PDEATHSIG failed")


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] != "describe":
        print("usage: python -m hub.plugin_host.isolation describe NAME", file=sys.stderr)
        return 2
    # Redirect stdout to stderr: text printed at import must not mix with the description.
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    bound()
    try:
        description = describe_here(Registry.discover(), arguments[1])
    except HubError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    with answer:
        answer.write(packed(description))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
