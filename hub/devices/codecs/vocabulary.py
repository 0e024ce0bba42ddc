"""Words in the names of decoded data, in English, French and German, and the concepts that they mean. Pure data."""

from __future__ import annotations

_CONCEPTS = """
temperature  temperature temperatures temp temperatur temperatuur
humidity     humidity hum humi humid humidite feuchte feuchtigkeit rh hygrometry hygrometrie
moisture     moisture vwc vmc
pressure     pressure pression druck
barometric   barometric atmospheric barometer baro barometrique atmospherique barometre
co2          co2
eco2         eco2
voc          voc tvoc cov covt
radon        radon rn
pm1          pm1
pm2_5        pm2x5
pm10         pm10
illuminance  illuminance illumination illum ill eclairement beleuchtungsstarke
light        light luminosity brightness luminosite lumiere helligkeit licht
sound        sound noise spl laeq bruit larm laerm schall schallpegel
distance     distance dist entfernung abstand
level        level lvl niveau pegel
depth        depth
fill         fill filling filled remplissage
mass         mass weight poids gewicht
battery      battery bat batt batterie akku accu
voltage      voltage volt volts tension spannung urms vrms
current      current courant strom amps amperage intensite iinst irms
power        power puissance leistung
energy       energy energie
heat         heat thermal thermique chaleur warme waerme
factor       factor facteur faktor
frequency    frequency freq frequence frequenz
active       active actif wirk
reactive     reactive reactif blind
apparent     apparent apparente schein
volume       volume volumen
flow         flow debit durchfluss
rate         rate
water        water eau wasser
gas          gas gaz
count        count counts
counter      counter compteur zahler zaehler
pulse        pulse pulses impulse impulses impulsion impulsions impuls
people       people persons person personnes personen visitors
in           in
out          out
conductivity conductivity conduct conductivite leitfahigkeit leitfaehigkeit ec
wind         wind
speed        speed vitesse geschwindigkeit
direction    direction dir richtung
heading      heading
rain         rain rainfall precipitation pluie regen niederschlag
radiation    radiation irradiance rayonnement
solar        solar solaire
uv           uv
index        index
dew          dew
point        point
valve        valve vanne ventil
position     position openness
open         open opened opening ouvert ouverte ouverture offen
return       return retour rucklauf ruecklauf
supply       supply forward vorlauf
leak         leak leakage leaking fuite leck
flood        flood flooding flooded inondation
liquid       liquid
smoke        smoke fumee rauch
motion       motion pir movement mouvement bewegung
occupancy    occupancy occupied occupe
presence     presence prasenz praesenz anwesenheit
door         door porte tur tuer
window       window fenetre fenster
contact      contact reed magnet kontakt
tamper       tamper tampered tampering sabotage
vibration    vibration
charging     charging
low          low faible niedrig
detected     detected detection detect
firmware     firmware fw
version      version
button       button bouton taster
press        press pressed
intensity    intensity
relative     relative rel relativ
total        total gesamt sum cumulative cumulated accumulated
meter        meter
concentration concentration
electrical   electrical electric
mains        mains ac rms
supplied     consumed consumption consommation verbrauch import imported
box          box device case
thermostat   thermostat fan motor operational cooling
volumetric   volumetric
content      content
plain        main value val measured actual ist instant instantaneous present is has disposable
plain        sensor sensors reading mesure messwert node
air          air ambient room luft raum
soil         soil ground boden substrate
surface      surface
external     external ext outdoor outside outer exterieur exterieure aussen
indoor       indoor inside interieur interieure innen
probe        probe sonde
heating      heating chauffage heizung
tank         tank cuve
pipe         pipe tuyau rohr
inlet        inlet
outlet       outlet
leaf         leaf feuille blatt
floor        floor plancher
wall         wall
gps          gps
all          all
line         line ligne
setpoint     setpoint setpoints consigne soll sollwert desired
target       target
former       history hist historic historical historique previous prev former past log logs logged datalog archive
former       backlog verlauf precedent precedente vorherige old records
limit        limit limits lim threshold thresholds thresh thr seuil schwelle grenze min minimum minimal mini
limit        max maximum maximal maxi lowest highest peak percentile high haut hoch upper lower gust
setting      config configuration conf cfg setting settings parameter parameters param interval period periodic periode
setting      timeout timer duration enable enabled disable disabled mode calibration calibrate calibrated offset
setting      multiplier divisor resolution range type id serial model plan schedule
change       change changed changes delta diff difference differential deviation variation gradient trend
average      average averages avg mean median moyenne moy mittelwert mittel
time         time times date timestamp datetime utc unix today yesterday day daily week weekly month monthly year
time         hour hourly age
alarm        alarm alarms alarme alert alerts alerte warning
state        status state etat zustand flag event
error        error err fault failure valid invalid quality accuracy uncertainty
exported     export exported produced returned injected reverse backflow
"""

_SEVERAL = """
luftdruck      barometric pressure
luftfeuchte    humidity
luftfeuchtigkeit humidity
bodenfeuchte   moisture soil
fullstand      fill level
fuellstand     fill level
vbat           battery voltage
vbatt          battery voltage
batv           battery voltage
battv          battery voltage
vdd            battery voltage
pf             power factor
cosphi         power factor
papp           power apparent
sinsts         power apparent
east           energy supplied total
easf           energy supplied total
hchc           energy supplied total
hchp           energy supplied total
"""
"""`papp`, `sinsts`, `iinst`, `irms`, `urms` and the last four are labels of the French meters' customer port."""


def _concepts() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for line in _CONCEPTS.strip().splitlines():
        concept, *words = line.split()
        table |= dict.fromkeys(words, (concept,))
    for line in _SEVERAL.strip().splitlines():
        word, *concepts = line.split()
        table[word] = tuple(concepts)
    return table


CONCEPTS = _concepts()
"""A word of a name, in lower case without accents → the concepts that it means."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CHIPS = _words("""
    sht sht2x sht20 sht30 sht31 sht3x sht35 sht40 sht4x ds ds18 ds18b20 bme bme280 bme680 bmp280 scd scd30 scd40 scd41
    dht dht22 pt100 pt1000 pt ntc
""")
"""Sensors whose name says where a value comes from, not what it is."""

KINDS = _words("setpoint target former limit setting change average time alarm state error exported low")
"""Concepts of a value that is no present reading, unless a rule has them."""

CONTAINERS = _words("""
    data payload bytes decoded object measurements measurement value values sensor sensors device status state states
    uplink message msg body result results content fields readings channels channel inputs environment env climate meteo
    weather telemetry
""")
"""Keys above a leaf that only hold others."""

GENERIC = _words("value val v values")
"""Last keys that say nothing: the key above is the name."""

NUMBERED = _words("channel chn ch chan canal kanal voie input phase line probe sensor port zone")
"""Words before the number or letter of a channel."""

NEUTRAL = _words("plain probe")
"""Concepts that change the meaning of no rule."""

COUNTED = {"one": "1", "two": "2", "three": "3", "four": "4"}
"""Numbers of channels in words."""

MISSPELT = _words("""
    temperature humidity pressure battery voltage current distance illuminance luminosity occupancy moisture
    conductivity firmware consumption frequency
""")
"""Words that are meant where one letter is missing, too many, wrong or exchanged with its neighbour."""

QUALIFYING = _words("""
    raw adc mcu cpu chip board core soc pcb die module modem gateway calc calculated corrected uncorrected compensated
    equivalent equiv apparent feels perceived wet bulb felt simulated forecast estimated used free remaining rssi snr
    lora radio tx rx
""")
"""Words that change what a value is, even where several values have them: no place."""

PLACES = _words("soil surface water external indoor probe supply return tank pipe inlet outlet leaf floor wall")
"""Concepts that tell two values of one metric apart, as the name of a channel."""
