"""Crisis over the whole city: what is heard, what is hot, what was decided, and what is left when the database is gone.

    log         main courante: an append-only chain of lines
    measures    decisions, crews and heat profiles, each with an expiry; hubs declared isolated
    drills      a drill has its own log and measures, and is said on every page and document
    heat        rooms ranked by temperature
    hubs        heard and silent hubs, critical alerts, from the backend's tables
    sheets      reflex sheets: Markdown files of the town
    situation   all of that at one moment, within a scope
    pdf         the point de situation, one page
    snapshot    a self-contained page written every minute, readable with nothing running
    export      CSV and JSON of a scope, with what they are
    service     the room in one process; pages and routes answer with it

Nothing here commands a hub: isolation, read-only and raised sampling belong to the people on the spot.
"""
