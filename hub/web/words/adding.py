"""Adding a device."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "add-title": "Add a device",
    "add-help": "By the text of its label or QR code, or by its id.",
    "label": "Text of the label or QR code",
    "or-id": "or the device's id",
    "id-help": "like lorawan:70B3D57ED0000001",
    "place-help": "what it measures, for example classe-3",
    "add-more": "Name, pack, integration…",
    "zone-new": "Zone, if the place is new",
    "device-name": "Name",
    "check": "Check without adding",
    "would-add": "This would be added: {device} at {place}.",
    "already": "Already present: {device}.",
}
