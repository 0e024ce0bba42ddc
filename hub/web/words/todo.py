"""Hints about what somebody should look at."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "todo-ones": "to deal with",
    "to-look-at": "Devices to look at",
    "refused-frames": "Refused frames of known devices",
    "candidates": "Heard, not admitted",
    "candidates-help": "Nothing from these devices is forwarded until you add them.",
    "strangers-see": "See them, adopt or refuse",
    "nothing-todo": "Nothing to do.",
    "heard-times": "heard [once|{count} times]",
}
