"""Replacement and removal of a device."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "replace-swap": "Device",
    "replace-means": "The place, its history, the settings and the alerts stay. The former device is retired: if it still speaks, it is told as retired, and nothing of it is taken.",
    "replace-now": "Replace it",
    "replace-not": "Do not change anything",
    "replace-no-key": "No key of the new device is known: without one, nothing it sends can be read. Enter it, or load the inventory of keys first.",
    "replace-key": "Its key, if neither its label nor the inventory has it",
    "replace-heard": "Heard here, not admitted yet",
    "replace-heard-help": "Switched on nearby, the new device may be among them: compare with the number on its label.",
    "replace-by": "Take this one",
    "remove-now": "Remove it",
    "device-replacing": "In the place of {device}, since {when} ({who}). The history of the place goes on below.",
    "device-replacing-old": "In the place of {device}. The history of the place goes on below.",
    "device-retired": "The former device is retired. This one has taken its place.",
    "retired": "Retired, and still heard",
    "retired-help": "These were replaced here. Nothing of them is taken: switch them off.",
}
