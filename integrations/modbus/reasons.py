"""Descriptions of the counted events of Modbus: reason -> (French, English). Pure data."""

from __future__ import annotations

# ruff: noqa: E501 - a table is read across
REASONS: dict[str, tuple[str, str]] = {
    "bad-scale": ("Facteur d'échelle absent ou impossible : micrologiciel du constructeur", "A scale factor is missing or impossible: the maker's firmware"),
    "bad-word": ("Mot impossible pour ce type : vérifiez « type » et l'ordre des mots", "A word that cannot be of this type: check `type` and the order of words"),
    "device-failure": ("L'appareil a un défaut : allez le voir", "The device has a fault: look at it"),
    "does-not-fit": ("Valeur qui n'entre pas dans le registre", "A value that does not fit the register"),
    "exception-*": ("L'appareil répond par l'exception Modbus {part} : voyez sa notice", "The device answers with Modbus exception {part}: see its manual"),
    "gateway-path": ("La passerelle n'a pas de chemin vers cet esclave : vérifiez « unit » et la passerelle", "The gateway has no path to this unit: check `unit` and the gateway"),
    "gateway-target": ("La passerelle n'entend pas cet esclave : alimentation, câblage, « unit » ?", "The gateway hears nothing from this unit: its power, its wiring, `unit`?"),
    "illegal-address": ("L'appareil n'a pas ce registre : vérifiez « table » et « address » (40001 est 0)", "The device has no such register: check `table` and `address` (40001 is 0)"),
    "illegal-function": ("L'appareil ne sert pas cette table : vérifiez « table »", "The device does not serve this table: check `table`"),
    "illegal-value": ("Trop de registres à la fois : diminuez « max_registers »", "Too many registers at once: lower `max_registers`"),
    "memory-parity": ("L'appareil dit sa mémoire abîmée : allez le voir", "The device finds its memory damaged: look at it"),
    "no-sunspec": ("Aucune carte SunSpec : donnez « sunspec_address », ou « registers » à la place", "No SunSpec map: give `sunspec_address`, or `registers` instead"),
    "sunspec-map": ("Carte SunSpec incohérente : donnez « registers » à la place", "The SunSpec map makes no sense: give `registers` instead"),
    "sunspec-moved": ("La carte SunSpec de l'onduleur a changé : elle est relue", "The inverter's SunSpec map has changed: it is read again"),
    "sunspec-part": ("La carte SunSpec a moins d'appareils : vérifiez « sunspec_part »", "The SunSpec map has fewer devices: check `sunspec_part`"),
}  # fmt: skip
