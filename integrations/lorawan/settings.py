"""Options of the network and of each device."""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

import hub
from hub.sdk.addresses import ListenAddress
from hub.sdk.options import french
from hub.sdk.phrases import phrase
from integrations.lorawan import eui, region
from integrations.lorawan.device import Abp, Device, Radio, Version
from integrations.lorawan.uplinks import Plan

MORE_CHANNELS = (867.1, 867.3, 867.5, 867.7, 867.9)
_ID = re.compile(r"lorawan:([0-9a-f]{16})")


def _eui(text: str) -> str:
    try:
        return eui.read(text)
    except hub.DecodeError as error:
        raise ValueError(error.detail) from None


def _source(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        raise ValueError(
            phrase(
                "lorawan.gateway-address-no-ip", "expected the IP address of the gateway, like 192.168.10.2, or none"
            )
        ) from None


def _channel(megahertz: float) -> float:
    hertz = round(megahertz * 1e6)
    if hertz % 100 or region.band(hertz) is None:
        raise ValueError(
            phrase(
                "lorawan.channel-not-in-eu868",
                "{megahertz} MHz is no channel of EU863-870, or not a multiple of 100 Hz",
                megahertz=megahertz,
            )
        )
    return megahertz


Eui = Annotated[str, AfterValidator(_eui)]
Channel = Annotated[float, AfterValidator(_channel)]


class Gateway(hub.Config):
    """One gateway that is heard."""

    help_fr = "Une passerelle écoutée."

    address: Annotated[str, AfterValidator(_source)] = Field(
        default="",
        description="The only IP address that its UDP datagrams may come from; empty: any.",
        json_schema_extra=french("La seule adresse IP d'où ses datagrammes UDP peuvent venir ; vide : toutes."),
    )
    antenna_gain: float = Field(
        default=0.0,
        ge=-10,
        le=20,
        description="Antenna gain minus cable loss, in dB.",
        json_schema_extra=french("Gain d'antenne moins les pertes du câble, en dB.", title="Gain d'antenne"),
    )
    max_power: int = Field(
        default=27,
        ge=0,
        le=30,
        description="The most its transmitter gives, in dBm.",
        json_schema_extra=french("Le plus que donne son émetteur, en dBm.", title="Puissance maximale"),
    )


class Udp(hub.Config):
    """Semtech's packet forwarder protocol. It authenticates nobody: keep it on a network that only gateways reach."""

    help_fr = (
        "Le protocole de Semtech. Il n'authentifie personne : gardez-le sur un réseau que seules les passerelles "
        "atteignent."
    )

    address: ListenAddress = Field(
        default="127.0.0.1",
        description="Address of the one interface to listen on.",
        json_schema_extra=french("Adresse de la seule interface où écouter."),
    )
    port: int = Field(default=1700, ge=0, le=65535, description="UDP port.", json_schema_extra=french("Port UDP."))


class Station(hub.Config):
    """LoRa Basics Station, over WebSocket."""

    help_fr = "LoRa Basics Station, sur WebSocket."

    address: ListenAddress = Field(
        default="127.0.0.1",
        description="Address of the one interface to listen on.",
        json_schema_extra=french("Adresse de la seule interface où écouter."),
    )
    port: int = Field(default=3001, ge=0, le=65535, description="TCP port.", json_schema_extra=french("Port TCP."))
    certificate: str = Field(
        default="",
        description="File of the TLS certificate chain, PEM. Empty: no TLS.",
        json_schema_extra=french("Fichier de la chaîne de certificats TLS, PEM. Vide : pas de TLS."),
    )
    certificate_key: str = Field(
        default="",
        description="File of its private key, PEM.",
        json_schema_extra=french("Fichier de sa clé privée, PEM."),
    )
    token: SecretStr | None = Field(
        default=None,
        description="What each station must send as `Authorization`, always by way of `!secret`.",
        json_schema_extra=french("Ce que chaque station doit envoyer en `Authorization`, toujours par `!secret`."),
    )

    @model_validator(mode="after")
    def _safe(self) -> Station:
        if bool(self.certificate) != bool(self.certificate_key):
            raise ValueError(
                phrase("lorawan.certificate-and-key-together", "certificate and certificate_key belong together")
            )
        return self


class Config(hub.Config):
    """A LoRaWAN network of the hub's own, EU863-870."""

    help_fr = "Un réseau LoRaWAN propre au concentrateur, EU863-870."

    gateways: dict[Eui, Gateway] = Field(
        default={},
        max_length=100,
        description="The gateways that are heard, by their EUI; others wait in quarantine.",
        json_schema_extra=french(
            "Les passerelles écoutées, par leur EUI ; les autres attendent en quarantaine.", title="Passerelles"
        ),
    )
    udp: Udp | None = Field(
        default=Udp(),
        description="Semtech UDP gateways; null: none.",
        json_schema_extra=french("Passerelles Semtech UDP ; null : aucune.", title="Semtech UDP"),
    )
    station: Station | None = Field(
        default=None,
        description="LoRa Basics Station gateways; null: none.",
        json_schema_extra=french("Passerelles LoRa Basics Station ; null : aucune."),
    )
    net_id: int = Field(
        default=0,
        ge=0,
        le=0x3F,
        description="NetID; 0 and 1 are for private networks.",
        json_schema_extra=french("NetID ; 0 et 1 sont pour les réseaux privés.", title="NetID"),
    )
    channels: tuple[Channel, ...] = Field(
        default=MORE_CHANNELS,
        max_length=5,
        description="Channels beside 868.1, 868.3 and 868.5, in MHz.",
        json_schema_extra=french("Canaux en plus de 868.1, 868.3 et 868.5, en MHz.", title="Canaux"),
    )
    rx_delay: int = Field(
        default=5,
        ge=1,
        le=15,
        description="Seconds from an uplink to its first receive window.",
        json_schema_extra=french(
            "Secondes d'un message montant à sa première fenêtre de réception.", title="Délai de la fenêtre 1"
        ),
    )
    rx2_rate: int = Field(
        default=0,
        ge=0,
        le=5,
        description="Data rate of the second window: 0 reaches farthest.",
        json_schema_extra=french("Débit de la seconde fenêtre : 0 porte le plus loin.", title="Débit de la fenêtre 2"),
    )
    rx1_offset: int = Field(
        default=0,
        ge=0,
        le=5,
        description="How many data rates the first window is slower.",
        json_schema_extra=french(
            "De combien de débits la première fenêtre est plus lente.", title="Écart de la fenêtre 1"
        ),
    )
    adr_margin: float = Field(
        default=10.0,
        ge=0,
        le=30,
        description="dB to spare that adaptive data rate leaves.",
        json_schema_extra=french("dB de réserve que le débit adaptatif laisse.", title="Marge du débit adaptatif"),
    )
    status: timedelta = Field(
        default=timedelta(days=1),
        ge=timedelta(0),
        description="How often a device is asked for its battery; 0: never.",
        json_schema_extra=french("À quel rythme sa batterie est demandée à un appareil ; 0 : jamais."),
    )
    silence: timedelta = Field(
        default=timedelta(minutes=5),
        ge=timedelta(seconds=30),
        description="A gateway silent for so long is reported.",
        json_schema_extra=french("Une passerelle muette si longtemps est signalée.", title="Silence signalé"),
    )
    gather: timedelta = Field(
        default=timedelta(milliseconds=200),
        ge=timedelta(0),
        le=timedelta(milliseconds=800),
        description="How long an uplink waits for its copies by other gateways.",
        json_schema_extra=french("Combien de temps un message montant attend ses copies par d'autres passerelles."),
    )

    @model_validator(mode="after")
    def _heard(self) -> Config:
        if self.udp is None and self.station is None:
            raise ValueError(phrase("lorawan.no-way-for-gateways", "no gateway could reach this: give udp or station"))
        return self

    def frequencies(self) -> tuple[int, ...]:
        """Return all channels in Hz, the three that every device has first."""
        return (*region.DEFAULT_CHANNELS, *(round(channel * 1e6) for channel in self.channels))

    def plan(self) -> Plan:
        radio = Radio(
            rx1_offset=self.rx1_offset,
            rx2_rate=self.rx2_rate,
            rx_delay=self.rx_delay,
            channels=dict(enumerate(self.frequencies())),
        )
        return Plan(self.net_id, radio, self.status.total_seconds(), self.adr_margin)


class DeviceSettings(hub.Config):
    """One device, `lorawan:` and its DevEUI in lower-case hexadecimal. Its key is the AppKey (32 digits), or for ABP
    NwkSKey and AppSKey in this order (64 digits)."""

    help_fr = (
        "Un appareil, `lorawan:` et son DevEUI en hexadécimal minuscule. Sa clé est l'AppKey (32 chiffres), ou "
        "pour l'ABP NwkSKey et AppSKey dans cet ordre (64 chiffres)."
    )

    join_eui: Eui | None = Field(
        default=None,
        description="JoinEUI or AppEUI; noticed when it differs, not needed.",
        json_schema_extra=french("JoinEUI ou AppEUI ; remarqué s'il diffère, pas requis."),
    )
    version: Version | None = Field(
        default=None,
        description="LoRaWAN version, 1.0.0 to 1.0.4. By default its pack's, without one 1.0.3.",
        json_schema_extra=french("Version de LoRaWAN, 1.0.0 à 1.0.4. Par défaut celle de son pack, sans pack 1.0.3."),
    )
    device_class: Literal["A", "C"] | None = Field(
        default=None,
        description="C listens all the time. By default its pack's, without one A.",
        json_schema_extra=french("C écoute tout le temps. Par défaut celle de son pack, sans pack A."),
    )
    address: str = Field(
        default="",
        pattern=r"^([0-9A-Fa-f]{8})?$",
        description="ABP: its DevAddr.",
        json_schema_extra=french("ABP : son DevAddr."),
    )
    rx_delay: int = Field(
        default=1,
        ge=1,
        le=15,
        description="ABP: seconds to its first window, as set in it.",
        json_schema_extra=french(
            "ABP : secondes jusqu'à sa première fenêtre, comme réglé dans l'appareil.", title="Délai de la fenêtre 1"
        ),
    )
    rx2_rate: int = Field(
        default=0,
        ge=0,
        le=5,
        description="ABP: data rate of its second window, as set in it.",
        json_schema_extra=french(
            "ABP : débit de sa seconde fenêtre, comme réglé dans l'appareil.", title="Débit de la fenêtre 2"
        ),
    )
    adr: bool = Field(
        default=True,
        description="Its data rate and power are the network's business.",
        json_schema_extra=french("Son débit et sa puissance sont l'affaire du réseau.", title="Débit adaptatif"),
    )
    fastest: int = Field(
        default=5,
        ge=0,
        le=5,
        description="The fastest data rate that it is given.",
        json_schema_extra=french("Le débit le plus rapide qui lui est donné.", title="Débit le plus rapide"),
    )
    confirmed: bool = Field(
        default=True,
        description="It acknowledges what it is told; a command is done only when it did.",
        json_schema_extra=french("Il acquitte ce qui lui est dit ; une commande n'est faite qu'alors."),
    )
    codec: Literal["pack", "cayenne"] = Field(
        default="pack",
        description="What reads its payload: its pack, or for Cayenne LPP the hub itself.",
        json_schema_extra=french(
            "Ce qui lit sa trame : son pack, ou pour Cayenne LPP le concentrateur lui-même.", title="Codec"
        ),
    )


def device(known: hub.Device, mac: str = "", listens: str = "") -> Device:
    """Build the network's device from its configuration.

    `mac` and `listens`: version and class given by its pack. Raises ValueError with the remedy."""
    found = _ID.fullmatch(known.id)
    if found is None:
        raise ValueError(
            phrase(
                "lorawan.device-id-malformed",
                "{device}: a device is named lorawan: and the 16 digits of its DevEUI, in lower case",
                device=known.id,
            )
        )
    settings = known.settings_as(DeviceSettings)
    wanted = 32 if settings.address else 16
    if known.key is None or len(known.key) != wanted:
        raise ValueError(
            phrase("lorawan.device-needs-appkey", "{device} needs a key of 16 bytes: its AppKey", device=known.id)
            if wanted == 16
            else phrase(
                "lorawan.device-needs-session-keys",
                "{device} needs a key of 32 bytes: NwkSKey and AppSKey in this order, because an address makes it an "
                "ABP device",
                device=known.id,
            )
        )
    abp = None
    if settings.address:
        abp = Abp(int(settings.address, 16), known.key[:16], known.key[16:])
    return Device(
        dev_eui=bytes.fromhex(found[1]),
        join_eui=bytes.fromhex(settings.join_eui) if settings.join_eui else None,
        app_key=known.key if abp is None else None,
        abp=abp,
        version=settings.version or Version(mac or Version.V1_0_3),
        class_c=(settings.device_class or listens) == "C",
        adr=settings.adr,
        fastest=settings.fastest,
        radio=Radio(rx_delay=settings.rx_delay, rx2_rate=settings.rx2_rate),
    )
