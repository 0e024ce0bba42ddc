"""Sections of the file: a module for each, with its options, their meaning, unit and default. `hub.config.model` joins
them.

devices         `integrations:`, `devices:` and the lines that they use
pulse, energy   `pulse:` and `meter:` of a place, `history:`, `energy:`
rules           `rules:`; shipped `templates`, and `custom_templates` of the file
schedules       `schedules:`, `calendars:`, `school_years:`
notifiers       `notifiers:`
admission, privacy, security, crisis    trust, personal data, incidents, crisis mode
web, engine     `web:` and `config:`
"""
