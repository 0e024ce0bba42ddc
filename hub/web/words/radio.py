"""Radio: margins, losses, batteries, gateways."""

WORDS: dict[str, tuple[str, str]] = {
    "radio": ("Radio", "Radio"),
    "radio-none": ("Aucun appareil radio n'a encore parlé.", "No radio device has been heard yet."),
    "radio-next": (
        "Les liaisons LoRaWAN apparaissent ici à leur premier message.",
        "LoRaWAN links appear here with their first message.",
    ),
    "radio-move": ("à déplacer", "to be moved"),
    "radio-enough": ("marge suffisante", "enough margin"),
    "radio-": ("pas encore jugée", "not assessed yet"),
    "radio-summary": (
        "Marge suffisante : {enough} · à déplacer : {move} · pas encore jugés : {rest}",
        "Enough margin: {enough} · to be moved: {move} · not assessed yet: {rest}",
    ),
    "margin": ("Marge", "Margin"),
    "margin-text": (
        "{median} dB, et {low} dB pour neuf messages sur dix",
        "{median} dB, and {low} dB for nine messages out of ten",
    ),
    "lost-frames": ("Messages perdus", "Lost messages"),
    "lost-of": ("{lost} sur {all}", "{lost} of {all}"),
    "data-rates": ("Débits", "Data rates"),
    "battery": ("Batterie", "Battery"),
    "battery-days": ("vide dans {days} jours", "empty in {days} days"),
    "late": ("en retard", "late"),
    "gateways": ("Passerelles", "Gateways"),
    "gateway": ("Passerelle", "Gateway"),
    "gateway-silent": ("muette", "silent"),
    "gateway-heard": ("entendue", "heard"),
    "duty": ("Temps d'émission restant cette heure", "Airtime left this hour"),
    "duty-text": ("bande {band} : {left} s sur {all} s", "band {band}: {left} s of {all} s"),
}
