"""Open data: what the public may know of the city's measurements, and how nobody learns more from it.

definition    a data set as two persons allow it: which series, cells in space and time, delay, licence, contact
disclosure    which cells may be told, masks, rounding, and what two releases may differ by; pure
statistics    contributions of cells, out of readings; pure
source        readings of the backend's database as contributions
making        cells of a pass, each once    worker   what runs beside requests
desk          proposals, previews, permissions, withdrawals
files         CSV, Parquet and GeoJSON of published cells
catalog       the DCAT catalogue
sensors       the public register of sensors
desk_pages    the officer's pages    public   pages and files for everybody    words   their sentences

The public reads the tables `published_…` and nothing else, so that no filter of a question can take differences.
"""
