"""TLS contexts are made by `hub.core.tls` and nowhere else, so that one place says what a certificate must be. A
library that would make one by itself is given ours."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hub

ROOT = Path(hub.__file__).parents[1]
PARTS = ("hub", "backend", "integrations", "plugins", "packs")
HOME = ROOT / "hub" / "core" / "tls" / "__init__.py"
MAKES = {
    "SSLContext", "create_default_context", "_create_unverified_context", "_create_stdlib_context",
    "_create_default_https_context", "wrap_socket", "get_server_certificate", "create_urllib3_context", "TLSParameters",
}  # fmt: skip
"""What makes a context, or a connection without one that was thought about. `wrap_socket` of a context is another."""
CHANGES = {
    "verify_flags", "verify_mode", "check_hostname", "minimum_version", "maximum_version",
    "hostname_checks_common_name", "keylog_filename", "set_ciphers", "set_default_verify_paths",
    "load_default_certs", "load_verify_locations",
}  # fmt: skip
NEED = {"SMTP_SSL": "context", "starttls": "context", "urlopen": "context", "HTTPSConnection": "context"}
"""Of the standard library: without it they make one."""
LIBRARY = {"tls_params", "tls_insecure", "tls_set", "tls_insecure_set", "cafile", "verify_ssl", "ssl_ca_certs"}
"""Arguments by which a library is told to make one."""
ASKS = {"get", "post", "put", "delete", "head", "patch", "request", "ws_connect"}
THRIFT = ("hub/core/memory_tuning.py", "set_default_verify_paths")
"""What aiohttp makes when it is imported is kept from reading the machine's CAs; it is never used."""


def made_elsewhere(path: Path, text: str) -> Iterator[str]:
    """file:line: what makes or changes a context there."""
    tree = ast.parse(text)
    sessions = "ClientSession" in text
    for node in ast.walk(tree):
        said = ""
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            given = {word.arg for word in node.keywords}
            plain = {word.arg for word in node.keywords if isinstance(word.value, ast.Constant) and word.value.value}
            if (name in MAKES and (name != "wrap_socket" or owner == "ssl")) or name in CHANGES:
                said = name
            elif (name in NEED and NEED[name] not in given) or "ssl" in plain:
                said = f"{name} without a context"
            elif given & LIBRARY:
                said = f"{name} with {', '.join(sorted(given & LIBRARY))}"
            elif sessions and name in ASKS and owner.split(".")[-1] == "session" and "ssl" not in given:
                said = f"{owner}.{name} without ssl"
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            changed = [one.attr for target in targets for one in ast.walk(target) if isinstance(one, ast.Attribute)]
            said = next((one for one in changed if one in CHANGES), "")
        if said and (str(path), said) != THRIFT:
            yield f"{path}:{getattr(node, 'lineno', 0)}: {said}"


def test_no_other_place_makes_a_tls_context_or_changes_what_it_checks() -> None:
    files = [path for part in PARTS for path in (ROOT / part).rglob("*.py") if path != HOME]
    assert len(files) > 500
    found = [one for path in files for one in made_elsewhere(path.relative_to(ROOT), path.read_text())]
    assert found == [], "ask hub.core.tls, or hub.sdk.tls.Tls in a plugin"
    assert list(made_elsewhere(Path("hub/core/tls/__init__.py"), HOME.read_text()))


@pytest.mark.parametrize(
    "line",
    [
        "context = ssl.create_default_context(cafile=path)",
        "context = SSLContext(PROTOCOL_TLS_CLIENT)",
        "context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)",
        "context.verify_flags |= ssl.VERIFY_X509_STRICT",
        "context.check_hostname, context.verify_mode = False, ssl.CERT_NONE",
        "context.minimum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1",
        "context.set_ciphers('ALL')",
        "socket = ssl.wrap_socket(socket)",
        "ssl.get_server_certificate((host, port))",
        "server = smtplib.SMTP_SSL(host, port)",
        "server.starttls()",
        "urlopen('https://backend.example')",
        "client = aiomqtt.Client(host, tls_params=aiomqtt.TLSParameters())",
        "client = aiomqtt.Client(host, tls_insecure=True)",
        "asyncio.open_connection(host, port, ssl=True)",
        "import aiohttp\nasync def ask(session: aiohttp.ClientSession): await session.get(url)",
    ],
)
def test_one_that_does_is_found(line: str) -> None:
    assert list(made_elsewhere(Path("plugins/acme.py"), line))


@pytest.mark.parametrize(
    "line",
    [
        "secure = context.wrap_socket(raw, server_hostname=host)",
        "server.starttls(context=context)",
        "urlopen(request, timeout=5, context=trusted)",
        "asyncio.open_connection(host, port, ssl=context)",
        "context.load_cert_chain(certificate, key)",
    ],
)
def test_who_uses_one_is_not(line: str) -> None:
    assert list(made_elsewhere(Path("plugins/acme.py"), line)) == []
