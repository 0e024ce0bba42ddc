"""Energy: degree days, a baseline of what a meter should count, drift from it, and the reports that the law asks for.

degree      degree days and daily outdoor temperatures
baseline    consumption of a day as weather and weekday explain it (IPMVP, option C)
drift       cumulated sums of what they do not explain
facts       meters and zones as reports need them
report      the numbered requirements of article R175-3, each with its figures
"""
