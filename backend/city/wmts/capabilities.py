"""Capabilities of a map server: layers that can lie below the map. Pure.

OGC 07-057r7, Web Map Tile Service 1.0.0: clauses 6.1 (tile matrices), 7.1 (capabilities), 8.2 (GetTile by key-value
pairs), 10.2 (addresses by template). A layer fits when it has pictures of 256 pixels in the Web Mercator projection
(EPSG:3857), whose scale at zoom z is 559,082,264.0287178 / 2^z, its upper left corner at -20,037,508.34 m east and
20,037,508.34 m north.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from backend.city.pages.ground import DEEPEST, KINDS
from hub.core.errors import DecodeError
from hub.core.text import phrase

MOST_BYTES, MOST_DEPTH, MOST_ELEMENTS = 32 << 20, 64, 1_000_000
SCALE_0, CORNER_M = 559_082_264.0287178, 20_037_508.342789244
FORMATS = tuple(KINDS.values())
_WMTS, _OWS, _LINK = (
    "{http://www.opengis.net/wmts/1.0}",
    "{http://www.opengis.net/ows/1.1}",
    "{http://www.w3.org/1999/xlink}",
)
_MERCATOR = re.compile(r"EPSG:[\d.]*:?(3857|900913)$")


class Level(NamedTuple):
    """A zoom of a layer: the identifier of its tile matrix; first and last column and row."""

    matrix: str
    left: int
    top: int
    right: int
    bottom: int


class Layer(NamedTuple):
    """Pictures in the Web Mercator projection. `address` is a template with {TileMatrix}, {TileRow}, {TileCol}."""

    name: str
    title: str
    format: str
    address: str
    levels: Mapping[int, Level]

    def url(self, zoom: int, x: int, y: int) -> str:
        """Return the address of a picture. Raises KeyError for a zoom that the layer lacks."""
        values = {"{TileMatrix}": quote(self.levels[zoom].matrix, safe=""), "{TileRow}": str(y), "{TileCol}": str(x)}
        found = self.address
        for name, value in values.items():
            found = found.replace(name, value)
        return found


class Service(NamedTuple):
    """A map server: what it calls its provider, layers that fit, names of those that do not."""

    provider: str
    layers: tuple[Layer, ...]
    unfit: tuple[str, ...]


def read(data: bytes) -> Service:
    """Return the service that a capabilities document describes. Raises DecodeError."""
    root = _tree(data)
    if root.tag != f"{_WMTS}Capabilities":
        raise DecodeError("no-wmts", phrase("wmts-other-document", "it is no capabilities document of a WMTS 1.0.0"))
    matrices = dict(_matrices(root))
    get = _get_tile(root)
    layers, unfit = [], []
    for one in root.iterfind(f"{_WMTS}Contents/{_WMTS}Layer"):
        found = _layer(one, matrices, get)
        if found is not None:
            layers.append(found)
        elif name := _text(one, f"{_OWS}Identifier"):
            unfit.append(name)
    provider = _text(root, f"{_OWS}ServiceProvider/{_OWS}ProviderName") or _text(
        root, f"{_OWS}ServiceIdentification/{_OWS}Title"
    )
    return Service(provider, tuple(layers), tuple(unfit))


def _tree(data: bytes) -> Element:
    if len(data) > MOST_BYTES:
        raise DecodeError("too-large", phrase("wmts-too-large", "it is longer than {most} bytes", most=MOST_BYTES))
    if b"<!DOCTYPE" in data:  # of WMTS none has one; expat itself bounds what entities become
        raise DecodeError("doctype", phrase("wmts-doctype", "it defines a document type, which no such document does"))
    parser: ElementTree.XMLPullParser[Element] = ElementTree.XMLPullParser(("start", "end"))
    depth = elements = 0
    root: Element | None = None
    try:
        for at in range(0, len(data), 65_536):
            parser.feed(data[at : at + 65_536])
            for event, one in cast(Iterator[tuple[str, Element]], parser.read_events()):
                root = one if root is None else root
                depth += 1 if event == "start" else -1
                elements += event == "start"
                if depth > MOST_DEPTH or elements > MOST_ELEMENTS:
                    raise DecodeError("too-deep", phrase("wmts-too-deep", "it has too many elements, or too deep ones"))
        parser.close()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise DecodeError("no-xml", phrase("wmts-no-xml", "it is no XML: {reason}", reason=str(error))) from error
    if root is None:
        raise DecodeError("no-xml", phrase("wmts-empty", "it is empty"))
    return root


def _matrices(root: Element) -> Iterator[tuple[str, dict[int, Level]]]:
    """Sets of tile matrices in the Web Mercator projection: name, levels by zoom."""
    for one in root.iterfind(f"{_WMTS}Contents/{_WMTS}TileMatrixSet"):
        name = _text(one, f"{_OWS}Identifier")
        if name and _MERCATOR.search(_text(one, f"{_OWS}SupportedCRS")):
            yield name, dict(filter(None, map(_level, one.iterfind(f"{_WMTS}TileMatrix"))))


def _level(matrix: Element) -> tuple[int, Level] | None:
    name, corner = _text(matrix, f"{_OWS}Identifier"), _text(matrix, f"{_WMTS}TopLeftCorner").split()
    scale = _number(_text(matrix, f"{_WMTS}ScaleDenominator"))
    sizes = [_number(_text(matrix, f"{_WMTS}{key}")) for key in ("TileWidth", "TileHeight")]
    if not name or len(corner) != 2 or not 1 <= scale <= 1e9 or sizes != [256, 256]:
        return None
    zoom = round(math.log2(SCALE_0 / scale))
    west, north = map(_number, corner)
    there = abs(west + CORNER_M) < 2 and abs(north - CORNER_M) < 2
    if not there or not 0 <= zoom <= DEEPEST or abs(scale * 2**zoom / SCALE_0 - 1) > 1e-3:
        return None
    last = (1 << zoom) - 1
    return zoom, Level(name, 0, 0, last, last)


def _layer(layer: Element, matrices: Mapping[str, dict[int, Level]], get: str) -> Layer | None:
    name = _text(layer, f"{_OWS}Identifier")
    offered = [(one.text or "").strip() for one in layer.iterfind(f"{_WMTS}Format")]
    kind = next((one for one in FORMATS if one in offered), "")
    links = layer.iterfind(f"{_WMTS}TileMatrixSetLink")
    link = next((one for one in links if matrices.get(_text(one, f"{_WMTS}TileMatrixSet"))), None)
    if not name or not kind or link is None:
        return None
    where = _text(link, f"{_WMTS}TileMatrixSet")
    levels = _limited(matrices[where], link)
    styles = {
        _text(one, f"{_OWS}Identifier"): one.get("isDefault") in ("true", "1")
        for one in layer.iterfind(f"{_WMTS}Style")
    }
    style = next((one for one, default in styles.items() if default), next(iter(styles), ""))
    fixed = {
        _text(one, f"{_OWS}Identifier"): _text(one, f"{_WMTS}Default") for one in layer.iterfind(f"{_WMTS}Dimension")
    }
    template = next(
        (
            one.get("template", "") for one in layer.iterfind(f"{_WMTS}ResourceURL")
            if one.get("resourceType") == "tile" and one.get("format") == kind
        ), "",
    )  # fmt: skip
    if get:
        asked = {
            "SERVICE": "WMTS", "REQUEST": "GetTile", "VERSION": "1.0.0", "LAYER": name, "STYLE": style, "FORMAT": kind,
            "TILEMATRIXSET": where, **fixed,
        }  # fmt: skip
        joint = "" if get.endswith(("?", "&")) else "&" if "?" in get else "?"
        address = f"{get}{joint}{urlencode(asked)}&TILEMATRIX={{TileMatrix}}&TILEROW={{TileRow}}&TILECOL={{TileCol}}"
    else:
        address = template
        for key, value in {"TileMatrixSet": where, "Style": style, "style": style, **fixed}.items():
            address = address.replace(f"{{{key}}}", quote(value, safe=""))
    if not levels or not _plain(address):
        return None
    return Layer(name, _text(layer, f"{_OWS}Title") or name, kind, address, levels)


def _limited(levels: Mapping[int, Level], link: Element) -> dict[int, Level]:
    """Levels within the limits that a layer sets, if it sets any."""
    limits = {}
    for one in link.iterfind(f"{_WMTS}TileMatrixSetLimits/{_WMTS}TileMatrixLimits"):
        keys = ("MinTileCol", "MinTileRow", "MaxTileCol", "MaxTileRow")
        found = [_number(_text(one, f"{_WMTS}{key}")) for key in keys]
        if all(math.isfinite(value) for value in found):
            limits[_text(one, f"{_WMTS}TileMatrix")] = [int(value) for value in found]
    if not limits:
        return dict(levels)
    kept = {}
    for zoom, level in levels.items():
        if level.matrix in limits:
            left, top, right, bottom = limits[level.matrix]
            kept[zoom] = Level(
                level.matrix, max(0, left), max(0, top), min(level.right, right), min(level.bottom, bottom)
            )
    return kept


def _get_tile(root: Element) -> str:
    """The address of GetTile by key-value pairs; "" where the service answers templates alone."""
    for one in root.iterfind(
        f"{_OWS}OperationsMetadata/{_OWS}Operation[@name='GetTile']/{_OWS}DCP/{_OWS}HTTP/{_OWS}Get"
    ):
        ways = {
            (value.text or "").strip().upper()
            for part in one.iterfind(f"{_OWS}Constraint")
            for value in part.iter(f"{_OWS}Value")
        }
        if not ways or "KVP" in ways:
            return one.get(f"{_LINK}href", "")
    return ""


def _plain(address: str) -> bool:
    """Whether an address can be asked for: HTTP, with all three places of a tile, and none that is not known."""
    if not all(one in address for one in ("{TileMatrix}", "{TileRow}", "{TileCol}")):
        return False
    whole = re.sub(r"\{(TileMatrix|TileRow|TileCol)\}", "0", address)
    try:
        parts = urlsplit(whole)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "{" not in whole


def _text(one: Element, path: str) -> str:
    found = one.find(path)
    return "" if found is None or found.text is None else found.text.strip()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
