"""Capabilities of map servers: which layers fit, at which addresses; anything else is refused by name."""

from __future__ import annotations

import re
from urllib.request import urlopen

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.city.wmts import capabilities
from backend.city.wmts.capabilities import read
from hub.core.errors import DecodeError

from .map_server import map_server

HEAD = (
    '<Capabilities xmlns="http://www.opengis.net/wmts/1.0" xmlns:ows="http://www.opengis.net/ows/1.1" '
    'xmlns:xlink="http://www.w3.org/1999/xlink" version="1.0.0">'
    "<ows:ServiceProvider><ows:ProviderName>IGN</ows:ProviderName></ows:ServiceProvider>"
)
GET = (
    '<ows:OperationsMetadata><ows:Operation name="GetTile"><ows:DCP><ows:HTTP>'
    '<ows:Get xlink:href="{href}"><ows:Constraint name="GetEncoding"><ows:AllowedValues><ows:Value>KVP</ows:Value>'
    "</ows:AllowedValues></ows:Constraint></ows:Get></ows:HTTP></ows:DCP></ows:Operation></ows:OperationsMetadata>"
)
LAYER = (
    "<Contents><Layer><ows:Title>Plan</ows:Title><ows:Identifier>PLAN V2</ows:Identifier>"
    '<Style isDefault="true"><ows:Identifier>normal</ows:Identifier></Style><Format>image/jpeg</Format>'
    "<Dimension><ows:Identifier>Time</ows:Identifier><Default>2026</Default></Dimension>"
    "<TileMatrixSetLink><TileMatrixSet>PM</TileMatrixSet>{limits}</TileMatrixSetLink>{resource}</Layer>"
    "<TileMatrixSet><ows:Identifier>PM</ows:Identifier><ows:SupportedCRS>EPSG:3857</ows:SupportedCRS>{matrices}"
    "</TileMatrixSet></Contents></Capabilities>"
)
MATRIX = (
    "<TileMatrix><ows:Identifier>{name}</ows:Identifier><ScaleDenominator>{scale}</ScaleDenominator>"
    "<TopLeftCorner>-20037508 20037508</TopLeftCorner><TileWidth>256</TileWidth><TileHeight>256</TileHeight>"
    "<MatrixWidth>{size}</MatrixWidth><MatrixHeight>{size}</MatrixHeight></TileMatrix>"
)
MATRICES = "".join(MATRIX.format(name=z, scale=559082264.0287178 / 2**z, size=2**z) for z in range(4))
LIMITS = (
    "<TileMatrixSetLimits><TileMatrixLimits><TileMatrix>3</TileMatrix><MinTileRow>2</MinTileRow><MaxTileRow>3</MaxTileRow>"
    "<MinTileCol>4</MinTileCol><MaxTileCol>99</MaxTileCol></TileMatrixLimits></TileMatrixSetLimits>"
)
TEMPLATE = (
    '<ResourceURL format="image/jpeg" resourceType="tile" '
    'template="https://x.example/{Style}/{Time}/{TileMatrixSet}/{TileMatrix}/{TileRow}/{TileCol}.jpeg"/>'
)


def document(*, get: str = "", limits: str = "", resource: str = "", matrices: str = MATRICES) -> bytes:
    middle = GET.replace("{href}", get) if get else ""
    layer = LAYER.replace("{limits}", limits).replace("{resource}", resource).replace("{matrices}", matrices)
    return (HEAD + middle + layer).encode()


@pytest.mark.parametrize(
    ("get", "begins"),
    [("https://x.example/wmts?", "https://x.example/wmts?SERVICE=WMTS&"),
     ("https://x.example/wmts", "https://x.example/wmts?SERVICE=WMTS&"),
     ("https://x.example/wmts?key=k", "https://x.example/wmts?key=k&SERVICE=WMTS&")],
)  # fmt: skip
def test_a_picture_is_asked_for_by_key_value_pairs(get: str, begins: str) -> None:
    (layer,) = read(document(get=get)).layers
    url = layer.url(3, 5, 2)
    assert url.startswith(begins)
    asked = (
        "LAYER=PLAN+V2", "STYLE=normal", "FORMAT=image%2Fjpeg", "TILEMATRIXSET=PM", "TILEMATRIX=3", "TILEROW=2",
        "TILECOL=5", "Time=2026", "VERSION=1.0.0", "REQUEST=GetTile",
    )  # fmt: skip
    assert set(asked) <= set(url.split("?")[1].split("&"))


def test_a_picture_is_asked_for_by_a_template_where_there_is_nothing_else() -> None:
    (layer,) = read(document(resource=TEMPLATE)).layers
    assert layer.url(3, 5, 2) == "https://x.example/normal/2026/PM/3/2/5.jpeg"
    assert read(document()).unfit == ("PLAN V2",)


def test_limits_of_a_layer_hold() -> None:
    (layer,) = read(document(get="https://x.example/", limits=LIMITS)).layers
    assert dict(layer.levels) == {3: capabilities.Level("3", 4, 2, 7, 3)}


@pytest.mark.parametrize(
    "other",
    ["<ScaleDenominator>1000</ScaleDenominator>", "<ScaleDenominator>-1</ScaleDenominator>",
     "<ScaleDenominator>inf</ScaleDenominator>", "<ScaleDenominator>1e-320</ScaleDenominator>"],
)  # fmt: skip
def test_a_matrix_of_another_scale_is_no_level(other: str) -> None:
    wrong = re.sub("<ScaleDenominator>[^<]*</ScaleDenominator>", other, MATRICES)
    assert read(document(get="https://x.example/", matrices=wrong)).unfit == ("PLAN V2",)


@pytest.mark.parametrize(
    "get", ["file:///etc/passwd?", "javascript:alert(1)?", "https://x.example/{more}?", "//x?", "https://[?"]
)
def test_an_address_that_is_none_of_http_is_not_asked(get: str) -> None:
    assert read(document(get=get)).layers == ()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no-xml"),
        (b"<html><p>404</html>", "no-xml"),
        (b"<ExceptionReport/>", "no-wmts"),
        (b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "doctype"),
        (b"<a>" * 100 + b"</a>" * 100, "too-deep"),
        (b"<a>" + b"<b/>" * 1_000_001 + b"</a>", "too-deep"),
        (b" " * (32 << 20) + b" ", "too-large"),
    ],
)
def test_what_is_no_such_document_is_refused_by_name(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as error:
        read(data)
    assert error.value.reason == reason


def test_entities_of_another_encoding_become_nothing_large() -> None:
    names = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "aaaaaaaaaa"}">' for n in range(12))
    text = f'<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [{names}]><a>&a11;</a>'
    with pytest.raises(DecodeError):
        read(text.encode("utf-16"))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    with map_server(tmp_path_factory.mktemp("map")) as server:
        url = f"{server.url}?SERVICE=WMTS&REQUEST=GetCapabilities&VERSION=1.0.0"
        with urlopen(url, timeout=30) as answer:
            return bytes(answer.read())


@pytest.mark.real("network")
@settings(max_examples=100)
@given(data=st.data())
def test_a_damaged_document_is_read_or_refused(real: bytes, data: st.DataObject) -> None:
    damaged = bytearray(data.draw(st.sampled_from([real, document(get="https://x.example/", limits=LIMITS)])))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=12))
    try:
        found = read(bytes(damaged))
    except DecodeError:
        return
    for layer in found.layers:
        for zoom in layer.levels:
            assert layer.url(zoom, 0, 0).startswith("http")
