"""What is spared is really not there: seen in a process of its own, by what the kernel maps and OpenSSL holds."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

pytestmark = pytest.mark.real("processes")

LOOK = """
import json, os, sys
from pathlib import Path
before = dict(os.environ)
{first}
import aiohttp.connector
contexts = [value for value in vars(aiohttp.connector).values() if type(value).__name__ == "SSLContext"]
import asyncio, mimetypes, ssl
tls = asyncio.sslproto.SSLProtocol(asyncio.new_event_loop(), None, ssl.create_default_context(), None, False, "x")
print(json.dumps({{
    "buffer": len(tls._ssl_buffer), "types": bool(mimetypes.knownfiles),
    "others": ssl.create_default_context().cert_store_stats()["x509_ca"],
    "contexts": len(contexts), "cas": sum(context.cert_store_stats()["x509_ca"] for context in contexts),
    "cxx": "libstdc++" in Path("/proc/self/maps").read_text(),
    "changed": sorted(name for name in before.keys() | os.environ if before.get(name) != os.environ.get(name)),
}}))
"""
SPARING = "from hub.core.memory_tuning import give_back, spare; spare(); spare(); give_back()"

ZONES = ["PYTHONTZPATH"] if os.path.isdir("/usr/share/zoneinfo") and "PYTHONTZPATH" not in os.environ else []


def look(first: str, **environ: str) -> dict[str, object]:
    base = {
        name: value for name, value in os.environ.items() if not name.startswith(("FROZENLIST", "PYDANTIC", "SSL_"))
    }
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(first=first)], capture_output=True, text=True, check=True, env=base | environ
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_no_ca_of_the_machine_and_no_library_of_cxx_is_held() -> None:
    found = look(SPARING)
    assert found["contexts"], "aiohttp names them otherwise now: see whether it still makes them"
    assert found["cas"] == 0
    assert not found["cxx"]
    assert found["changed"] == ["FROZENLIST_NO_EXTENSIONS", "PYDANTIC_DISABLE_PLUGINS", *ZONES]


def test_only_the_context_that_nobody_uses_goes_without_the_machines_cas(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "the machine's own CA")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, None)
    )
    (tmp_path / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    machine = {"SSL_CERT_FILE": str(tmp_path / "ca.pem"), "SSL_CERT_DIR": str(tmp_path / "none")}
    found = look(SPARING, **machine)
    assert (found["cas"], found["others"]) == (0, 1)
    assert look("", **machine)["cas"] == 2
    assert found["changed"] == ["FROZENLIST_NO_EXTENSIONS", "PYDANTIC_DISABLE_PLUGINS", *ZONES]


def test_a_process_that_does_not_spare_holds_more() -> None:
    found = look("")
    assert found["cxx"]


def test_a_tls_connection_reads_into_room_for_two_records_and_the_machines_file_types_are_not_read() -> None:
    found = look(SPARING)
    assert found["buffer"] == 2 * 16_384, "asyncio names it otherwise now: see how much it keeps"
    assert not found["types"]
    assert look("")["buffer"] == 262_144


LATER = """
import json, sys
from hub.core.memory_tuning import spare
spare()
from pydantic import BaseModel, HttpUrl
class Model(BaseModel):
    url: HttpUrl
said = str(Model(url="https://backend.example/a").url)
parsers = {"email.message", "zipfile", "csv", "shutil"}
before = sorted(parsers & set(sys.modules))
import importlib
import importlib.metadata as held
from importlib.metadata import entry_points, version
still = sorted(parsers & set(sys.modules))
first = version("pydantic")
from importlib.metadata import PackageNotFoundError, version as real
try:
    version("no-such-distribution")
except PackageNotFoundError:
    missing = True
print(json.dumps({
    "said": said, "before": before, "still": still, "first": first, "real": real("pydantic"), "missing": missing,
    "plugins": len(entry_points(group="hub.plugins")), "held": held.version("pydantic"),
    "module": type(sys.modules["importlib.metadata"]).__name__, "package": type(importlib.metadata).__name__,
}))
"""


def test_the_readers_of_metadata_wait_for_the_first_question_and_then_answer_as_ever() -> None:
    done = subprocess.run([sys.executable, "-c", LATER], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    known = metadata.version("pydantic")
    assert found.pop("plugins") == len(metadata.entry_points(group="hub.plugins")) > 10
    assert found == {
        "said": "https://backend.example/a", "before": [], "still": [], "first": known, "real": known, "missing": True,
        "held": known, "module": "module", "package": "module",
    }  # fmt: skip


SERVER = """
import importlib, json, sys
from hub.core.memory_tuning import spare
spare()
from hub.core.aiohttp_client import import_server
import_server()
from aiohttp import helpers, web
import yarl
unused = {"attr._make", "email.headerregistry", "html.entities", "idna.core"}
before = sorted(unused & set(sys.modules))
import attr, html
from email.policy import SMTP
@attr.s(auto_attribs=True, order=True)
class Mine:
    one: int = attr.ib(validator=attr.validators.instance_of(int))
@attr.define
class New:
    one: int
try:
    Mine("text")
except TypeError:
    checked = True
tag = helpers.ETag("a")
print(json.dumps({
    "before": before, "checked": checked, "ordered": Mine(1) < Mine(2), "new": New(1).one,
    "tags": tag == helpers.ETag("a") and hash(tag) == hash(helpers.ETag("a")) and tag != helpers.ETag("b"),
    "kind": helpers.parse_content_type('text/plain; charset="utf-8"')[0], "line": SMTP.linesep,
    "parts": [importlib.import_module(one).__name__ for one in ("html.entities", "idna.core", "attr.validators")],
    "kinds": [type(sys.modules[one]).__name__ for one in ("html", "idna", "attr", "email.policy")],
    "host": yarl.URL("http://\u00eelot.example/").raw_host, "escaped": html.escape("<"), "real": html.unescape("&lt;"),
}))
"""


def test_what_the_server_of_the_pages_never_uses_waits_for_whoever_asks_for_it() -> None:
    done = subprocess.run([sys.executable, "-c", SERVER], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {
        "before": [], "checked": True, "ordered": True, "new": 1, "tags": True, "kind": "text/plain", "line": "\r\n",
        "host": "xn--lot-uma.example", "escaped": "&lt;", "real": "<",
        "parts": ["html.entities", "idna.core", "attr.validators"], "kinds": ["module"] * 4,
    }  # fmt: skip
