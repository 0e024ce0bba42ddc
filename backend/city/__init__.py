"""The city's view: a map with layers, alerts that reach a crew, open data, for the operator's people and the public.

Each room has `routes.py` with `route(router, city)` and, where it works beside requests, `work(city)`; `server` lists
them. Rooms know `city`, `store`, `people.viewer`, `register` and `pages`, and not each other: what one room must tell
another is a row in a table.

city          what a room is given
store         the city's database, from the event loop
server        the rooms, and the application that answers with them
exclusive_work  work that one process does at a time
"""
