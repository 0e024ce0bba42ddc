"""What everybody reads: pages, files, catalogue, register of sensors."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import re
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pytest
from people_kit import Town
from rdflib import Graph, Literal, Namespace, URIRef
from rdflib.compare import isomorphic
from rdflib.namespace import DCAT, DCTERMS, FOAF, RDF, XSD

from backend.city import zone
from backend.city.publication import desk, worker
from backend.city.publication.calendar import DAY_S, HOUR_S
from backend.city.publication.catalog import GEO, PREFIXES
from backend.city.publication.definition import Family
from backend.storage.city import publication as table
from backend.storage.city.database import Reader

from .attack import START, Thing, data_set
from .publication_kit import AIR, OFFICER, air, passes, publish, put, wave

pytestmark = pytest.mark.real("network")

SPDX = Namespace("http://spdx.org/rdf/terms#")
HYDRA = Namespace("http://www.w3.org/ns/hydra/core#")
HARVEST = Path(__file__).parent / "harvest_ckan.py"


async def raw(town: Town, path: str, **headers: str) -> tuple[int, Any, bytes]:
    async with town.session.get(town.url + path, headers=headers) as answer:
        return answer.status, answer.headers, await answer.read()


async def test_pages_are_for_everybody_in_french_and_english(published: Town) -> None:
    browser = published.browser()
    french = await browser.get("/data", **{"Accept-Language": "fr"})
    assert french.status == 200
    assert "Qualité de l&#39;air" in french.text
    assert 'lang="fr"' in french.text
    english = await browser.get("/data/air?lang=en")
    assert english.status == 200
    assert "Air quality" in english.text
    assert "Licence Ouverte 2.0" in english.text
    assert "default-src 'self'" in english.headers["Content-Security-Policy"]


async def test_a_month_is_downloaded_as_it_was_published_with_its_checksum(published: Town) -> None:
    noted = {one.format: one for one in await published.city.store.read(lambda r: table.Published(r).months("air"))}
    assert set(noted) == {"csv", "parquet"}
    cells = await published.city.store.read(lambda r: table.Published(r).cells("air", START, START + 30 * DAY_S))
    for format in ("csv", "parquet"):
        status, headers, body = await raw(published, f"/data/air/2026-06.{format}")
        assert status == 200
        assert hashlib.sha256(body).hexdigest() == noted[format].sha256
        assert len(body) == noted[format].bytes
        again = await raw(published, f"/data/air/2026-06.{format}", **{"If-None-Match": headers["ETag"]})
        assert again[0] == 304
        if format == "csv":
            lines = list(csv.DictReader(io.StringIO(body.decode())))
            assert [(line["start"], line["area"], float(line["value"])) for line in lines[:1]] == [
                ("2026-06-01T00:00:00+02:00", "1", cells[0].value)
            ]
            assert len(lines) == len(cells) == 3 * 24 * 30
        else:
            path = published.directory / "month.parquet"
            path.write_bytes(body)
            read = duckdb.connect().execute(f"select count(*), sum(value) from '{path}'").fetchone()
            assert read is not None
            assert read[0] == len(cells)
            assert read[1] == pytest.approx(sum(cell.value or 0 for cell in cells))


async def test_the_newest_values_are_geojson(published: Town) -> None:
    status, _, body = await raw(published, "/data/air/latest.geojson")
    assert status == 200
    told = json.loads(body)
    assert [one["id"] for one in told["features"]] == ["1", "2", "3"]
    assert told["features"][0]["geometry"] == {"type": "Point", "coordinates": [-1.7, 48.1]}
    assert told["features"][0]["properties"]["values"][0]["start"] == "2026-07-10T23:00:00+02:00"


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph")  # rdflib's own reader of JSON-LD
async def test_turtle_and_json_ld_say_the_same(published: Town) -> None:
    _, _, turtle = await raw(published, "/data/catalog.ttl")
    _, _, json_ld = await raw(published, "/data/catalog.jsonld")
    json_ld = json_ld.replace(b"catalog.jsonld", b"catalog.ttl")  # each names its own pages
    one, other = Graph().parse(data=turtle, format="turtle"), Graph().parse(data=json_ld, format="json-ld")
    assert isomorphic(one, other)


async def test_a_harvester_finds_every_term_and_the_files_that_they_name(published: Town) -> None:
    _, _, body = await raw(published, "/data/catalog.ttl")
    graph = Graph().parse(data=body, format="turtle")
    found = URIRef(f"{published.url}/data/air#dataset")
    assert (found, RDF.type, DCAT.Dataset) in graph
    assert {str(one) for one in graph.objects(found, DCAT.keyword)} == {"air", "particules"}
    for term in (
        DCTERMS.identifier, DCTERMS.title, DCTERMS.description, DCTERMS.license, DCTERMS.accrualPeriodicity,
        DCTERMS.temporal, DCTERMS.spatial, DCAT.contactPoint, DCTERMS.publisher, DCAT.theme, DCTERMS.modified,
    ):  # fmt: skip
        assert list(graph.objects(found, term)), term
    publisher = next(graph.objects(found, DCTERMS.publisher))
    assert str(next(graph.objects(publisher, FOAF.name))) == "Ville"
    with_sum = 0
    for file in graph.objects(found, DCAT.distribution):
        assert list(graph.objects(file, DCTERMS.license)) == list(graph.objects(found, DCTERMS.license))
        address = str(next(graph.objects(file, DCAT.downloadURL)))
        status, _, content = await raw(published, address.removeprefix(published.url))
        assert status == 200, address
        for one in graph.objects(file, SPDX.checksum):
            with_sum += 1
            assert str(next(graph.objects(one, SPDX.checksumValue))) == hashlib.sha256(content).hexdigest()
            assert int(next(graph.objects(file, DCAT.byteSize))) == len(content)
    assert with_sum == 2, "files that still grow have none"


DATE = ("xsd:dateTime",)
CONSTRAINTS = {
    "dcat:Catalog": (
        ("dct:title", 1, 9, ()), ("dct:description", 1, 9, ()), ("dct:publisher", 1, 1, "foaf:Agent"),
        ("dct:license", 0, 1, "dct:LicenseDocument"), ("dct:issued", 0, 1, DATE), ("dct:modified", 0, 1, DATE),
        ("foaf:homepage", 0, 1, "foaf:Document"), ("dct:language", 0, 9, "dct:LinguisticSystem"),
        ("dcat:themeTaxonomy", 0, 9, "skos:ConceptScheme"), ("dcat:dataset", 1, 9, "dcat:Dataset"),
        ("dct:spatial", 0, 9, "dct:Location"),
    ),
    "dcat:Dataset": (
        ("dct:title", 1, 9, ()), ("dct:description", 1, 9, ()), ("dct:identifier", 0, 9, ()),
        ("dcat:keyword", 0, 9, ()),
        ("dct:publisher", 0, 1, "foaf:Agent"), ("dcat:contactPoint", 0, 9, "vcard:Kind"),
        ("dcat:theme", 0, 9, "skos:Concept"), ("dct:accessRights", 0, 1, "dct:RightsStatement"),
        ("dct:accrualPeriodicity", 0, 1, "dct:Frequency"), ("dct:temporal", 0, 9, "dct:PeriodOfTime"),
        ("dct:spatial", 0, 9, "dct:Location"), ("dct:provenance", 0, 9, "dct:ProvenanceStatement"),
        ("dcat:landingPage", 0, 9, "foaf:Document"), ("dct:language", 0, 9, "dct:LinguisticSystem"),
        ("dct:issued", 0, 1, DATE), ("dct:modified", 0, 1, DATE), ("dcat:distribution", 0, 9, "dcat:Distribution"),
        ("dcat:temporalResolution", 0, 1, ("xsd:duration",)),
    ),
    "dcat:Distribution": (
        ("dcat:accessURL", 1, 9, URIRef), ("dcat:downloadURL", 0, 9, URIRef), ("dct:title", 0, 9, ()),
        ("dct:format", 0, 1, "dct:MediaTypeOrExtent"), ("dcat:mediaType", 0, 1, "dct:MediaType"),
        ("dct:license", 0, 1, "dct:LicenseDocument"), ("dcat:byteSize", 0, 1, ("xsd:nonNegativeInteger",)),
        ("spdx:checksum", 0, 1, "spdx:Checksum"), ("dct:issued", 0, 1, DATE),
    ),
    "spdx:Checksum": (
        ("spdx:algorithm", 1, 1, "spdx:ChecksumAlgorithm"), ("spdx:checksumValue", 1, 1, ("xsd:hexBinary",)),
    ),
    "foaf:Agent": (("foaf:name", 1, 9, ()), ("dct:type", 0, 1, "skos:Concept")),
    "skos:Concept": (("skos:prefLabel", 1, 9, ()),),
    "skos:ConceptScheme": (("dct:title", 1, 9, ()),),
    "dct:LicenseDocument": (("dct:type", 0, 9, "skos:Concept"),),
    "dct:Location": (("dcat:bbox", 0, 1, ("geo:wktLiteral",)),),
    "dct:PeriodOfTime": (("dcat:startDate", 0, 1, DATE), ("dcat:endDate", 0, 1, DATE)),
}  # fmt: skip
"""Constraints of DCAT-AP 3.0 on what this catalogue has: class, then property, fewest and most values, and their class,
their data type, or () for a text. https://semiceu.github.io/DCAT-AP/releases/3.0.0/"""


def broken(graph: Graph) -> list[str]:
    """Return what a catalogue breaks of CONSTRAINTS, and the classes of CONSTRAINTS that it has nothing of."""

    def named(name: str) -> URIRef:
        prefix, _, rest = name.partition(":")
        return URIRef((PREFIXES | {"geo": GEO})[prefix] + rest)

    found: list[str] = []
    for of, properties in CONSTRAINTS.items():
        subjects = set(graph.subjects(RDF.type, named(of)))
        found += [] if subjects else [f"no {of}"]
        for one, (term, fewest, most, kind) in product(subjects, properties):
            values = list(graph.objects(one, named(term)))
            if not fewest <= len(values) <= most:
                found.append(f"{of} has {len(values)} of {term}")
            for value in values:
                if isinstance(kind, str):
                    right = (value, RDF.type, named(kind)) in graph
                elif isinstance(kind, tuple):
                    texts = (None, RDF.langString, XSD.string)
                    right = isinstance(value, Literal) and value.datatype in ([named(one) for one in kind] or texts)
                else:
                    right = isinstance(value, kind)
                if not right:
                    found.append(f"{term} of {of} is {value!r}")
    return found


async def test_the_catalogue_keeps_what_dcat_ap_asks_of_it(published: Town) -> None:
    await published.city.store.write(lambda t: table.set_about(t, {"place": "https://sws.geonames.org/2983990/"}))
    graph = Graph().parse(data=(await raw(published, "/data/catalog.ttl"))[2], format="turtle")
    assert broken(graph) == []
    for lost in (DCTERMS.title, DCAT.accessURL, FOAF.name, SPDX.algorithm):
        twin = Graph()
        for triple in graph:
            if triple[1] != lost:
                twin.add(triple)
        assert broken(twin), lost
    assert broken(Graph()) == [f"no {of}" for of in CONSTRAINTS]


async def test_the_catalogue_has_pages_and_identifiers_that_stay(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.city.publication.catalog.PAGE", 2)
    await put(town.city, AIR)
    for n in range(5):
        await publish(town.city, air(f"air-{n}"))
    sets: list[str] = []
    path: str | None = "/data/catalog.ttl"
    while path:
        _, _, body = await raw(town, path)
        graph = Graph().parse(data=body, format="turtle")
        sets += sorted(str(one) for one in graph.subjects(RDF.type, DCAT.Dataset))
        following = [str(one) for one in graph.objects(None, HYDRA.next)]
        path = following[0].removeprefix(town.url) if following else None
    assert sets == [f"{town.url}/data/air-{n}#dataset" for n in range(5)]
    assert (await raw(town, "/data/catalog.ttl?page=4"))[0] == 404
    assert (await raw(town, "/data/catalog.ttl?page=x"))[0] == 404


@pytest.mark.skipif("ILOT_CKAN_PYTHON" not in os.environ, reason="ILOT_CKAN_PYTHON names no Python with ckanext-dcat")
async def test_ckan_harvests_the_catalogue(published: Town) -> None:
    _, _, body = await raw(published, "/data/catalog.ttl")
    done = subprocess.run(
        [os.environ["ILOT_CKAN_PYTHON"], str(HARVEST)], input=body, capture_output=True, check=True, timeout=120
    )
    (one,) = json.loads(done.stdout)
    assert one["title"] == "Air quality", "the portal's own language is English"
    extras = {extra["key"]: extra["value"] for extra in one["extras"]}
    assert extras["identifier"] == f"{published.url}/data/air#dataset"
    assert extras["publisher_name"] == "Ville"
    assert extras["contact_email"] == "dpd@ville.example"
    assert extras["temporal_start"].startswith("2026-06-01")
    assert {tag["name"] for tag in one["tags"]} == {"air", "particules"}
    files = {resource["download_url"].rpartition("/")[2]: resource for resource in one["resources"]}
    assert set(files) == {"2026-06.csv", "2026-06.parquet", "2026-07.csv", "2026-07.parquet", "latest.geojson"}
    assert re.fullmatch("[0-9a-f]{64}", files["2026-06.csv"]["hash"])


async def test_the_public_reads_published_tables_and_nothing_else(
    published: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await worker.refresh_sensors(published.city)
    monkeypatch.setattr(zone, "FRESH_S", math.inf)  # read beside, each ten seconds, whoever asks
    asked: list[str] = []
    rows = Reader.rows
    one = Reader.one
    monkeypatch.setattr(Reader, "rows", lambda self, sql, *values: (asked.append(sql), rows(self, sql, *values))[1])
    monkeypatch.setattr(Reader, "one", lambda self, sql, *values: (asked.append(sql), one(self, sql, *values))[1])
    for path in (
        "/data", "/data/air", "/data/air?area=2", "/data/air/2026-06.csv", "/data/air/2026-07.parquet",
        "/data/air/latest.geojson", "/data/catalog.ttl", "/data/catalog.jsonld", "/data/sensors",
        "/data/sensors/place-1",
    ):  # fmt: skip
        assert (await raw(published, path))[0] == 200, path
    tables = {name for sql in asked for name in re.findall(r"(?:from|join)\s+([a-z_]+)", sql)}
    assert len(asked) > 15
    assert {name for name in tables if not name.startswith(("published_", "people_"))} <= {"n"}


async def test_strange_questions_get_a_plain_refusal(published: Town) -> None:
    for path, status in (
        ("/data/nothing", 404), ("/data/air/2026-13.csv", 404), ("/data/air/1999-01.csv", 404),
        ("/data/air/2026-06.xlsx", 404), ("/data/sensors/nowhere", 404), ("/data/air/..%2f..%2fowner", 404),
        ("/data/air?area=%27%3B--", 200),
    ):  # fmt: skip
        assert (await raw(published, path))[0] == status, path


async def test_a_proposal_is_not_to_be_seen(town: Town) -> None:
    await put(town.city, AIR)
    await town.city.store.write(lambda t: desk.propose(t, air(), OFFICER, START))
    assert (await raw(town, "/data/air"))[0] == 404
    assert b"air#dataset" not in (await raw(town, "/data/catalog.ttl"))[2]


async def test_a_withdrawn_data_set_says_so_and_leaves_the_catalogue(published: Town) -> None:
    await published.city.store.write(lambda t: desk.withdraw(t, "air", "capteurs faux", OFFICER, START + 41 * DAY_S))
    status, _, body = await raw(published, "/data/air", Accept="text/html")
    assert status == 410
    assert "capteurs faux" in body.decode()
    assert (await raw(published, "/data/air/2026-06.csv"))[0] == 410
    assert b"air#dataset" not in (await raw(published, "/data/catalog.ttl"))[2]


async def test_a_correction_changes_the_checksum_of_its_month(published: Town) -> None:
    former = await published.city.store.read(lambda r: table.Published(r).months("air"))
    await published.city.store.write(
        lambda t: desk.take_back(t, "air", "1", START, START + HOUR_S, "panne", OFFICER, START + 41 * DAY_S)
    )
    await worker.note_months(published.city.store, START + 41 * DAY_S)
    later = await published.city.store.read(lambda r: table.Published(r).months("air"))
    assert {one.format for one in later} == {"csv", "parquet"}
    assert {one.sha256 for one in later}.isdisjoint({one.sha256 for one in former})


async def test_the_register_tells_what_is_measured_and_masks_few_homes(town: Town) -> None:
    homes = [Thing(100 + n, "energy", "energy-meter", "personal", "tower", f"flat-{n}") for n in range(3)]
    await put(town.city, [*AIR, *homes])
    await town.city.store.write(
        lambda t: table.set_purpose(t, "air", '{"fr":"Plan climat"}', "Direction de l'environnement", "mission")
    )
    await worker.refresh_sensors(town.city)
    _, _, body = await raw(town, "/data/sensors/place-1", **{"Accept-Language": "fr"})
    text = body.decode()
    assert "Plan climat" in text
    assert "Direction de l&#39;environnement" in text
    assert "data:image/svg+xml" in text
    _, _, tower = await raw(town, "/data/sensors/tower", **{"Accept-Language": "en"})
    assert "fewer than 5" in tower.decode()
    assert "flat-" not in tower.decode()


async def test_identifiers_begin_with_the_public_address(published: Town) -> None:
    await published.city.store.write(lambda t: table.set_about(t, {"url": "https://data.ville.example"}))
    graph = Graph().parse(data=(await raw(published, "/data/catalog.ttl"))[2], format="turtle")
    assert (URIRef("https://data.ville.example/data/air#dataset"), RDF.type, DCAT.Dataset) in graph


async def test_presence_is_told_by_sector_and_its_page_shows_masks(town: Town) -> None:
    rooms = [Thing(200 + n, "people", "room", "personal", f"hall-{n}", "", (f"quarter-{n % 2}",)) for n in range(4)]
    await put(town.city, rooms)
    await publish(town.city, data_set("presence", Family.PRESENCE, "people", space="sector"))
    source = wave(rooms, 30)
    source.values = {
        (thing, at): float(round(value / 300) if thing % 2 else round(value / 10))
        for (thing, at), value in source.values.items()
    }
    await passes(town.city, source, START + 8 * DAY_S)
    _, _, body = await raw(town, "/data/presence?lang=en")
    assert "masked" in body.decode()
