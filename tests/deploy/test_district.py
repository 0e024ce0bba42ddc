"""What `deploy/district` writes for three machines: whole, private, with keys and names of their own."""

from __future__ import annotations

import base64
import configparser
import re
import runpy
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from ruamel.yaml import YAML

pytestmark = pytest.mark.real("processes")

HERE = Path(__file__).parents[2] / "deploy" / "district"
RENDER = runpy.run_path(str(HERE / "render.py"))
EXAMPLE = (HERE / "example.toml").read_text()


def run(source: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, HERE / "render.py", source, folder], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("district") / "out"
    assert run(HERE / "example.toml", made).returncode == 0
    return made


def yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def test_each_machine_gets_every_file_and_its_cloud_config_holds_the_same_bytes(folder: Path) -> None:
    for name in ("pg1", "pg2", "pg3"):
        files = {str(path.relative_to(folder / name)): path for path in (folder / name).rglob("*") if path.is_file()}
        told = yaml(folder / f"{name}.user-data")
        assert {one["path"].lstrip("/") for one in told["write_files"]} == files.keys()
        for one in told["write_files"]:
            assert base64.b64decode(one["content"]) == files[one["path"].lstrip("/")].read_bytes()
            if "key" in one["path"] or "config.yml" in one["path"] or one["path"].endswith((".sql", "pgbackrest.conf")):
                assert one["permissions"] in {"0400", "0600"}, one["path"]


def test_nobody_else_on_the_machine_that_renders_may_read_keys(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_file() or path == folder:
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_a_commit_is_on_two_machines_or_there_is_none(folder: Path) -> None:
    told = yaml(folder / "pg1" / "etc/patroni/config.yml")
    dcs = told["bootstrap"]["dcs"]
    assert dcs["synchronous_mode"] is True
    assert dcs["synchronous_mode_strict"] is True
    assert dcs["postgresql"]["parameters"]["synchronous_commit"] == "on"
    assert "fsync" not in dcs["postgresql"]["parameters"]
    assert not [line for line in told["postgresql"]["pg_hba"] if re.search(r"\btrust\b|^host ", line)]
    assert told["restapi"]["verify_client"] != "none"


def test_a_certificate_has_the_name_that_workers_verify_and_each_machine_a_key_of_its_own(folder: Path) -> None:
    keys, ca = set(), x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    for name, address in (("pg1", "10.20.0.11"), ("pg2", "10.20.0.12"), ("pg3", "10.20.0.13")):
        place = folder / name / "etc/ilot-district"
        made = x509.load_pem_x509_certificate((place / "server.pem").read_bytes())
        made.verify_directly_issued_by(ca)
        names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [name, "base.metropole.example"]
        assert address in map(str, names.get_values_for_type(x509.IPAddress))
        assert (place / "etcd.key").read_bytes() == (place / "postgres.key").read_bytes()
        keys.add((place / "postgres.key").read_bytes())
    assert len(keys) == 3


def test_workers_get_the_password_that_the_database_is_made_with(folder: Path) -> None:
    secret = (folder / "database.pass").read_text().strip().rpartition(":")[2]
    assert len(secret) >= 30
    for name in ("pg1", "pg2", "pg3"):
        assert f"password '{secret}'" in (folder / name / "etc/ilot-district/first.sql").read_text()


def test_copies_are_encrypted_and_go_to_a_bucket_where_one_is_told(tmp_path: Path) -> None:
    told = EXAMPLE.replace("# s3 =", "s3 =")
    assert told != EXAMPLE
    (tmp_path / "district.toml").write_text(told)
    assert run(tmp_path / "district.toml", tmp_path / "out").returncode == 0
    conf = configparser.ConfigParser(interpolation=None)
    conf.read(tmp_path / "out/pg2/etc/pgbackrest.conf")
    common = conf["global"]
    assert common["repo1-cipher-type"] == "aes-256-cbc"
    assert (common["repo1-type"], common["repo1-s3-bucket"], common["repo1-path"]) == ("s3", "ilot", "/ilot")


def test_a_second_run_into_a_folder_whose_keys_may_be_in_use_is_refused(folder: Path) -> None:
    before = (folder / "ca.pem").read_bytes()
    again = run(HERE / "example.toml", folder)
    assert again.returncode == 3
    assert "its keys may be in use" in again.stderr
    assert (folder / "ca.pem").read_bytes() == before


@pytest.mark.parametrize(
    ("line", "other", "says"),
    [
        ('scope = "metropole"', 'scope = "Metropole; rm"', "scope is"),
        ('name = "pg2"', 'name = "pg1"', "three [[machines]]"),
        ('address = "10.20.0.12"', 'address = "10.20.0.999"', "10.20.0.999"),
        ('shared_buffers = "4GB"', 'shared_buffers = "much"', "memory.shared_buffers is 'much'"),
        ('repository = "/var/lib/pgbackrest"', 'repository = "there\\nrepo1-path=/"', "backup.repository"),
        ('database = "base.metropole.example"', "database = 7", "database is 7"),
        ("[[machines]]", "[[machine]]", "three [[machines]]"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_written(tmp_path: Path, line: str, other: str, says: str) -> None:
    assert line in EXAMPLE
    (tmp_path / "district.toml").write_text(EXAMPLE.replace(line, other))
    done = run(tmp_path / "district.toml", tmp_path / "out")
    assert done.returncode == 3
    assert says in done.stderr
    assert not (tmp_path / "out").exists()
