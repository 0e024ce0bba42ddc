"""The hub's own pages and their API: HTTPS, served by the hub itself, for people in the building.

`part` is what the hub starts and asks; the server behind it (`site`) and all it needs are imported when it runs, and
only where the configuration has a section `web:`.

    routes guard throttle showing words   pure: the table, what may come in, how often, how it is shown, the catalogue
    passwords accounts sessions           who people are
    connections site visit                the server: sockets, the one way of every request, one request
    api pages feed render                 what it answers
"""
