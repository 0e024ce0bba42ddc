"""What came of the contract tests, as data: for a page, for `ilot certify`, for a file."""

from __future__ import annotations

from typing import Literal

import msgspec

Outcome = Literal["passed", "failed", "exempt"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one contract `test`: its `outcome`, the `problems` in sentences, each of which can be mended, and of
    one that is exempt the reason `why`."""

    test: str
    outcome: Outcome
    problems: tuple[str, ...] = ()
    why: str = ""


class ContractReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of all contract tests of one `integration`, whose module is `module`: its `verdicts`."""

    integration: str
    module: str
    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> bool:
        """Whether no test failed."""
        return all(one.outcome != "failed" for one in self.verdicts)

    def of(self, test: str) -> Verdict:
        """The verdict of one test. Raises KeyError where it was not made."""
        for one in self.verdicts:
            if one.test == test:
                return one
        raise KeyError(test)

    def told(self) -> str:
        """What is to be mended, a line each; "" where all is well."""
        return "\n".join(f"{self.integration}, {one.test}: {said}" for one in self.verdicts for said in one.problems)

    def json(self) -> bytes:
        """As JSON, for a file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)
