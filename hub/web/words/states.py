"""States of devices, plugins, links and commands."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "state": "State",
    "state-green": "reporting",
    "state-waiting": "waiting",
    "state-trouble": "needs attention",
}
