"""Calls about the pages, used by the CLI, by the pages themselves and by the API, so that one check (a read-only
crisis), one audit log and one set of errors serve all of them.

accounts   accounts, passwords, the claim
tokens     tokens for scripts
label      the label of this hub, and a new claim code
pictures   plans of floors and photographs of sites
device_pictures   photographs of devices
"""
