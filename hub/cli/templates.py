"""The files of a vendor's own integration: a distribution that is right as it stands, with no setting. Pure."""

from __future__ import annotations

from hub.cli import new_parts

_PROJECT = """\
[build-system]
requires = ["setuptools>=80"]
build-backend = "setuptools.build_meta"

[project]
name = "ilot-{words}"
version = "0.1.0"
description = "{title} for Îlot"
readme = "README.md"
license = "Apache-2.0" # yours
requires-python = ">=3.11"
# Of the hub's own packages none: the hub brings `hub`, msgspec and pydantic.
dependencies = []

[project.optional-dependencies]
dev = ["ilot-sdk[dev]"]

[project.entry-points."hub.plugins"]
{name} = "{name}"

[tool.setuptools]
packages = ["{name}"]

[tool.setuptools.package-data]
{name} = ["ilot-plugin.yaml", "py.typed", "locale/*/LC_MESSAGES/*.mo"]
"""

_CONTRACT = '''\
"""{title}: what holds for every integration, by the contract tests of the kit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hub
import pytest
from hub.sdk.testing import FakeSession, Reply
from hub.sdk.testing.contract import CONTRACT, World, examine

URL = "http://192.0.2.50/"


class Server(World):
    """A server that answers, goes away and comes back."""

    module = "{name}"

    def options(self) -> dict[str, Any]:
        return {{"url": URL}}

    def devices(self) -> Sequence[hub.Device]:
        return [hub.Device(id="{scheme}:42", integration="{name}", place="room-1")]

    def prepare(self, session: FakeSession) -> None:
        answer = b'{{"id": 42, "t": 215}}'
        session.http.replies["GET", URL] = Reply(200, {{}}, answer)

    async def away(self, session: FakeSession) -> None:
        session.http.replies.clear()

    async def back(self, session: FakeSession) -> None:
        self.prepare(session)


@pytest.mark.parametrize("test", CONTRACT)
def test_it_keeps_the_contract(test: str) -> None:
    (verdict,) = examine(Server(), [test]).verdicts
    assert verdict.problems == ()
'''

_MANIFEST = """\
# What this plugin is and what it may do. The hub holds it to that, and shows it before
# the plugin is installed. An upgrade that wants more waits for a person.
id: {name}
version: "0.1.0"
api: {{from: 1, to: 1}}
owner: Your company, your city
security_contact: security@example.org
vendor_country: FR
languages: [en, fr]
end_of_support: 2031-12-31
permissions:
  hosts: [configured]           # those that the operator writes in the options
  device_schemes: [{scheme}]
  data_classes: [environment]   # as the catalogue of metrics says of `temperature`
"""

_CI = """\
# Install as somebody else would, and everything that a reviewer asks for.
name: check
on: [push, pull_request]
jobs:
  check:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        python: ["3.11", "3.13"]
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: ${{{{ matrix.python }}}}
      # The SDK is a file: keep it in `wheels/`, or take it from your own index.
      - run: python -m pip install --find-links wheels --editable ".[dev]"
      - run: ilot texts {name}
      - run: pytest
      - run: mypy --strict .
      - run: ruff check
      - run: ruff format --check
"""

_WORK = """
## Work on it

With the SDK of Îlot in `wheels/`:

```sh
python3 -m venv .venv
. .venv/bin/activate
pip install --find-links wheels --editable ".[dev]"
ilot texts {name}
pytest
mypy --strict .
ruff check
ruff format --check
```

`ilot texts` compiles the French of `{name}/locale`. What the plugin may do stands in
`{name}/ilot-plugin.yaml`.
"""

_IGNORED = """\
.venv/
build/
wheels/
__pycache__/
*.egg-info/
.hypothesis/
.mypy_cache/
.pytest_cache/
.ruff_cache/
"""


def folder(name: str) -> str:
    """Return the folder of the distribution. It is not called as the module, which it would hide from whoever works
    beside it."""
    return f"ilot-{name.replace('_', '-')}"


def vendor(name: str) -> dict[str, str]:
    """Text by path, for a vendor's distribution with the integration that is the Python package `name`."""
    words = new_parts.named(name, name)
    return new_parts.package(name, words) | {
        f"{name}/py.typed": "",
        f"{name}/ilot-plugin.yaml": _MANIFEST.format(**words),
        f"tests/test_{name}.py": new_parts.integration_test(words),
        "tests/test_contract.py": _CONTRACT.format(**words),
        ".github/workflows/check.yml": _CI.format(**words),
        ".gitignore": _IGNORED,
        "README.md": (new_parts.README.replace("{title}", "{title} for Îlot", 1) + _WORK).format(**words),
        "pyproject.toml": _PROJECT.format(**words),
    }
