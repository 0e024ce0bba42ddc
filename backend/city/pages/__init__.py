"""Pages of the city's view that everybody starts from: layout and menu, map, site, history, fleet, gaps, live events.

    routes       paths of the pages below, and what runs beside them
    kit          layout, menu and sentences of every page, also of other rooms: `add`, `render`
    book  words  sentences by their keys, in each language

Other rooms hand in their part with `kit.add(Area(…))` and answer with `kit.render(…)`; their templates extend
`base.html` and import `pieces.html`.
"""
