"""The contract tests of integrations: a plugin that keeps its contract passes all, and each finds what breaks it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from _pytest.mark import ParameterSet

from hub.sdk.testing.contract import CONTRACT, ContractReport, check, examine
from tests.hub.sdk import acme_pump as acme
from tests.hub.sdk.acme_pump import Pump, good


@pytest.mark.parametrize("test", CONTRACT)
def test_a_plugin_that_keeps_its_contract_passes(test: str) -> None:
    verdict = asyncio.run(check(Pump(good), test))
    assert (verdict.outcome, verdict.problems) == ("passed", ())


TWINS: list[tuple[str, Callable[..., Any], str]] = [
    ("ids-stable", acme.another_id_each_time, "ids change over a restart"),
    ("nothing-left", acme.leaves_a_task, "it leaves the task"),
    ("nothing-left", acme.leaves_a_socket, "it leaves a socket"),
    ("nothing-left", acme.leaves_a_thread, "it leaves the thread acme"),
    ("outage-told-once", acme.tells_at_each_poll, "'the pump is away' "),
    ("outage-told-once", acme.tells_nobody, "it to notice"),
    ("outage-told-once", acme.never_comes_back, "the peer is back, and waited"),
    ("outage-told-once", acme.says_it_in_plain_text, "it is no phrase"),
    ("outage-told-once", acme.gives_up, "it raises AuthFailed"),
    ("outage-told-once", acme.tells_its_return_at_each_poll, "the return is told"),
    ("outage-told-once", acme.fails_instead, "it fails with OSError"),
    ("loop-free", acme.sleeps_on_the_loop, "holds the event loop for"),
    ("loop-free", acme.sleeps_here_and_there, "holds the event loop for"),
    ("units-valid", acme.reports_what_nobody_knows, "acme:1: unknown-metric furlongs"),
    ("units-valid", acme.reports_what_nobody_knows, "acme:1: implausible humidity"),
    ("secrets-redacted", acme.logs_its_options, "the log tells the secret number 1"),
    ("secrets-redacted", acme.says_it_in_an_error, "an error tells the secret number 1"),
    ("secrets-redacted", acme.hands_it_over, "what it hands to the hub tells the secret number 1"),
    ("flood-held-back", acme.acknowledges_too_soon, "that the hub could not keep yet"),
    ("flood-held-back", acme.a_task_for_each, "tasks under ten times the load"),
]


def cases() -> list[ParameterSet]:
    """The short run has the first twin of each contract test."""
    first = {test: twin for test, twin, _ in reversed(TWINS)}
    return [
        pytest.param(
            test,
            twin,
            said,
            id=f"{test}-{twin.__name__}-{n}",
            marks=[] if first[test] is twin else [pytest.mark.long("another twin of the same contract test")],
        )
        for n, (test, twin, said) in enumerate(TWINS)
    ]


AWAITED = {acme.tells_nobody, acme.never_comes_back}
"""Twins of which something is awaited that never comes: not for as long as on a busy machine."""


@pytest.mark.real("clock")
@pytest.mark.parametrize(("test", "twin", "said"), cases())
def test_a_broken_twin_fails(test: str, twin: Callable[..., Any], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.sdk.testing.contract.checks.LINGER_S", 0.3)
    world = Pump(twin)
    if twin in AWAITED:
        world.patience = 1.0
    verdict = examine(world, [test]).of(test)
    acme.let_go()
    assert verdict.outcome == "failed"
    assert any(said in one for one in verdict.problems), verdict.problems


def test_a_twin_without_texts_fails() -> None:
    (verdict,) = examine(Pump(good, acme.Forgotten), ["texts-complete"]).verdicts
    assert {one.partition(":")[0] for one in verdict.problems} >= {
        "the option Forgotten.mute has no help",
        "the help of Forgotten.speed has no French",
        "the help of the model Forgotten has no French",
        "the title of Forgotten.speed has no French",
    }


def test_a_twin_with_a_unit_that_is_none_fails() -> None:
    world = Pump(good)
    world.metrics = (acme.WRONG_UNIT,)
    report = examine(world, ["units-valid"])
    assert "furlong" in report.of("units-valid").problems[0]


def test_a_twin_whose_world_names_no_secret_fails() -> None:
    world = Pump(good)
    world.secrets = ()
    assert "looks like a secret" in examine(world, ["secrets-redacted"]).of("secrets-redacted").problems[0]


def test_the_report_is_data() -> None:
    world = Pump(good)
    world.exempt = {"flood-held-back": "nothing pushes"}
    report = examine(world, ["ids-stable", "flood-held-back"])
    read = msgspec.json.decode(report.json(), type=ContractReport)
    assert read == report
    assert report.passed
    assert [(one.test, one.outcome, one.why) for one in report.verdicts] == [
        ("ids-stable", "passed", ""),
        ("flood-held-back", "exempt", "nothing pushes"),
    ]
    with pytest.raises(KeyError):
        report.of("loop-free")
