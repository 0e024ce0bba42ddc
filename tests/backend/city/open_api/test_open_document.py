"""The document of the open API, as an independent checker reads it, and the API as it is described there."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from backend.city.open_api.document import document

DOCUMENT = Path(__file__).parents[4] / "docs" / "reference" / "city-openapi.json"


def test_an_independent_validator_finds_the_document_right() -> None:
    validators = pytest.importorskip("openapi_spec_validator")
    written = json.loads(DOCUMENT.read_text())
    validators.validate(written, cls=validators.OpenAPIV31SpecValidator)
    assert written == document(version("ilot"))
    written["paths"]["/sta/v1.1/Things"]["get"]["parameters"][0]["in"] = "nowhere"
    assert list(validators.OpenAPIV31SpecValidator(written).iter_errors())


@pytest.mark.real("network")
async def test_each_path_of_the_document_is_answered_as_it_says(client: Any) -> None:
    async with client.get("/open/openapi.json") as reply:
        told = await reply.json()
    answered = 0
    for path, operations in told["paths"].items():
        if path.startswith("/spaces/"):
            continue  # with a provider's key: see test_provider_spaces
        if "get" not in operations or ("{id}" in path and "Observations" not in path and "Things" not in path):
            continue
        url = path.replace("('{id}')", "('1-1800000000000')").replace("{id}", "1")
        for parameter in operations["get"]["parameters"]:
            if parameter.get("required") and parameter["in"] == "query":
                values = {"series": "1", "from": "2027-01-15T00:00:00Z", "to": "2027-01-16T00:00:00Z"}
                url += ("&" if "?" in url else "?") + f"{parameter['name']}={values[parameter['name']]}"
        for form in operations["get"]["responses"]["200"]["content"]:
            async with client.get(url, headers={"Accept": form}) as reply:
                assert (reply.status, reply.content_type) == (200, form), url
                answered += 1
                body = await reply.read()
        schema = operations["get"]["responses"]["200"]["content"].get("application/json", {}).get("schema", {})
        if "$ref" in schema:
            described = told["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]
            assert set(json.loads(body)) == set(described), url
    assert answered > 20
