"""The overview."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "reporting": "reporting",
    "reporting-help": "devices with a valid report, out of all that are admitted",
    "see-devices": "See the devices",
    "see-alerts": "See the alerts",
    "see-link": "See buffer and link",
    "raised-help": "open, raised by this hub's rules",
    "strangers": "Heard and not admitted: {count}. Nothing from them is forwarded until you decide.",
    "strangers-see": "See the quarantine",
    "mebibytes": "MiB",
    "no-devices": "No device yet.",
    "no-devices-next": "Add the first by its label, or from those that the hub hears.",
    "link-state": "Link",
    "link-up": "up",
    "link-down": "down: readings are waiting on the disk",
    "autonomy": "Autonomy without the link",
    "autonomy-help": "until the buffer is full, at today's rate",
    "autonomy-unknown": "not known yet",
    "autonomy-later": "estimated after ten minutes of running",
    "buffered": "Readings waiting",
    "acked": "Readings confirmed by the backend",
    "alerts": "Health of the hub",
    "all-well": "All is well.",
    "up-since": "Running for",
    "memory": "Memory",
}
