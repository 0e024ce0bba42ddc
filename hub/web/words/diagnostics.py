"""Diagnostics and the log."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "diagnostics": "Diagnostics",
    "diag-intro": "One archive for whoever helps you: versions, state, log, configuration. It names nobody and holds no reading and no secret.",
    "diag-take": "Download the archive (ZIP)",
    "diag-preview": "See what is in it",
    "diag-contents": "Contents of the archive",
    "diag-hide": "Hide what is in it",
    "diag-shown": "This is what the archive holds, and nothing else.",
    "diag-counted": "For rules, commands, places and the hub itself; that of devices and integrations is on their pages.",
    "log": "Log",
    "log-help": "The last 500 lines, in memory only; the newest first.",
    "log-level": "From",
    "log-grade": "Level",
    "level-debug": "debug",
    "level-info": "information",
    "level-warning": "warning",
    "level-error": "error",
    "log-source": "Part",
    "log-time": "Time",
    "log-text": "Message",
    "log-none": "No line.",
}
