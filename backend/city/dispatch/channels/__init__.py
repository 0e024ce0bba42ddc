"""Ways out to people.

channel   what each of them is, and what it says of a message
email, http, settings
"""
