"""The hub's own pages and their API: HTTPS, served by the hub itself, for people in the building.

`web_part` is started by the hub; the server and everything it needs are imported at the first connection, and only
where the configuration has a section `web:`. From the top, each knowing only lower lines:

    web_part                            the pages as a part of the hub
    lazy_server                         the server, imported at the first connection
    server                              the one path of every request
    areas                               the subjects: pages, operations of the API, lines of the menu
    area  charting  config_wording      shape of an area; charts of several series; forms and errors of options in words
    placing  amendments                 the choice of a place in forms; changes of a device that can be taken back
    site                                services of the handlers
    live_feed  render  sockets          live values; templates; connections
    request                             one request and its answer
    calls                               calls about accounts, tokens, the label and pictures
    people  pictures  presentation      accounts and sessions; plans and photographs; answers as text and rows
    refusals                            refusals of the pages, by a key of the catalogue
    words                               the catalogue, French and English
    formatting  services  menu          figures in each language; services given to the pages; lines of the menu

May import `rpc`, `operations`, `onboarding` and lower rooms.
"""
