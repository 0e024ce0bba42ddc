"""The audit log."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "audit-help": "Each line is chained to the one before: one that is changed or removed is noticed.",
    "verify": "Check the chain",
    "verified": "The chain is intact: {count} line[|s].",
    "entry-number": "No.",
    "who": "Who",
    "what": "What",
    "audit-why": "Reason: {why}",
    "older": "Older",
}
