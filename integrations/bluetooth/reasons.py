"""Descriptions of the counted events of Bluetooth: reason -> (French, English). Pure data."""

from __future__ import annotations

from hub.sdk.sampling import BROADCASTS, Sampling

# ruff: noqa: E501 - a table is read across
REASONS: dict[str, tuple[str, str]] = {
    "adapter-reset": ("Adaptateur Bluetooth relancé", "The Bluetooth adapter was reset"),
    "adapter-stopped": ("L'adaptateur Bluetooth ne balayait plus : relancé", "The Bluetooth adapter had stopped scanning: started again"),
    "ambiguous": ("Plusieurs analyseurs reconnaissent ce message : rien n'est pris", "Several parsers recognise this message: nothing is taken"),
    "bad-fields": ("Les champs décrits dans « gatt » ne vont pas ensemble : corrigez-les", "The fields described in `gatt` do not go together: correct them"),
    "bad-*": ("Valeur impossible ({part}), écartée", "An impossible value ({part}), left out"),
    "no-characteristic": ("L'appareil n'a pas la caractéristique attendue : est-ce le bon modèle ?", "The device lacks the characteristic expected: is it the right model?"),
    "no-parser": ("Aucun analyseur ne connaît cet appareil", "No parser knows this device"),
    "private-address": ("Adresse privée changeante, un téléphone : non listée", "A changing private address, a phone: not listed"),
    "sealed-format": ("Format chiffré trop faible, non lu : choisissez BTHome dans le capteur", "A sealed format that is too weak, not read: choose BTHome in the sensor"),
    "too-many-*": ("Trop de valeurs ({part}) dans un message, le reste est écarté", "Too many values ({part}) in one message, the rest is left out"),
    "unknown-object-*": ("Objet BTHome 0x{part} inconnu : la fin du message n'est pas lue", "BTHome object 0x{part} is not known: the rest of the message is not read"),
    "unknown-*": ("Le capteur dit ne pas connaître cette valeur ({part})", "The sensor says that it does not know this value ({part})"),
    "unmapped-*": ("L'analyseur {part} donne une valeur qui n'a pas sa place ici", "The parser {part} gives a value that has no place here"),
    "unsupported-layout": ("Disposition des champs non lue", "A layout of fields that is not read"),
    "others-busy": ("Trop de capteurs d'autres marques à la fois, message laissé", "Too many sensors of other makers at once, a message was left"),
    "others-lost": ("Le processus des autres marques s'est arrêté, il est relancé", "The worker for other makers' sensors died, it is started again"),
    "others-muted": ("Messages d'un inconnu laissés un moment : aucun analyseur ne les connaît", "Messages of a stranger left for a while: no parser knows them"),
    "others-out-of-memory": ("Un analyseur d'une autre marque a pris trop de mémoire : le journal dit lequel", "A parser of another maker took too much memory: the log says which"),
    "others-superseded": ("Remplacé par un message plus récent du même appareil", "Replaced by a newer message of the same device"),
    "others-too-much": ("Un analyseur d'une autre marque répond trop longuement : le journal dit lequel", "A parser of another maker answers at too great length: the log says which"),
    "others-too-slow": ("Un analyseur d'une autre marque est trop lent : le journal dit lequel", "A parser of another maker is too slow: the log says which"),
}  # fmt: skip
SAMPLING = Sampling(reason="broadcasts", why=BROADCASTS)
