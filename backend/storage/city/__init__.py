"""Tables of the city's view: what there is, who may see it, and what each room notes.

SQL stands here once, in the subset that SQLite and PostgreSQL share, and nowhere else:

    values        text, int, float, bytes, None; a truth is 0 or 1, a time Unix seconds, JSON is text
    types         TEXT (compared by bytes), BIGINT, DOUBLE PRECISION, BYTES
    placeholders  ?
    shared        joins, common table expressions (recursive too), window functions, `on conflict … do`, `returning`,
                  `coalesce`, `||`, `lower`, `length`, `greatest`, `least`, `like` (letters as they are written)
    not shared    JSON and date functions, `ilike`, `glob`, `insert or …`, `limit -1`, a number where a condition
                  must stand (write `mobile = 1`)

database      opens it; transactions, snapshots, migrations, the right to work alone
tables        the rooms' tables, in the order in which they are made
sql           rendering for each engine
register      sites, sectors, services, things and their series
scope         the condition that limits every query to what a viewer may see
"""
