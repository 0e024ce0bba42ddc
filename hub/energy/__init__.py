"""Energy: what each meter should have counted, its drift from that, and the reports required by law.

    degree      degree days and daily outdoor temperatures
    baseline    daily consumption explained by weather and weekday (IPMVP, option C)
    drift       cumulated sums of the unexplained rest
    facts       meters and zones as reports need them
    report      requirements of article R175-3 of the code de la construction, each with its figures
    operat      the yearly declaration to OPERAT

May import `privacy` and lower rooms, not `pipeline`.
"""
