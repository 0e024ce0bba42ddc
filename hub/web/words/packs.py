"""Device packs."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "packs": "Device packs",
    "packs-intro": "A pack describes a device model: what it sends, and in which units. It is installed only if all of its own tests pass.",
    "pack-name": "Pack",
    "pack-version": "Version",
    "pack-origin": "Origin",
    "origin-shipped": "shipped",
    "origin-installed": "installed here",
    "pack-devices": "Devices here",
    "pack-vectors": "Tests",
    "pack-upload": "Install a pack",
    "pack-file": "ZIP file of a pack's folder",
    "pack-file-help": "{size} at most. It is tested before it is installed; an older version is refused.",
    "pack-install": "Test and install",
    "pack-installed": "Pack installed; it is in use from now on.",
    "kept": "Kept messages",
    "kept-text": "{count} message[|s] that no pack could read, kept for seven days and read again when the pack changes.",
    "redecode": "Read again now",
    "redecoded": "Messages read again.",
}
