"""Descriptions of the counted events of OPC UA: reason -> (French, English). Pure data."""

from __future__ import annotations

from hub.sdk.sampling import Sampling

# ruff: noqa: E501 - a table is read across
REASONS: dict[str, tuple[str, str]] = {
    "opcua-bad": ("Le serveur donne la valeur pour mauvaise : voyez le serveur", "The server calls the value bad: look at the server"),
    "opcua-clock": ("L'horloge du serveur est fausse, ses dates ne sont pas prises : faites-la régler", "The server's clock is off, its dates are not used: have it set"),
    "opcua-communication": ("Le serveur n'atteint pas l'appareil derrière lui : voyez celui-ci", "The server does not reach the device behind it: look at that one"),
    "opcua-configuration": ("La configuration du serveur est fausse : prévenez qui s'en occupe", "The server's configuration is wrong: tell who looks after it"),
    "opcua-dead-band": ("Le serveur ne connaît pas cette bande morte : retirez « dead_band »", "The server knows no such dead band: leave `dead_band` out"),
    "opcua-denied": ("Cet utilisateur ne peut ni lire ni écrire cela : demandez le droit au serveur", "This user may not read or write it: ask for the right at the server"),
    "opcua-device": ("L'appareil derrière le serveur est en défaut : allez le voir", "The device behind the server failed: look at it"),
    "opcua-index": ("Le tableau n'a pas cet élément : vérifiez « element »", "The array has no such element: check `element`"),
    "opcua-no-data": ("Le serveur n'a pas de valeur", "The server has no value"),
    "opcua-node": ("Le serveur n'a pas ce nœud : vérifiez adresse, espace de noms, écriture", "The server has no such node: check address, namespace, spelling"),
    "opcua-nonsense": ("Ce qui répond ne parle pas OPC UA : vérifiez « url »", "What answers does not speak OPC UA: check `url`"),
    "opcua-not-connected": ("Le serveur n'a rien derrière ce nœud : voyez l'appareil", "The server has nothing behind this node: look at the device"),
    "opcua-out-of-service": ("Mis hors service dans le serveur par quelqu'un", "Somebody took it out of service at the server"),
    "opcua-overflow": ("Des valeurs se sont perdues dans le serveur : augmentez « queue », diminuez « publishing »", "Values were lost in the server: raise `queue`, lower `publishing`"),
    "opcua-range": ("Valeur hors de la plage du serveur", "A value outside the server's own range"),
    "opcua-sensor": ("La sonde derrière le serveur est en défaut : allez la voir", "The sensor behind the server failed: look at it"),
    "opcua-time-out": ("Le serveur est trop lent : augmentez « timeout » si cela dure", "The server took too long: raise `timeout` if it stays so"),
    "opcua-too-many-items": ("Le serveur ne surveille pas plus de nœuds : il est interrogé", "The server watches no more nodes: it is polled instead"),
    "opcua-type": ("Type de valeur qui ne va pas : vérifiez « values », « element », « scale »", "A type of value that does not fit: check `values`, `element`, `scale`"),
    "opcua-uncertain": ("Le serveur donne la valeur pour incertaine : voyez le serveur", "The server calls the value uncertain: look at the server"),
    "opcua-unit": ("Le serveur donne une autre unité : vérifiez la grandeur ou « scale »", "The server gives another unit: check the metric, or `scale`"),
    "opcua-untrusted": ("Certificat du serveur à approuver : le journal donne son empreinte", "The server's certificate is to be trusted first: the log has its fingerprint"),
    "opcua-waiting": ("Le serveur n'a pas encore de valeur", "The server has no value yet"),
    "opcua-worker": ("Le processus OPC UA s'est arrêté, il est relancé", "The OPC UA worker died, it is started again"),
}  # fmt: skip
SAMPLING = Sampling(
    reason="reports-changes",
    why=(
        "il signale lui-même ses changements : rien n'est à demander plus souvent",
        "it reports changes by itself: there is nothing to ask more often",
    ),
)
