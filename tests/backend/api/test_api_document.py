"""The document of the operator's API, as independent checkers read it, and the API as they hold it to the document."""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from backend.api.openapi import document
from backend.api.operations import OPERATIONS

from ..api_kit import Office

DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "openapi.json"


def test_an_independent_validator_finds_the_document_right() -> None:
    validators = pytest.importorskip("openapi_spec_validator")
    written = json.loads(DOCUMENT.read_text())
    validators.validate(written, cls=validators.OpenAPIV31SpecValidator)
    assert written == document(version("ilot"))
    wrong = json.loads(DOCUMENT.read_text())
    del wrong["paths"]["/v1/hubs"]["get"]["responses"]
    wrong["paths"]["/v1/hubs"]["get"]["parameters"][0]["in"] = "nowhere"
    assert list(validators.OpenAPIV31SpecValidator(wrong).iter_errors())


def test_the_document_has_each_operation_and_refers_to_nothing_that_it_lacks() -> None:
    made = document("1.0")
    assert sum(len(of) for of in made["paths"].values()) == len(OPERATIONS)
    for reference in set(json.dumps(made).split('"#/components/schemas/')[1:]):
        assert reference.partition('"')[0] in made["components"]["schemas"]


@pytest.mark.long("twenty seconds of made-up questions")
async def test_no_question_that_a_machine_makes_up_gets_what_the_document_does_not_say(tmp_path: Path) -> None:
    pytest.importorskip("schemathesis")
    office = Office(tmp_path / "owner")
    office.fill()
    # What asks the process that answers hubs, and what never ends, is tried elsewhere. A cursor, a moment and a
    # zone may be of the right form and none all the same.
    left_out = [f"--exclude-operation-id={name}" for name in ("stats", "wanted_post", "events")]
    async with office.serving():
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "schemathesis.cli", "run", str(DOCUMENT), f"--url={office.client.make_url('/')}",
            f"--header=Authorization: Bearer {office.owner.api_token}", *left_out, "--max-examples=30",
            "--generation-deterministic", "--phases=examples,coverage,fuzzing", "--continue-on-failure", "--no-color",
            "--exclude-checks=positive_data_acceptance", "--suppress-health-check=all",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said = (await running.communicate())[0].decode()
    office.close()
    assert running.returncode == 0, said
    assert "Tested: 16" in said
