"""Energy: expected consumption of each meter, its drift from it, and the reports required by law.

    figures       data of meters and zones for pages and reports
    today         use of today beside a usual day
    baseline      daily consumption explained by weather and weekday (IPMVP, option C); baseline_fit fits it
    drift         tests the unexplained rest; significance sets the threshold, drift_watch raises alerts
    day_types     holidays and exceptional days of a meter's schedule
    degree        degree days and daily outdoor temperatures
    reports       requirements of article R175-3 of the code de la construction, each with its figures
    operat        the yearly declaration to OPERAT
    evidence      signed documents
    service       the calls and the daily run

May import `privacy` and lower rooms, not `pipeline`.
"""
