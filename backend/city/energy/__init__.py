"""Energy over buildings: the portfolio of an owner's meters, with the reports that the hub makes of one building.

    portfolio   meters of the register as the hub's own rooms know them: places with a meter, zones, operators
    collect     hours and months of the stored readings, kept in the city's database for five years
    hours       the hub's views of hours and months, over that
    drifting    drift of each meter, once a day
    overview    sums by site and carrier, kWh per degree day, the worst first
    imports     what the operator declares of meters and buildings, as CSV
    service     the room in one process

Consumption, baseline, drift, degree days, R175-3 and OPERAT are those of `hub.energy` and `hub.history.rollups`: what a
district declares of a building is what the building's hub declares.
"""
