"""How devices, plugins, links and commands stand."""

WORDS: dict[str, tuple[str, str]] = {
    "state": ("État", "State"),
    "state-green": ("remonte", "reports"),
    "state-waiting": ("en attente", "waiting"),
    "state-trouble": ("à voir", "trouble"),
}  # fmt: skip
