"""The parts of the file: a module for each, with its options, their meaning, unit and default. `hub.config.model` joins
them.

devices         `integrations:`, `devices:` and the lines that they speak over
pulse, energy   `pulse:` and `meter:` of a place, `history:`, `energy:`
rules           `rules:`; `templates` that are ready to use, `custom_templates` that somebody wrote
schedules       `schedules:`, `calendars:`, `school_years:`
notifiers       `notifiers:`
admission, privacy, security, crisis    who is believed, what is kept of people, what is an incident, what then
web, engine     `web:` and `config:`
"""
