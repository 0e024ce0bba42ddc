"""The child's side: `python -m hub.isolation describe NAME` prints one JSON object."""

from __future__ import annotations

import os
import sys

import msgspec

from hub.errors import HubError
from hub.isolation.describe import describe_here
from hub.registry import Registry


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] != "describe":
        print("usage: python -m hub.isolation describe NAME", file=sys.stderr)
        return 2
    # What a plugin prints at import must not be taken for its description.
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        description = describe_here(Registry.discover(), arguments[1])
    except HubError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    with answer:
        answer.write(msgspec.json.encode(description))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
