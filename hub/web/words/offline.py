"""Words for when the hub does not answer."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "offline-app": "The building's sensors: values, alerts, and what is to do.",
    "offline-help": "It may be restarting, or this phone may not be on its network. This page tries again by itself.",
    "offline-seen": "Last seen at {time}",
    "offline-seen-day": "Last seen on {day} at {time}",
    "offline-nothing": "This device has kept nothing of the hub.",
    "offline-then": "What it said then",
    "offline-now": "Values of rooms are not kept on this device.",
    "offline-again": "Try again now",
    "offline-forget": "Erase from this device",
    "offline-forgotten": "Erased: this device keeps nothing of the hub any more.",
}
