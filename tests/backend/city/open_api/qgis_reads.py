"""Run by the system's Python, which has QGIS: opens layers of a SensorThings server and prints what is in them as JSON.

python3 qgis_reads.py URL
"""

import json
import os
import sys

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from qgis.core import QgsApplication, QgsFeatureRequest, QgsRectangle, QgsVectorLayer  # type: ignore[import-not-found]

application = QgsApplication([], False)
application.initQgis()
url, told = sys.argv[1], {}
LAYERS = {
    "things": "entity='Thing'",
    "locations": "type=PointZ entity='Location'",
    "small pages": "type=PointZ entity='Location' pageSize='3'",
    "history": "entity='HistoricalLocation'",
    "datastreams": "entity='Datastream'",
    "sensors": "entity='Sensor'",
    "properties": "entity='ObservedProperty'",
    "observations": "entity='Observation' featureLimit='50'",
    "features": "type=PointZ entity='FeatureOfInterest'",
    "expanded": "type=PointZ entity='Location' expandTo='Thing;Datastream'",
}
for name, options in LAYERS.items():
    layer = QgsVectorLayer(f"{options} url='{url}'", name, "sensorthings")
    fields = [field.name() for field in layer.fields()]
    rows = [[str(value) for value in one.attributes()] for one in layer.getFeatures()] if layer.isValid() else []
    told[name] = {"valid": layer.isValid(), "fields": fields, "rows": rows, "error": layer.error().summary()}
layer = QgsVectorLayer(f"type=PointZ entity='Location' url='{url}'", "box", "sensorthings")
box = QgsFeatureRequest().setFilterRect(QgsRectangle(2.295, 48.79, 2.325, 48.85))
told["box"] = {"valid": layer.isValid(), "rows": [[str(v) for v in one.attributes()] for one in layer.getFeatures(box)]}
layer = QgsVectorLayer(f"type=PointZ entity='Location' url='{url}'", "filtered", "sensorthings")
taken = layer.setSubsetString("name ne 'place-1' and startswith(description,'air')")
told["filtered"] = {"valid": taken, "rows": [[str(v) for v in one.attributes()] for one in layer.getFeatures()]}
print(json.dumps(told))
sys.stdout.flush()
os._exit(0)
