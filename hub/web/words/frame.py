"""Words on every page."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "search-all": "Search everything",
    "group-now": "Now",
    "group-field": "Field",
    "group-hub": "Hub",
    "group-people": "People",
    "overview": "Overview",
    "todo": "To do",
    "devices": "Devices",
    "add": "Add",
    "link": "Buffer and link",
    "integrations": "Integrations",
    "commands": "Commands",
    "audit": "Audit log",
    "accounts": "Accounts",
    "account": "My account",
    "session-silent": "The hub does not answer: nothing is sent. What you typed is still here; try again in a moment.",
    "hub": "Hub",
    "none": "none",
    "never": "never",
    "ago": "{span} ago",
}
