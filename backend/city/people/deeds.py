"""Sentences of what the journal's lines say was done, in English."""

from __future__ import annotations

PREFIX = "city-"
PHRASES: dict[str, str] = {
    "deed-people-account-added": "Account added",
    "deed-people-account-removed": "Account removed",
    "deed-people-code-made": "Sign-in code made",
    "deed-people-code-wrong": "Sign-in code refused",
    "deed-people-disabled": "Account disabled",
    "deed-people-enabled": "Account enabled again",
    "deed-people-logout-refused": "Sign-out by the provider refused",
    "deed-people-password": "Password chosen",
    "deed-people-provider-ended": "Signed out by the sign-in provider",
    "deed-people-provider-refused": "Answer of the sign-in provider refused",
    "deed-people-role": "Role or scope changed",
    "deed-people-sessions-ended": "Sessions ended",
    "deed-people-sign-in-wrong": "Sign-in refused: wrong name or password",
    "deed-people-signed-in": "Signed in",
    "deed-people-signed-out": "Signed out",
    "deed-people-token-made": "Token made for a program",
    "deed-people-token-revoked": "Token of a program revoked",
    "deed-journal-exported": "Journal downloaded",
    "deed-alert-acknowledged": "Alert taken",
    "deed-alert-cleared": "Alert closed by hand",
    "deed-alert-muted": "Alert muted",
    "deed-incident-merged": "Incident merged into another one",
    "deed-incident-split": "Alert taken out of an incident",
    "deed-incident-taken": "Incident taken",
    "deed-intervention-done": "Intervention done",
    "deed-intervention-note": "Note written on an intervention",
    "deed-intervention-on-site": "Crew on site",
    "deed-intervention-taken": "Intervention taken",
    "deed-duty-swap": "Duty swapped",
    "deed-duty-swap-cancelled": "Swap of duty cancelled",
    "deed-routes-stored": "Plan of routes and duty stored",
    "deed-register-import": "Register imported",
    "deed-plan-put": "Plan of a floor stored",
    "deed-plan-removed": "Plan of a floor removed",
    "deed-pin-put": "Device placed on a plan",
    "deed-feed-points": "Devices of a feed described",
    "deed-report-answered": "Citizen's report answered",
    "deed-report-received": "Citizen's report received",
    "deed-report-reopened": "Citizen's report opened again",
    "deed-spaces-changed": "Provider's space changed",
    "deed-spaces-deleted": "File of a provider's space deleted",
    "deed-spaces-dropped": "File dropped into a provider's space",
    "deed-spaces-forgotten": "Old files of a provider's space forgotten",
    "deed-spaces-key": "Public key of a provider added",
    "deed-spaces-made": "Provider's space made",
    "deed-spaces-readings": "Readings delivered by a provider",
    "deed-spaces-removed": "Provider's space removed",
    "deed-publication-about": "Description of the open data changed",
    "deed-publication-allowed": "Data set allowed to be published",
    "deed-publication-cells": "Published figures taken back",
    "deed-publication-proposed": "Data set proposed for publication",
    "deed-publication-purpose": "Purpose of sensors declared",
    "deed-publication-recomputed": "Published figures computed again",
    "deed-publication-refused": "Data set refused for publication",
    "deed-publication-withdrawn": "Data set withdrawn from publication",
    "deed-crisis-crew": "Crew engaged in a crisis",
    "deed-crisis-document": "Point of situation downloaded",
    "deed-crisis-drill": "Drill begun",
    "deed-crisis-drill-end": "Drill ended",
    "deed-crisis-end": "Measure of a crisis ended",
    "deed-crisis-export": "Situation exported",
    "deed-crisis-heard": "Hub no longer declared isolated",
    "deed-crisis-heat": "Watch over heat begun",
    "deed-crisis-isolated": "Hub declared isolated",
    "deed-crisis-log": "Line written in the crisis log",
    "deed-crisis-measure": "Measure taken in a crisis",
}

ROOMS = (
    "alert",
    "crisis",
    "duty",
    "incident",
    "intervention",
    "journal",
    "people",
    "publication",
    "register",
    "routes",
    "spaces",
)
"""Rooms whose actions are named after them: `people.role` has the sentence `deed-people-role`."""
ACTIONS = tuple(
    ".".join(key.removeprefix("deed-").split("-", 1))
    if key.removeprefix("deed-").split("-")[0] in ROOMS
    else key.removeprefix("deed-")
    for key in PHRASES
)


def sentence_of(action: str) -> str:
    """Return the name of the sentence about an action."""
    return "deed-" + action.replace(".", "-", 1)
