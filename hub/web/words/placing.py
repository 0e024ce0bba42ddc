"""The choice of a place, or of a new one."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "place-choose": "Choose",
    "place-new": "A new place",
    "place-new-name": "Name of the new place",
    "place-new-help": "As people say it: Room 4, boiler room. If there is one of that name already, it is taken.",
    "zone-new-name": "Or a new zone: its name",
    "zone-new-site": "Site of the new zone",
    "zone-choose": "A new place needs a zone: choose one, or name a new one.",
}
