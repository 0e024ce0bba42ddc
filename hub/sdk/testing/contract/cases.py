"""The contract tests as a class of tests, for pytest or unittest's like."""

from __future__ import annotations

from hub.sdk.testing.contract.suite import examine
from hub.sdk.testing.contract.world import World


class ContractTests:
    """Subclass it and name the world: each contract test is a test then.

    class TestAcme(ContractTests):
        world = AcmeWorld
    """

    world: type[World]

    def keeps(self, test: str) -> None:
        """Make one contract test. Raises AssertionError with what is to be mended."""
        report = examine(self.world(), [test])
        if not report.passed:
            raise AssertionError(report.told())

    def test_texts_complete(self) -> None:
        """Options, reasons, metrics and sentences are there in English and French."""
        self.keeps("texts-complete")

    def test_ids_stable(self) -> None:
        """The devices of a second run have the ids of the first."""
        self.keeps("ids-stable")

    def test_nothing_left(self) -> None:
        """Cancelled at any moment, it leaves no task, socket, thread or process."""
        self.keeps("nothing-left")

    def test_outage_told_once(self) -> None:
        """An unreachable peer is told once, and its return once."""
        self.keeps("outage-told-once")

    def test_loop_free(self) -> None:
        """It holds the event loop for 50 ms at most."""
        self.keeps("loop-free")

    def test_units_valid(self) -> None:
        """What it reports is in the catalogue, in its unit, and plausible."""
        self.keeps("units-valid")

    def test_secrets_redacted(self) -> None:
        """No secret among the options stands in a log, an error, or what it hands to the hub."""
        self.keeps("secrets-redacted")

    def test_flood_held_back(self) -> None:
        """Ten times the load waits, and nothing is lost that was acknowledged."""
        self.keeps("flood-held-back")
