"""Hints about what somebody should look at."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "to-look-at": "Devices to look at",
    "refused-frames": "Refused frames of known devices",
    "candidates": "Heard, not admitted",
    "candidates-help": "Nothing from these devices is forwarded until you add them.",
    "no-candidates": "No unknown device has been heard.",
    "nothing-todo": "Nothing to do.",
    "heard-times": "heard [once|{count} times]",
    "adopt": "Add this device",
}
