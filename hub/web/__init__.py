"""The hub's own pages and their API: HTTPS, served by the hub itself, for people in the building.

`web_part` is what the hub starts and asks; the server behind it and all it needs are imported when somebody calls, and
only where the configuration has a section `web:`. From the top, each knowing only what stands below it:

    web_part                            the pages as a part of the hub
    calls    lazy_server                what is asked of them; the server, once somebody comes
    server                              the one way of every request
    areas                               the subjects: pages, operations of the API, lines of the menu
    area   site                         what an area is; what its handlers are handed
    live_feed  render  sockets          live values; templates; connections
    request                             one request and its answer
    people  pictures  presentation      who may come in; plans and photographs; what is shown, in words
    refusals                            what the pages refuse, by a key of the catalogue
    words                               the catalogue, French and English
    formatting  services  menu          one figure, as a language writes it; what the pages are given; lines of the menu

May import `rpc`, `operations`, `onboarding` and lower rooms.
"""
