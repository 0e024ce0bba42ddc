"""Descriptions of the counted events of LoRaWAN servers: reason -> (French, English). Pure data."""

from __future__ import annotations

from hub.sdk.sampling import Sampling

# ruff: noqa: E501 - a table is read across
REASONS: dict[str, tuple[str, str]] = {
    "bad-eui": ("EUI impossible dans un message du serveur", "An impossible EUI in a message of the server"),
    "bad-message": ("Message du serveur auquel il manque quelque chose", "A message of the server that lacks something"),
    "bad-protobuf": ("Message du serveur mal codé : réglez-le sur JSON", "A message of the server in wrong encoding: set it to JSON"),
    "counter-reset": ("L'appareil est reparti de zéro : pile neuve ; il est entendu", "The device started over: a new battery; it is heard"),
    "late": ("Trame arrivée après une plus récente", "A frame that came after a newer one"),
    "message-too-long": ("Message du serveur plus long que permis", "A message of the server longer than allowed"),
    "mqtt-flood": ("Trop de messages du broker à la fois, des messages QoS 0 sont perdus", "Too many messages of the broker at once, some of QoS 0 are lost"),
    "mqtt-retained": ("Ancien message gardé par le broker, ignoré", "An old message that the broker kept, ignored"),
    "no-downlink": ("Écrire passe par un envoi que le pack connaît : « ilot pack show » les liste", "Writing takes a downlink that the pack knows: `ilot pack show` lists them"),
    "payload-encrypted": ("Trame restée chiffrée : le serveur n'a pas son AppSKey, donnez-la au serveur", "A frame that stayed sealed: the server lacks its AppSKey, give it to the server"),
    "server-value": ("Valeur du serveur qui n'est pas de la sorte attendue", "A value of the server that is not of the kind expected"),
    "server-uplink-mic": ("Le serveur : trame qui ne va pas avec la clé", "The server: a frame that does not fit the key"),
    "server-uplink-f-cnt-reset": ("Le serveur : compteur reparti de zéro, pile changée ?", "The server: the counter started over, a new battery?"),
    "server-uplink-f-cnt-retransmission": ("Le serveur : répétition d'une trame", "The server: a repetition of a frame"),
    "server-uplink-codec": ("Le serveur : son décodeur a échoué", "The server: its codec failed"),
    "server-downlink-codec": ("Le serveur : son codeur d'envois a échoué", "The server: its codec for downlinks failed"),
    "server-downlink-payload-size": ("Le serveur : envoi trop long pour le débit radio", "The server: a downlink too long for the radio rate"),
    "server-downlink-gateway": ("Le serveur : la passerelle n'a pas pu émettre", "The server: the gateway could not send"),
    "server-otaa": ("Le serveur refuse que l'appareil rejoigne : vérifiez ses clés chez lui", "The server does not let the device join: check its keys there"),
    "server-*": ("Le serveur signale un incident ({part}) : voyez son journal", "The server tells of an incident ({part}): see its log"),
    "simulated": ("Trame simulée dans la console du serveur, ignorée", "A frame made up in the server's console, ignored"),
    "state-full": ("Trop d'appareils pour tout retenir : des doublons sont possibles après un redémarrage", "Too many devices to remember all: duplicates are possible after a restart"),
    "topic-mismatch": ("Le topic et le contenu ne parlent pas du même appareil, refusé", "Topic and content are not of the same device, refused"),
    "unknown-application": ("Application du serveur qui n'est pas dans la configuration", "An application of the server that is not in the configuration"),
    "unknown-device-id": ("Identifiant que le serveur n'a pas encore expliqué", "An id that the server has not explained yet"),
    "unknown-topic": ("Topic inattendu : vérifiez « topic »", "An unexpected topic: check `topic`"),
}  # fmt: skip
SAMPLING = Sampling(
    reason="its-server",
    why=(
        "un autre serveur de réseau le commande, et son temps d'antenne n'est pas connu ici",
        "another network server commands it, and its airtime is not known here",
    ),
)
