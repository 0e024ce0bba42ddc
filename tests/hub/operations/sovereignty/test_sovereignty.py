"""On whom a hub depends: what the machine's files name, what its process speaks with, what was declared."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.operations.sovereignty.observed import Peer, family, peers, rows
from hub.operations.sovereignty.policy import TIME, endpoints, sources
from hub.operations.sovereignty.sources import MIRRORS, Source, mirrors, read, resolvers, time_servers

# one line of /proc/net/tcp as proc_pid_net(5) describes it: 127.0.0.1:8080 listens, 192.0.2.7:443 is spoken with
TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 100 1 0 100 0 0 10 0
   1: 0A000002:C001 070200C0:01BB 01 00000000:00000000 00:00000000 00000000     0        0 101 1 0 20 4 30 10 -1
   2: 0100007F:C002 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 102 1 0 20 4 30 10 -1
   3: 0A000002:C003 080200C0:01BB 06 00000000:00000000 00:00000000 00000000     0        0 103 1 0 20 4 30 10 -1
"""
TABLE6 = """\
  sl  local_address                         remote_address                        st tx rx tr when re uid timeout inode
   0: 00000000000000000000000000000000:0000 B80D0120000000000000000001000000:22B8 01 0:0 0:0 0 0 0 200 1
   1: 0000000000000000FFFF000000000000:0000 0000000000000000FFFF0000070200C0:01BB 01 0:0 0:0 0 0 0 201 1
"""


def test_far_ends_are_read_as_people_write_them_and_this_machine_is_none() -> None:
    assert list(rows(TABLE, "tcp")) == [(101, Peer("192.0.2.7", 443, "tcp"))]
    assert list(rows(TABLE6, "tcp6")) == [
        (200, Peer("2001:db8::1", 8888, "tcp")),
        (201, Peer("192.0.2.7", 443, "tcp")),
    ]


@given(st.text(max_size=200))
def test_whatever_stands_in_proc_is_read_or_passed_over(text: str) -> None:
    for _, peer in rows(f"head\n{text}", "tcp"):
        assert peer.port


@pytest.mark.real("network")
def test_a_connection_of_this_process_to_another_machine_is_seen() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.9", 4711))  # RFC 5737: nobody's; a datagram socket sends nothing by this
        except OSError:
            pytest.skip("this machine has no route at all")
        assert Peer("192.0.2.9", 4711, "udp") in peers([os.getpid()])
    assert Peer("192.0.2.9", 4711, "udp") not in peers([os.getpid()])
    assert os.getpid() in family(os.getppid())


def test_time_servers_are_read_from_each_daemons_file() -> None:
    found = time_servers(
        {
            "/etc/systemd/timesyncd.conf": (
                "[Time]\n#NTP=none\nNTP=ntp1.example.org  ntp2.example.org\nFallbackNTP=0.debian.pool.ntp.org\n"
            ),
            "/etc/chrony/chrony.conf": (
                "# pool x\npool 2.debian.pool.ntp.org iburst\nserver NTP.example.org nts\ndriftfile /x\n"
            ),
        }
    )
    assert [source.host for source in found] == [
        "ntp1.example.org", "ntp2.example.org", "0.debian.pool.ntp.org", "2.debian.pool.ntp.org", "ntp.example.org",
    ]  # fmt: skip


def test_mirrors_are_read_from_both_forms_of_sources_and_from_pip(tmp_path: Path) -> None:
    folder = tmp_path / "etc/apt/sources.list.d"
    folder.mkdir(parents=True)
    (folder / "debian.sources").write_text("Types: deb\nURIs: https://miroir.example.org/debian\nSuites: trixie\n")
    (folder / "old.list").write_text(
        "#deb http://no.example.org x\ndeb [arch=arm64] http://deb.example.org/debian x main\n"
    )
    (tmp_path / "etc/pip.conf").write_text("[global]\nfind-links = https://user:secret@pypi.example.org/simple\n")
    found = mirrors(read(tmp_path, MIRRORS))
    assert sorted(source.host for source in found) == ["deb.example.org", "miroir.example.org", "pypi.example.org"]
    assert "secret" not in str(found)


def test_name_servers_are_read() -> None:
    assert resolvers({"/etc/resolv.conf": "# by hand\nsearch x\nnameserver 192.0.2.53\nnameserver ::1\n"}) == [
        Source("192.0.2.53", "/etc/resolv.conf"),
        Source("::1", "/etc/resolv.conf"),
    ]


def test_a_source_that_nobody_declared_has_a_remedy_and_one_of_this_machine_needs_none() -> None:
    found = [Source("ntp.example.org", "/a"), Source("pool.example.net", "/b"), Source("127.0.0.1", "/c")]
    lines = sources(TIME, found, ["NTP.example.org"], "time")
    assert [(line.what, line.by) for line in lines] == [
        ("127.0.0.1", "this machine"),
        ("ntp.example.org", "sovereignty.time"),
        ("pool.example.net", ""),
    ]
    assert lines[2].remedy == "declare it in sovereignty.time, or take it out of /b"


def test_a_far_end_that_is_no_address_of_a_declared_host_is_told() -> None:
    declared = {"backend.example.org": "the owner's trust document"}
    seen = [Peer("192.0.2.7", 443, "tcp"), Peer("198.51.100.4", 443, "tcp")]
    lines = endpoints(declared, seen, lambda host: ["192.0.2.7"])
    assert [(line.what, bool(line.by)) for line in lines] == [
        ("backend.example.org", True),
        ("198.51.100.4:443", False),
    ]
