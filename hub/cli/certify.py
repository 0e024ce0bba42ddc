"""`ilot certify`: examines a vendor's plugin or pack by rules that a machine can judge, and signs the result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from hub.cli import output
from hub.cli.signing import loaded_keys
from hub.core.disk.atomic_files import write_atomically
from hub.core.errors import AuthFailed, StorageError
from hub.core.text import phrase, system_error

if TYPE_CHECKING:
    from hub.operations.certification.report import Judged, Report

_PATH = click.Path(path_type=Path, exists=True)


@click.command()
@click.argument("path", type=_PATH)
@click.option("--tests", type=_PATH, default=None, help="Its tests: a directory, or the file of its World.")
@click.option("--key", "keys", type=_PATH, multiple=True, help="A key that signs the report: `ilot release key`.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=None, help="The signed report.")
@click.option(
    "--public", "public", multiple=True, metavar="HEX", help="PATH is a signed report: verify it by this public key."
)
@click.option("--rules", "show_rules", is_flag=True, help="List the rules that hold for PATH; examine nothing.")
@output.as_json
def certify(
    path: Path,
    tests: Path | None,
    keys: tuple[Path, ...],
    out: Path | None,
    public: tuple[str, ...],
    show_rules: bool,
    json: bool,
) -> None:
    """Examine the plugin or pack in the directory PATH, and say whether it is certified.

    Its tests and the contract tests of the kit run, with your rights: certify what you trust, or on a machine for that.
    It takes some minutes. Exit code 6 when it is not certified.
    """
    from hub.operations.certification import rules
    from hub.operations.certification.project import read_project

    if public:
        _verified(path, public, json=json)
        return
    if out is not None and not keys:
        raise click.UsageError(phrase("report-needs-key", "a signed report needs a key: --key"))
    project = read_project(path, tests)
    if show_rules:
        asked = rules.rules_of(project.kind)
        if json:
            output.data([{"rule": one.name, "asks": one.asks} for one in asked])
        else:
            output.table(("rule", "asks"), [(one.name, output.translated(one.asks)) for one in asked])
        return
    signers = loaded_keys(keys) if keys else []
    from hub.operations.certification.examination import examine

    report = examine(project, (lambda _: None) if json else _Teller().tell)
    if signers:
        from hub.operations.certification.report import sign

        _write(out or Path(f"{report.name}-{report.version or 'pack'}.ilot-certificate"), sign(report, signers))
    _end(report, json=json)


def _verified(path: Path, public: tuple[str, ...], *, json: bool) -> None:
    from hub.operations.certification.report import MOST_BYTES, verify
    from hub.protocol.documents.signed_payload import SigningKeys

    try:
        keys = SigningKeys(tuple(map(bytes.fromhex, public)))
    except ValueError:
        raise AuthFailed(phrase("public-key-not-hex", "a public key is 64 hexadecimal digits")) from None
    with path.open("rb") as file:
        report = verify(file.read(MOST_BYTES + 1), keys)
    if not json:
        teller = _Teller()
        for one in report.judged:
            teller.tell(one)
    _end(report, json=json)


class _Teller:
    """Says what came of each rule, as soon as it is known. What stands in the way of many is said in full once."""

    def __init__(self) -> None:
        self._said: tuple[str, ...] = ()

    def tell(self, one: Judged) -> None:
        outcome = output.word("certify", one.outcome)
        output.echo(phrase("rule-judged", "{outcome}  {rule}: {asks}", outcome=outcome, rule=one.rule, asks=one.asks))
        if one.problems and one.problems == self._said:
            output.echo(phrase("rule-problem-again", "    as above"))
        else:
            for problem in one.problems:
                output.echo(phrase("rule-problem", "    {problem}", problem=problem))
        self._said = one.problems
        if one.why:
            output.echo(phrase("rule-problem", "    {problem}", problem=one.why))


def _end(report: Report, *, json: bool) -> None:
    if json:
        output.data({**msgspec.structs.asdict(report), "certified": report.certified})
    else:
        about = {"name": report.name, "version": report.version, "digest": report.digest[:16], "rules": report.rules}
        output.echo(
            phrase("is-certified", "{name} {version} is certified, by version {rules} of the rules: {digest}…", **about)
            if report.certified
            else phrase("is-not-certified", "{name} {version} is not certified: {digest}…", **about)
        )
    if not report.certified:
        raise click.exceptions.Exit(6)


def _write(file: Path, document: bytes) -> None:
    try:
        write_atomically(file, document)
    except OSError as error:
        raise StorageError(
            phrase("report-not-written", "{file} cannot be written: {reason}", file=file, reason=system_error(error))
        ) from error
    output.say(phrase("report-is-signed", "the signed report is {file}", file=file))
