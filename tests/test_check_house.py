"""Each thing that a new page, option, metric, error or plugin lacks is named with its file and what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import Field

import hub.web.areas
from hub.config.model import Core
from hub.core import metric_catalogue
from hub.core.model import Metric
from hub.page_kit.menu import Entry

from .test_house import ROOT, tool


@pytest.fixture
def house() -> ModuleType:
    return tool("check_house")


@pytest.fixture
def elsewhere(house: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Write files of another house, and look at that one from now on."""

    def write(**files: str) -> None:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    monkeypatch.setattr(house, "ROOT", tmp_path)
    return write


POINTS = '[project.entry-points."hub.plugins"]\nacme = "integrations.acme"\n'


def only(found: Iterable[str], *parts: str) -> None:
    """One thing is found, and its line says all of these."""
    (line,) = found
    assert [part for part in parts if part not in line] == [], line


def test_this_house_names_no_integration_but_where_a_reason_is_given(house: ModuleType) -> None:
    assert list(house.named()) == []
    assert [place for place, one in house.NAMED.items() if not (ROOT / place).exists() or not one.why] == []


@pytest.mark.parametrize("text", ['KINDS = {"acme": 1}', "def read_acme(): ...", 'x = f"{y} on Acme"', "import acme.x"])
def test_a_plugin_that_the_core_names_is_found_and_its_docstrings_may(
    house: ModuleType, elsewhere: Callable[..., None], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(house, "NAMED", {})
    elsewhere(pyproject_dot_toml=POINTS, hub__pipeline__x_dot_py='"""As acme does."""\n# acme\n')
    assert list(house.named()) == []
    elsewhere(hub__pipeline__x_dot_py=f'"""As acme does."""\n{text}\n')
    only(house.named(), "hub/pipeline/x.py:2", "acme", "registration")


def test_an_exception_that_nobody_needs_any_more_is_found(
    house: ModuleType, elsewhere: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house, "NAMED", {"hub/x.py": house._may("acme", "why")})
    elsewhere(pyproject_dot_toml=POINTS, hub__x_dot_py="")
    only(house.named(), "tools/check_house.py", "hub/x.py", "acme")


def test_what_a_plugin_lacks_is_named(house: ModuleType, elsewhere: Callable[..., None]) -> None:
    elsewhere(pyproject_dot_toml=POINTS)
    only(house.plugins(), "pyproject.toml", "integrations/acme/__init__.py")
    package = house.ROOT / "integrations/acme/__init__.py"
    package.parent.mkdir(parents=True, exist_ok=True)
    package.touch()
    found = "\n".join(house.plugins())
    assert "not installed in this environment: run `make setup`" in found
    assert "tests/integrations/acme: no test imports" in found
    assert "integrations/acme/reasons.py: missing" in found
    (house.ROOT / "plugins/lonely").mkdir(parents=True)
    (house.ROOT / "plugins/lonely/__init__.py").touch()
    assert "pyproject.toml: nothing leads to plugins/lonely" in "\n".join(house.plugins())


def test_an_option_that_the_example_does_not_show_is_named_and_written(
    house: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    import example_config

    assert list(house.example(write=False)) == []
    copy = tmp_path / "config.example.yaml"
    copy.write_text(example_config.EXAMPLE.read_text())
    monkeypatch.setattr(example_config, "EXAMPLE", copy)
    model = next(kind for _, kind in example_config.children(Core.model_fields["web"].annotation))
    fields = dict(model.model_fields)
    fields["patience"] = Field(default=timedelta(seconds=30), description="How long a page may take.")
    fields["patience"].annotation = timedelta
    monkeypatch.setattr(model, "__pydantic_fields__", fields)
    only(house.example(write=False), "config.example.yaml", "web.patience", "make docs")
    assert list(house.example(write=True)) == []
    assert "  # patience: 30s # How long a page may take\n" in copy.read_text()


def test_a_metric_without_a_name_a_unit_or_a_class_is_named(house: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(house.metrics()) == []
    poor = Metric(key="hum", unit="", resolution="1", privacy="secret")
    monkeypatch.setattr(metric_catalogue, "METRICS", {**metric_catalogue.METRICS, "hum": poor})
    found = list(house.metrics())
    assert all("hub/core/metric_catalogue.py: metric 'hum'" in one for one in found)
    assert [one.partition("'hum' ")[2].partition(":")[0] for one in found] == [
        "has no name", "has no unit", "has no privacy class",
    ]  # fmt: skip


def test_no_page_lacks_anything(house: ModuleType) -> None:
    assert list(house.pages()) == []


def test_what_a_page_lacks_is_named(
    house: ModuleType, elsewhere: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere(
        hub__web__areas__tide_dot_py='site.page("tide", visit)\n',
        hub__web__templates__x_dot_html='{{ _("tide-none") }}',
    )
    monkeypatch.setattr(hub.web.areas, "MENU", (Entry("tide", "/tide", "group-field"),))
    found = "\n".join(house.pages())
    assert "hub/web/areas/tide.py: shows the template 'tide': write hub/web/templates/tide.html" in found
    assert "hub/web/templates/x.html: says 'tide-none', which no file of hub/web/words has" in found
    assert "hub/web/words: the menu says 'tide', which is no word: add it" in found
    assert "tests/hub/web: no test opens /tide" in found


def test_an_error_without_words_is_named(house: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.contracts import test_reasons, test_troubles

    found = test_reasons.Found("burst-pipe", "integrations/modbus/decode.py:7")
    monkeypatch.setattr(test_reasons, "FOLDERS", ["modbus"])
    monkeypatch.setattr(test_reasons, "integration", lambda folder: (found,))
    monkeypatch.setattr(test_reasons, "core", lambda: (found._replace(where="hub/pipeline/plan.py:9"),))
    monkeypatch.setattr(test_troubles, "sentences", lambda: iter([("plugins/https/__init__.py:3", "it hums in {}")]))
    monkeypatch.setattr(test_troubles, "outcomes", lambda: iter(()))
    first, second, third = house.errors()
    assert "integrations/modbus/decode.py:7: reason 'burst-pipe' has no words" in first
    assert "integrations/modbus/reasons.py" in first
    assert "hub/pipeline/plan.py:9" in second
    assert "plugins/https/__init__.py:3: 'it hums in {}' has no code" in third


def test_whoever_reads_a_configuration_by_itself_is_named(house: ModuleType, elsewhere: Callable[..., None]) -> None:
    assert list(house.opening()) == []
    text = "from hub.config.load import Loaded, load\nfrom hub.plugin_host.plugin_types import installed_models\n"
    elsewhere(
        hub__cli__look_dot_py=text + "empty = Models()\n",
        hub__plugin_host__opening_dot_py=text,
        hub__cli__right_dot_py="from hub.config.load import Loaded\nfrom json import load\n",
    )
    said = [line.partition(": hub/plugin_host/opening.py opens")[0] for line in house.opening()]
    assert said == ["hub/cli/look.py:1: load", "hub/cli/look.py:2: installed_models", "hub/cli/look.py:3: Models"]


def test_the_check_fails_with_one_line_for_each(
    house: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("plugins", "named", "metrics", "pages", "errors", "opening"):
        monkeypatch.setattr(house, part, lambda: iter(()))
    monkeypatch.setattr(house, "example", lambda write: iter(["a: lacks b", "c: lacks d"]))
    assert house.main([]) == 1
    said = capsys.readouterr()
    assert (said.err, said.out) == ("a: lacks b\nc: lacks d\n", "house: 2 things lack\n")
    assert house.main(["--what"]) == 2
    monkeypatch.setattr(house, "example", lambda write: iter(()))
    assert house.main([]) == 0
