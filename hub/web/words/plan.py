"""Floor plans and the map."""

WORDS: dict[str, tuple[str, str]] = {
    "plan": ("Plan et carte", "Plan and map"),
    "floor-views": ("Plans", "Plans"),
    "floor-map": ("Extérieur (carte)", "Outdoors (map)"),
    "floor-layers": ("Couches", "Layers"),
    "floor-states": ("Appareils et leur état", "Devices and their state"),
    "floor-alerts": ("Alertes", "Alerts"),
    "floor-zones": ("Zones", "Zones"),
    "floor-show": ("Afficher", "Show"),
    "floor-of": ("Plan : {name}. Chaque numéro est une ligne du tableau.", "Plan: {name}. Each number is a row of the table."),
    "floor-none-title": ("Aucun plan pour l'instant.", "No plan yet."),
    "floor-none": (
        ("Ajoutez l'image d'un étage dans la mise en service, puis placez-y les emplacements. Pour la carte, donnez une "
        "« position » aux emplacements extérieurs dans la configuration."),
        ("Add the picture of a floor in commissioning, then mark the places on it. For the map, give places outdoors a "
        "“position” in the configuration."),
    ),
    "floor-add": ("Ajouter un plan", "Add a plan"),
    "floor-ask": ("Demandez-le à un technicien.", "Ask a technician to do it."),
    "floor-empty": (
        "Aucun emplacement ne s'y trouve. Placez-les sur le plan dans la mise en service.",
        "No place is on it yet. Mark them on the plan in commissioning.",
    ),
    "floor-empty-zone": ("Aucun emplacement de cette zone ne s'y trouve.", "No place of this zone is on it."),
    "floor-all": ("Voir toutes les zones", "See all zones"),
    "floor-left": (
        "{count} emplacement[|s] avec un appareil [n'est|ne sont] ni sur un plan ni sur la carte.",
        "{count} place[|s] with a device [is|are] neither on a plan nor on the map.",
    ),
    "floor-pin": ("Les placer", "Mark them"),
    "floor-hidden": (
        "Positions non montrées, car ce sont des logements : {count}.", "Positions not shown because they are homes: {count}.",
    ),
    "floor-private": (
        "La carte montre où la configuration place les choses, jamais où un appareil dit se trouver. Aucune image ne vient d'Internet.",
        "The map shows where the configuration places things, never where a device claims to be. No image comes from the internet.",
    ),
    "floor-north": ("N", "N"),
    "floor-no-device": ("sans appareil", "no device"),
    "floor-position": ("Position", "Position"),
    "floor-legend": ("Légende", "Legend"),
    "floor-no-alert": ("aucune", "none"),
    "floor-alerted": ("alerte ouverte", "open alert"),
}  # fmt: skip
