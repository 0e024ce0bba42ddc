"""Behind the pages of commissioning (`hub.web.areas.commissioning`), one idea a file.

rows         what is asked of the hub: expected devices, pins, positions, the report
inventories  keys for many devices, as a file
pictures     plans of floors and photographs of sites
position     where a site is, as people write it
steps        what each step shows
"""
