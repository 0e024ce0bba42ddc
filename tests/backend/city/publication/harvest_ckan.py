"""Reads a catalogue (Turtle on stdin) with ckanext-dcat's own profiles, as a CKAN portal harvests it; prints its data
sets as JSON. Runs in an environment of its own, with CKAN and ckanext-dcat."""

import json
import sys

from ckan.plugins import toolkit

toolkit.config.update({"ckan.site_url": "https://portal.example", "ckanext.dcat.normalize_ckan_format": "false"})

from ckanext.dcat.processors import RDFParser  # noqa: E402

parser = RDFParser(profiles=["euro_dcat_ap_3"])
parser.parse(sys.stdin.read(), "turtle")
print(json.dumps(list(parser.datasets())))
