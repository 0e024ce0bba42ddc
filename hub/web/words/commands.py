"""Commands."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "no-commands": "No command.",
    "no-commands-next": "Commands are given on the page of a device that the configuration allows to be written (writable).",
    "by": "By",
    "stopped-by": "All writes are stopped by {by}: {why}",
    "stop-all": "Stop all writes",
    "stop-help": "Manual stop (code de la construction, R175-3): nothing more is written, and whatever was written is released.",
    "resume-all": "Allow writes again",
    "command-accepted": "accepted",
    "command-queued": "queued",
    "command-sent": "sent",
    "command-done": "done",
    "command-failed": "failed",
    "command-expired": "expired",
}
