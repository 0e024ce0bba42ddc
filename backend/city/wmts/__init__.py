"""Pictures of a map server (OGC WMTS 1.0.0), fetched once for the area of a city: the file that lies below its map."""
