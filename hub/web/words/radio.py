"""Radio: margins, losses, batteries, gateways."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "radio": "Radio",
    "radio-none": "No radio device has been heard yet.",
    "radio-next": "LoRaWAN links appear here with their first message.",
    "radio-move": "to be moved",
    "radio-enough": "enough margin",
    "radio-": "not assessed yet",
    "radio-summary": "Enough margin: {enough} · to be moved: {move} · not assessed yet: {rest}",
    "margin": "Margin",
    "margin-text": "{median} dB, and {low} dB for nine messages out of ten",
    "lost-frames": "Lost messages",
    "lost-of": "{lost} of {all}",
    "data-rates": "Data rates",
    "battery": "Battery",
    "battery-days": "empty in {days} days",
    "late": "late",
    "gateways": "Gateways",
    "gateway": "Gateway",
    "gateway-silent": "silent",
    "gateway-heard": "heard",
    "duty": "Airtime left this hour",
    "duty-text": "band {band}: {left} s of {all} s",
}
