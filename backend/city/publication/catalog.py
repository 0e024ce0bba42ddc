"""The DCAT catalogue of published data sets, as Turtle and as JSON-LD. Pure.

Terms are those of DCAT-AP: https://semiceu.github.io/DCAT-AP/. A data set has the identifier `…/data/ID#dataset` for
ever, a file of a closed month `…/data/ID#2026-10-csv` and the address `…/data/ID/2026-10.csv`. Files of closed months
have their size and SHA-256; those that still grow have none. Pages are Hydra's: both `PagedCollection`, which CKAN
follows, and `PartialCollectionView`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from backend.city.publication import files
from backend.city.publication.calendar import DAY_S, HOUR_S, MONTH_S, WEEK_S, Calendar
from backend.city.publication.definition import FREQUENCIES, LICENCE_IRIS, LICENCES
from backend.storage.city.publication import Area, Month, PublishedSet

PAGE = 50
"""Data sets of one page."""
PREFIXES = {
    "adms": "http://www.w3.org/ns/adms#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "hydra": "http://www.w3.org/ns/hydra/core#",
    "locn": "http://www.w3.org/ns/locn#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "spdx": "http://spdx.org/rdf/terms#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
EU = "http://publications.europa.eu/resource/authority/"
LANGUAGES = {"fr": EU + "language/FRA", "en": EU + "language/ENG"}
FILE_TYPES = {"csv": EU + "file-type/CSV", "parquet": EU + "file-type/PARQUET", "geojson": EU + "file-type/GEOJSON"}
MEDIA = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet", "geojson": "application/geo+json"}
IANA = "https://www.iana.org/assignments/media-types/"


class Iri(str):
    """A resource by its name."""

    __slots__ = ()


class Literal(NamedTuple):
    """A text in a language, or of a type: a name with a prefix of PREFIXES."""

    text: str
    lang: str = ""
    type: str = ""


class Node(NamedTuple):
    """A resource with what is said of it: (name with prefix, value) pairs; without an `iri` it has no name."""

    about: Sequence[tuple[str, Any]]
    iri: str = ""


class Entry(NamedTuple):
    """A published data set with its areas, files, and the bounds of its cells (Unix s)."""

    line: PublishedSet
    about: Mapping[str, Any]
    areas: Sequence[Area]
    months: Sequence[Month]
    open_months: Sequence[str]
    bounds: tuple[float, float] | None


class Publisher(NamedTuple):
    """Whose catalogue it is. `place` is an IRI, "" where none is known."""

    name: str
    homepage: str
    place: str = ""


def catalog(
    url: str, publisher: Publisher, entries: Sequence[Entry], *, page: int, count: int, modified: float, path: str
) -> list[Node]:
    """Return a page of the catalogue; `count`: data sets in all; `path`: the page's own, of its format."""
    last = max(1, -(-count // PAGE))
    catalog_iri = f"{url}/data/catalog"
    issued = min((one.line.issued for one in entries), default=modified)
    about: list[tuple[str, Any]] = [
        ("a", Iri("dcat:Catalog")),
        ("dct:title", Literal(f"Données ouvertes de {publisher.name}", "fr")),
        ("dct:title", Literal(f"Open data of {publisher.name}", "en")),
        ("dct:description", Literal("Mesures publiées par Îlot, cellule par cellule.", "fr")),
        ("dct:description", Literal("Measurements published by Îlot, cell by cell.", "en")),
        ("dct:publisher", Iri(f"{url}/data/catalog#publisher")),
        ("foaf:homepage", Node([("a", Iri("foaf:Document"))], f"{url}/data")),
        ("dct:issued", moment(issued)),
        ("dct:modified", moment(modified)),
        ("dct:license", Iri(LICENCE_IRIS["etalab-2.0"])),
        ("dcat:themeTaxonomy", Node([("a", Iri("skos:ConceptScheme")), ("dct:title", Literal("Data theme", "en"))],
                                    EU + "data-theme")),
        *((("dct:language", Iri(one))) for one in LANGUAGES.values()),
        *([("dct:spatial", Iri(publisher.place))] if publisher.place else []),
        *(("dcat:dataset", Iri(f"{url}/data/{one.line.id}#dataset")) for one in entries),
    ]  # fmt: skip
    nodes = [Node(about, catalog_iri), _publisher(url, publisher), _pages(url, path, page, last, count)]
    nodes += [_licence(code) for code in sorted({"etalab-2.0", *(one.about["licence"] for one in entries)})]
    nodes += [Node([("a", Iri("dct:LinguisticSystem"))], one) for one in LANGUAGES.values()]
    nodes += [Node([("a", Iri("dct:Location"))], publisher.place)] if publisher.place else []
    for one in entries:
        nodes += dataset(url, one)
    return nodes


def dataset(url: str, one: Entry) -> list[Node]:
    """Return a data set and its distributions."""
    line, about = one.line, one.about
    page = f"{url}/data/{line.id}"
    found: list[tuple[str, Any]] = [
        ("a", Iri("dcat:Dataset")),
        ("dct:identifier", Literal(f"{page}#dataset")),
        *(("dct:title", Literal(text, lang)) for lang, text in sorted(about["title"].items())),
        *(("dct:description", Literal(text, lang)) for lang, text in sorted(about["summary"].items())),
        *(("dcat:keyword", Literal(word, "fr")) for word in about["keywords"]),
        ("dcat:theme", Node([("a", Iri("skos:Concept")), ("skos:prefLabel", Literal(about["theme"], "en"))],
                            EU + "data-theme/" + about["theme"])),
        ("dct:publisher", Iri(f"{url}/data/catalog#publisher")),
        ("dcat:contactPoint", Node([
            ("a", Iri("vcard:Kind")), ("a", Iri("vcard:Organization")), ("vcard:fn", Literal(about["contact"])),
            ("vcard:hasEmail", Iri("mailto:" + quote(about["mail"], safe="@+"))),
        ])),
        ("dct:license", Iri(LICENCE_IRIS[about["licence"]])),
        ("dct:accessRights", Node([("a", Iri("dct:RightsStatement"))], EU + "access-right/PUBLIC")),
        ("dct:accrualPeriodicity", Node([("a", Iri("dct:Frequency"))],
                                        EU + "frequency/" + FREQUENCIES[int(about["cell_s"])])),
        ("dct:temporal", _period(about, one.bounds)),
        ("dct:issued", moment(line.issued)),
        ("dct:modified", moment(line.modified)),
        *(("dct:language", Iri(code)) for code in LANGUAGES.values()),
        ("dcat:landingPage", Node([("a", Iri("foaf:Document"))], page)),
        ("dcat:temporalResolution", Literal(_RESOLUTIONS[int(about["cell_s"])], "", "xsd:duration")),
        ("dct:provenance", Node([
            ("a", Iri("dct:ProvenanceStatement")), ("rdfs:label", Literal(provenance(about, "fr"), "fr")),
            ("rdfs:label", Literal(provenance(about, "en"), "en")),
        ])),
    ]  # fmt: skip
    box = bounding_box(one.areas)
    if box:
        found.append(
            ("dct:spatial", Node([("a", Iri("dct:Location")), ("dcat:bbox", Literal(box, "", "geo:wktLiteral"))]))
        )
    shown = list(_distributions(url, one))
    found += [("dcat:distribution", Iri(node.iri)) for node in shown]
    return [Node(found, f"{page}#dataset"), *shown]


def provenance(about: Mapping[str, Any], lang: str) -> str:
    """Return how the cells of a data set were made."""
    at, days = 0 if lang == "fr" else 1, f"{int(about['delay_s']) / 86_400:g}"
    return _MADE[about["family"]][at].format(cell=_LENGTHS[int(about["cell_s"])][at], days=days)


_LENGTHS = {
    300: ("de 5 min", "5 minutes"), 900: ("de 15 min", "15 minutes"), HOUR_S: ("d'une heure", "one hour"),
    DAY_S: ("d'un jour", "one day"), WEEK_S: ("d'une semaine", "one week"), MONTH_S: ("d'un mois", "one month"),
}  # fmt: skip
_RESOLUTIONS = {300: "PT5M", 900: "PT15M", HOUR_S: "PT1H", DAY_S: "P1D", WEEK_S: "P7D", MONTH_S: "P1M"}
"""Lengths of cells as durations of XML Schema."""

_MADE = {
    "ambient": (
        "Mesures de capteurs, résumées par période {cell}.",
        "Readings of sensors, summed up over {cell}.",
    ),
    "presence": (
        (
            "Comptages par période {cell}, publiés après {days} jours, arrondis à 5 ; masqués de 0 à 4."
            " Maîtrise de la divulgation statistique, et non anonymisation."
        ),
        (
            "Counts over {cell}, published after {days} days, rounded to 5; 0 to 4 masked. Statistical disclosure"
            " control, not anonymisation."
        ),
    ),
    "homes": (
        (
            "Sommes d'au moins 10 points de livraison par période {cell}, publiées après {days} jours,"
            " arrondies à 5, avec secret secondaire."
        ),
        (
            "Sums of at least 10 delivery points over {cell}, published after {days} days, rounded to 5, with"
            " secondary suppression."
        ),
    ),
    "firms": (
        (
            "Sommes d'au moins 3 entreprises, dont aucune ne fait plus de 85 %, par période {cell}, publiées"
            " après {days} jours, arrondies à 5, avec secret secondaire."
        ),
        (
            "Sums of at least 3 firms, none of which has more than 85 %, over {cell}, published after {days}"
            " days, rounded to 5, with secondary suppression."
        ),
    ),
}


def moment(at: float) -> Literal:
    return Literal(datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "", "xsd:dateTime")


def bounding_box(areas: Iterable[Area]) -> str:
    """Return the rectangle around areas as WKT; "" where no position is known."""
    points = [point for area in areas for point in _points(files.geometry(area))]
    if not points:
        return ""
    west, south = min(lon for lon, _ in points), min(lat for _, lat in points)
    east, north = max(lon for lon, _ in points), max(lat for _, lat in points)
    corners = ((west, south), (east, south), (east, north), (west, north), (west, south))
    return f"POLYGON(({', '.join(f'{lon:.5f} {lat:.5f}' for lon, lat in corners)}))"


def turtle(nodes: Sequence[Node]) -> str:
    """Return nodes as Turtle."""
    names = {**PREFIXES, "geo": GEO}
    lines = [f"@prefix {name}: <{iri}> ." for name, iri in sorted(names.items())]
    named, seen = [*nodes], set()
    text = []
    while named:
        node = named.pop(0)
        if (node.iri, tuple(name for name, _ in node.about)) in seen:
            continue
        seen.add((node.iri, tuple(name for name, _ in node.about)))
        parts = [f"    {_name(name)} {_turtle(value, named)}" for name, value in node.about]
        text.append(f"<{_escaped_iri(node.iri)}>\n" + " ;\n".join(parts) + " .")
    return "\n".join(lines) + "\n\n" + "\n\n".join(text) + "\n"


def json_ld(nodes: Sequence[Node]) -> str:
    """Return nodes as JSON-LD."""
    return json.dumps(
        {"@context": {**PREFIXES, "geo": GEO}, "@graph": [_json(node) for node in nodes]}, ensure_ascii=False, indent=1
    )


GEO = "http://www.opengis.net/ont/geosparql#"


def _distributions(url: str, one: Entry) -> Iterable[Node]:
    id, licence = one.line.id, LICENCE_IRIS[one.about["licence"]]
    for month in one.months:
        about = [
            ("dcat:byteSize", Literal(str(month.bytes), "", "xsd:nonNegativeInteger")),
            ("spdx:checksum", Node([
                ("a", Iri("spdx:Checksum")), ("spdx:algorithm", Node(
                    [("a", Iri("spdx:ChecksumAlgorithm"))], PREFIXES["spdx"] + "checksumAlgorithm_sha256")),
                ("spdx:checksumValue", Literal(month.sha256, "", "xsd:hexBinary")),
            ])),
            ("dct:issued", moment(month.made_at)),
        ]  # fmt: skip
        yield _distribution(url, id, month.month, month.format, licence, about)
    for open_month in one.open_months:
        for format in files.month_formats():
            yield _distribution(url, id, open_month, format, licence, [])
    yield _distribution(url, id, "latest", "geojson", licence, [])


def _distribution(url: str, id: str, name: str, format: str, licence: str, about: Sequence[tuple[str, Any]]) -> Node:
    address = f"{url}/data/{id}/{name}.{format}"
    titles = ("Dernières valeurs", "Newest values") if name == "latest" else (name, name)
    return Node(
        [
            ("a", Iri("dcat:Distribution")),
            ("dct:title", Literal(f"{titles[0]} ({format.upper()})", "fr")),
            ("dct:title", Literal(f"{titles[1]} ({format.upper()})", "en")),
            ("dcat:accessURL", Iri(address)),
            ("dcat:downloadURL", Iri(address)),
            ("dct:format", Node([("a", Iri("dct:MediaTypeOrExtent"))], FILE_TYPES[format])),
            ("dcat:mediaType", Node([("a", Iri("dct:MediaType"))], IANA + MEDIA[format])),
            ("dct:license", Iri(licence)),
            *about,
        ],
        f"{url}/data/{id}#{name}-{format}",
    )


def _publisher(url: str, publisher: Publisher) -> Node:
    about: list[tuple[str, Any]] = [("a", Iri("foaf:Organization")), ("a", Iri("foaf:Agent"))]
    about += [("foaf:name", Literal(publisher.name, "fr")), ("dct:type", Node(
        [("a", Iri("skos:Concept")), ("skos:prefLabel", Literal("Local authority", "en"))],
        "http://purl.org/adms/publishertype/LocalAuthority"))]  # fmt: skip
    if publisher.homepage:
        about.append(("foaf:homepage", Node([("a", Iri("foaf:Document"))], publisher.homepage)))
    return Node(about, f"{url}/data/catalog#publisher")


def _licence(code: str) -> Node:
    name, address = LICENCES[code]
    return Node(
        [
            ("a", Iri("dct:LicenseDocument")),
            ("dct:title", Literal(name, "fr")),
            ("foaf:page", Node([("a", Iri("foaf:Document"))], address)),
            ("dct:type", Node([("a", Iri("skos:Concept")), ("skos:prefLabel", Literal("Attribution", "en"))],
                              "http://purl.org/adms/licencetype/Attribution")),
        ],
        LICENCE_IRIS[code],
    )  # fmt: skip


def _pages(url: str, path: str, page: int, last: int, count: int) -> Node:
    def at(number: int) -> Iri:
        return Iri(f"{url}{path}?page={number}")

    about: list[tuple[str, Any]] = [
        ("a", Iri("hydra:PagedCollection")),
        ("a", Iri("hydra:PartialCollectionView")),
        ("hydra:totalItems", Literal(str(count), "", "xsd:integer")),
        ("hydra:itemsPerPage", Literal(str(PAGE), "", "xsd:integer")),
        *((name, at(1)) for name in ("hydra:first", "hydra:firstPage")),
        *((name, at(last)) for name in ("hydra:last", "hydra:lastPage")),
    ]
    if page < last:
        about += [(name, at(page + 1)) for name in ("hydra:next", "hydra:nextPage")]
    if page > 1:
        about += [(name, at(page - 1)) for name in ("hydra:previous", "hydra:previousPage")]
    return Node(about, at(page))


def _period(about: Mapping[str, Any], bounds: tuple[float, float] | None) -> Node:
    end = about["until"]
    calendar = Calendar.of(about)
    if end is None and bounds is not None:
        end = calendar.end(bounds[1])
    dates = [("dcat:startDate", about["since"]), ("dcat:endDate", end)]
    said = [(term, Literal(calendar.text(at), "", "xsd:dateTime")) for term, at in dates if at is not None]
    return Node([("a", Iri("dct:PeriodOfTime")), *said])


def _points(geometry: Any) -> Iterable[tuple[float, float]]:
    if not isinstance(geometry, dict):
        return
    waiting: list[Any] = [geometry.get("coordinates"), *(geometry.get("geometries") or [])]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting.append(one.get("coordinates"))
        elif isinstance(one, list) and len(one) >= 2 and all(isinstance(part, (int, float)) for part in one[:2]):
            yield float(one[0]), float(one[1])
        elif isinstance(one, list):
            waiting += one


def _name(name: str) -> str:
    return "a" if name == "a" else name


def _turtle(value: Any, named: list[Node]) -> str:
    if isinstance(value, Node) and value.iri:
        named.append(value)
        return f"<{_escaped_iri(value.iri)}>"
    if isinstance(value, Node):
        return "[ " + " ; ".join(f"{_name(name)} {_turtle(one, named)}" for name, one in value.about) + " ]"
    if isinstance(value, Iri):
        return value if value.partition(":")[0] in PREFIXES else f"<{_escaped_iri(value)}>"
    ending = f"@{value.lang}" if value.lang else f"^^{value.type}" if value.type else ""
    return json.dumps(value.text, ensure_ascii=False).replace("\x7f", "\\u007F") + ending


def _escaped_iri(text: str) -> str:
    return quote(text, safe="!#$%&'()*+,/:;=?@[]~-._")


def _json(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = {"@id": _escaped_iri(node.iri)} if node.iri else {}
    for name, value in node.about:
        if name == "a":
            found.setdefault("@type", []).append(str(value))
        else:
            found.setdefault(name, []).append(_json_value(value))
    return found


def _json_value(value: Any) -> Any:
    if isinstance(value, Node):
        return _json(value)
    if isinstance(value, Iri):
        return {"@id": value if value.partition(":")[0] in PREFIXES else _escaped_iri(value)}
    ending = {"@language": value.lang} if value.lang else {"@type": value.type} if value.type else {}
    return {"@value": value.text, **ending}
