"""`python -m hub`, and the `ilot` command."""

from __future__ import annotations

import os
import sys


def main() -> None:
    from hub.app import run as running

    options = running.plain(sys.argv[1:], os.environ)
    if options is not None:
        sys.exit(running.main(options))
    from hub.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
