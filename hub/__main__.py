"""`python -m hub`, and the `ilot` command."""

from __future__ import annotations


def main() -> None:
    from hub.cli import main as run

    run()


if __name__ == "__main__":
    main()
