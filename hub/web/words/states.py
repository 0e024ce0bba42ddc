"""States of devices, plugins, links and commands."""

WORDS: dict[str, tuple[str, str]] = {
    "state": ("État", "State"),
    "state-green": ("remonte", "reporting"),
    "state-waiting": ("en attente", "waiting"),
    "state-trouble": ("à voir", "needs attention"),
}  # fmt: skip
