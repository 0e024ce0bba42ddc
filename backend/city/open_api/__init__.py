"""Open API of the city's view: SensorThings, GeoJSON, CSV, Parquet, NGSI-LD, reports of citizens, feeds, providers."""
