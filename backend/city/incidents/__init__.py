"""Incidents: alerts of several sites that are one event, and weak signals that only a view of the whole shows.

rules         thresholds of families and causes, and what chance alone gives; pure
correlation   which alerts join an incident, open one, or end it; evidence of each
"""
