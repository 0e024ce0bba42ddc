"""Provider spaces by SFTP: OpenSSH's own client, and one that breaks off, floods and lies."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import shutil
import socket
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from backend.city.city import City
from backend.city.open_api.spaces import desk, gate, sftp, sftp_door, sftp_files
from backend.city.open_api.spaces.arrivals import arrivals_of
from backend.storage.city import spaces as tables

from ..people.people_kit import Town
from ..waiting import PATIENCE_S, until
from .spaces_kit import MIB, NOON, kept, key_of, town_with_spaces

pytestmark = pytest.mark.long("speaks SFTP with another's client", of="tests/backend/city")

SFTP = shutil.which("sftp") or "/usr/bin/sftp"


@pytest.fixture
async def town(city: City, tmp_path: Path) -> AsyncIterator[Town]:
    async with town_with_spaces(city, tmp_path) as found:
        yield found


@pytest.fixture
async def port(town: Town) -> AsyncIterator[int]:
    async with sftp.serving(town.city, "127.0.0.1", 0) as found:
        yield found


async def openssh(
    port: int, tmp_path: Path, commands: str, *, user: str = "acme-waste", password: str = "", key: Path | None = None
) -> tuple[int, str]:
    """Run Debian's sftp; return its exit code and all that it says."""
    batch, ask = tmp_path / "batch", tmp_path / "ask"
    batch.write_text(commands)
    ask.write_text('#!/bin/sh\nprintf %s "$KEY"\n')
    ask.chmod(0o700)
    options = ["StrictHostKeyChecking=no", f"UserKnownHostsFile={tmp_path}/known", "NumberOfPasswordPrompts=1"]
    options += (
        ["PreferredAuthentications=publickey", f"IdentityFile={key}", "IdentitiesOnly=yes"]
        if key
        else ["PreferredAuthentications=password", "BatchMode=no"]
    )
    said = {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force", "KEY": password, "LC_ALL": "C.UTF-8"}
    words = [SFTP, "-F", "none", *(word for one in options for word in ("-o", one)), "-b", str(batch)]
    process = await asyncio.create_subprocess_exec(
        *words, "-P", str(port), f"{user}@127.0.0.1", cwd=tmp_path, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={"PATH": os.environ["PATH"], **said},
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return process.returncode or 0, out.decode(errors="replace")


def connect(port: int, password: str, user: str = "acme-waste", **more: Any) -> Any:
    return asyncssh.connect(
        "127.0.0.1", port, username=user, password=password, known_hosts=None, config=None, client_keys=None,
        agent_path=None, **more,
    )  # fmt: skip


async def written(file: Any, size: int) -> int:
    """Write until so many bytes are taken, or a write is refused; return how many were taken."""
    sent = 0
    with contextlib.suppress(asyncssh.SFTPError):
        while sent < size:
            await file.write(bytes(16_384))
            sent += 16_384
    return sent


def refused(town: Town) -> dict[tuple[str, str], int]:
    return dict(arrivals_of(town.city).refused)


@pytest.mark.real("network, processes")
async def test_openssh_drops_lists_fetches_and_deletes(town: Town, port: int, tmp_path: Path) -> None:
    key, data = await key_of(town), bytes(range(256)) * 10_000
    (tmp_path / "Relevé (1).csv").write_bytes(data)
    code, said = await openssh(port, tmp_path, 'put "Relevé (1).csv"\nls -l\nget "Relevé (1).csv" back\n', password=key)
    assert code == 0, said
    assert "Relevé (1).csv" in said
    assert (tmp_path / "back").read_bytes() == data
    assert await kept(town) == [("acme-waste", "Relevé (1).csv", 3)]
    files = await town.city.store.read(lambda r: tables.files(r, "acme-waste", 9))
    assert (files[0].digest, files[0].who.partition(":")[0]) == (sha256(data).hexdigest(), "token")
    used = await town.city.store.read(lambda r: tables.used(r, "acme-waste", int(NOON // desk.DAY)))
    assert used == (len(data), 1, len(data), 1)
    code, said = await openssh(port, tmp_path, 'put -p "Relevé (1).csv"\nrm "Relevé (1).csv"\n', password=key)
    assert code == 0, said
    assert await kept(town) == []
    assert [one.what for one in await town.lines()][-2:] == ["spaces.dropped", "spaces.deleted"]


@pytest.mark.real("network, processes")
async def test_a_public_key_stands_for_a_token_and_ends_with_it(town: Town, port: int, tmp_path: Path) -> None:
    number = (await key_of(town, days=1)).split("_")[1]
    private = asyncssh.generate_private_key("ssh-ed25519")
    private.write_private_key(tmp_path / "id")
    (tmp_path / "id").chmod(0o600)
    (tmp_path / "a.csv").write_bytes(b"x")
    assert (await openssh(port, tmp_path, "put a.csv\n", key=tmp_path / "id"))[0] != 0
    one = tables.Key(sha256(private.public_data).hexdigest(), number, "test", NOON)
    await town.city.store.write(lambda t: tables.put_key(t, one))
    code, said = await openssh(port, tmp_path, "put a.csv\n", key=tmp_path / "id")
    assert (code, len(await kept(town))) == (0, 1), said
    town.now[0] += 86_400
    code, said = await openssh(port, tmp_path, "put a.csv b.csv\n", key=tmp_path / "id")
    assert code != 0
    assert "expired" in said
    assert len(await kept(town)) == 1
    assert refused(town)["sftp", "key"] == 1


@pytest.mark.real("network")
async def test_an_expired_or_wrong_key_or_another_space_is_refused_and_counted(
    town: Town, port: int, tmp_path: Path
) -> None:
    key = await key_of(town, days=1)
    for user, password in (
        ("other-waste", key),
        ("acme-roads", key),
        ("acme-waste", key[:-1] + "~"),
        ("acme-waste", ""),
    ):
        with pytest.raises(asyncssh.PermissionDenied):
            await connect(port, password, user)
    assert refused(town) == {("sftp", "spaces-gone"): 2, ("sftp", "key"): 2}
    async with connect(port, key) as connection, connection.start_sftp_client() as client:
        async with client.open("a", "wb") as file:
            await file.write(b"x")
        town.now[0] += 86_400  # over while the session is open
        for attempt in (client.open("b", "wb"), client.listdir("."), client.remove("a")):
            with pytest.raises(asyncssh.SFTPError):
                await attempt
    assert [name for _, name, _ in await kept(town)] == ["a"]


@pytest.mark.real("network")
async def test_many_wrong_keys_from_one_network_are_not_looked_up(
    town: Town, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "WRONG", 3)
    for _ in range(5):
        with pytest.raises((asyncssh.Error, OSError)):
            await connect(port, "wrong")
    assert refused(town) == {("sftp", "key"): 3, ("sftp", "tries"): 2}


@pytest.mark.real("network")
async def test_there_is_no_shell_no_command_and_no_forwarding(town: Town, port: int) -> None:
    async with connect(port, await key_of(town)) as connection:
        for command in ("id", "scp -t /", None):
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.create_process(command)
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_connection("127.0.0.1", port)
        with pytest.raises(asyncssh.ChannelListenError):
            await connection.forward_remote_port("", 0, "127.0.0.1", port)
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_session(subsystem="netconf")


@pytest.mark.real("network")
@pytest.mark.parametrize(
    "path",
    ["../a", "a/../../b", "/etc/passwd", ".hidden", "a\nb", "a\rb", "a\0b", "a\\b", "-rf", "\u202ecsv.exe", "x/y/z"],
)
async def test_a_path_that_is_no_name_is_refused_and_reaches_no_disk(town: Town, port: int, path: str) -> None:
    async with connect(port, await key_of(town)) as connection, connection.start_sftp_client() as client:
        with pytest.raises(asyncssh.SFTPError):
            async with client.open(path, "wb") as file:
                await file.write(b"x")
        with pytest.raises(asyncssh.SFTPError):
            await client.open(path, "rb")
    assert await kept(town) == []
    assert refused(town)["sftp", "spaces-file-name"] == 2


@pytest.mark.real("network")
async def test_links_folders_and_whatever_else_reaches_a_disk_are_not_there(town: Town, port: int) -> None:
    async with connect(port, await key_of(town)) as connection, connection.start_sftp_client() as client:
        async with client.open("a", "wb") as file:
            await file.write(b"x")
        for attempt in (
            client.symlink("/etc/passwd", "b"), client.link("a", "b"), client.mkdir("d"), client.rmdir("."),
            client.readlink("a"), client.rename("a", "b"), client.posix_rename("a", "b"), client.statvfs("."),
            client.remote_copy("a", "b"), client.open("a", "ab"),
        ):  # fmt: skip
            with pytest.raises((asyncssh.SFTPError, NotImplementedError)):
                await attempt
        assert await client.realpath("../../..") == "/"
        assert (await client.stat("/")).type == asyncssh.FILEXFER_TYPE_DIRECTORY
    assert [name for _, name, _ in await kept(town)] == ["a"]


def test_no_method_of_the_library_that_reaches_a_disk_is_left() -> None:
    harmless = {"channel", "connection", "env", "logger", "convert_attrs", "format_longname"}
    left = {
        name
        for name, _ in inspect.getmembers(asyncssh.SFTPServer)
        if not name.startswith("_") and name not in harmless and name not in vars(sftp_files.Files)
    }
    assert left == set()


@pytest.mark.real("network")
async def test_a_half_written_file_is_never_taken(town: Town, port: int) -> None:
    key = await key_of(town)
    for count, ending in enumerate(("abort", "channel", "garbage", "disconnect"), 1):
        async with connect(port, key) as connection:
            client = await connection.start_sftp_client()
            file = await client.open("half.csv", "wb")
            await file.write(b"half")
            if ending == "abort":
                connection.abort()
            elif ending == "channel":
                client._handler._writer.channel.write_eof()
            elif ending == "garbage":
                client._handler._writer.write(b"\xff" * 64)
            else:
                connection.close()
            await until(lambda count=count: refused(town) == {("sftp", "cut"): count}, f"cut by {ending}")  # type: ignore[misc]
        assert await kept(town) == [], ending
    await until(lambda: arrivals_of(town.city)._turns._now == {}, "all turns are free again")
    assert list(town.city.directory.glob("tmp*")) == []
    assert await kept(town) == []
    assert refused(town) == {("sftp", "cut"): 4}


@pytest.mark.real("network")
async def test_a_part_is_taken_when_it_is_renamed_and_forgotten_when_it_is_not(town: Town, port: int) -> None:
    key = await key_of(town)
    async with connect(port, key) as connection, connection.start_sftp_client() as client:
        async with client.open("a.csv.filepart", "wb") as file:
            await file.write(b"whole")
        assert await kept(town) == []
        assert (await client.stat("a.csv.filepart")).size == 5
        await client.rename("a.csv.filepart", "a.csv")
        async with client.open("b.part", "wb") as file:
            await file.write(b"never")
    await until(lambda: arrivals_of(town.city)._turns._now == {}, "all turns are free again")
    assert [name for _, name, _ in await kept(town)] == ["a.csv"]


@pytest.mark.real("network")
async def test_a_file_with_holes_or_backwards_is_refused(town: Town, port: int) -> None:
    async with connect(port, await key_of(town)) as connection, connection.start_sftp_client() as client:
        file = await client.open("a", "wb")
        with pytest.raises(asyncssh.SFTPError):
            await file.write(b"x", 1 << 40)
        with pytest.raises(asyncssh.SFTPError):
            await file.close()
    assert await kept(town) == []


@pytest.mark.real("network, processes")
async def test_a_flood_ends_while_bytes_arrive_and_the_client_is_told(town: Town, port: int, tmp_path: Path) -> None:
    key = await key_of(town)
    (tmp_path / "big").write_bytes(bytes(3 * MIB + 1))
    (tmp_path / "just").write_bytes(bytes(3 * MIB))
    code, said = await openssh(port, tmp_path, "put big\n", password=key)
    assert code != 0
    assert "at most 3145728 bytes" in said  # sftp shows no sentence of an answer: it comes beside
    puts = "".join(f"-put just f{n}\n" for n in range(3))
    code, said = await openssh(port, tmp_path, puts, password=key)
    assert "bytes" in said
    assert [name for _, name, _ in await kept(town)] == ["f0", "f1"]  # 6 MiB lie there
    assert refused(town)["sftp", "spaces-too-large"] >= 1
    assert refused(town)["sftp", "spaces-full"] + refused(town).get(("sftp", "spaces-day-spent"), 0) >= 1
    town.now[0] += 86_400
    async with connect(port, key) as connection, connection.start_sftp_client() as client:
        await client.remove("f0")
        file = await client.open("slow", "wb")
        assert await written(file, 4 * MIB) == 3 * MIB  # not one byte beyond
    files = [(await key_of(town, service="roads"), "acme-roads")]
    async with connect(port, files[0][0], files[0][1]) as connection, connection.start_sftp_client() as client:
        assert await client.listdir(".") == [".", "..", "readings"]


@pytest.mark.real("network")
async def test_one_that_stands_still_frees_its_turn(town: Town, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connect(port, await key_of(town)) as connection, connection.start_sftp_client() as client:
        slow = [await client.open(f"s{n}", "wb") for n in range(2)]
        with pytest.raises(asyncssh.SFTPError):
            await client.open("third", "wb")
        with monkeypatch.context() as patched:
            patched.setattr(desk, "IDLE_S", 0.3)  # from the next byte
            for one in slow:
                await one.write(b"x")
        await until(lambda: refused(town).get(("sftp", "spaces-too-slow")) == 2, "both are given up")
        await until(lambda: arrivals_of(town.city)._turns._now == {}, "their turns are free again")
        with pytest.raises(asyncssh.SFTPError):
            await slow[0].write(b"x")
        with pytest.raises(asyncssh.SFTPError):
            await slow[1].close()
        async with client.open("third", "wb") as file:
            await file.write(b"x")
    assert [name for _, name, _ in await kept(town)] == ["third"]
    assert refused(town)["sftp", "spaces-too-slow"] >= 2


@pytest.mark.real("network")
async def test_readings_go_where_readings_by_https_go(town: Town, port: int) -> None:
    good = b"point,time,metric,value,name,lat,lon\nbac-1,2027-01-15T07:00:00Z,fill_level,83,Bac,48.854,2.370\n"
    async with connect(port, await key_of(town)) as connection, connection.start_sftp_client() as client:
        async with client.open("readings/today.csv", "wb") as file:
            await file.write(good)
        bad = await client.open("readings/more.csv", "wb")
        await bad.write(good.replace(b"fill_level,83", b"fill_level,840"))
        with pytest.raises(asyncssh.SFTPError):
            await bad.close()
        with pytest.raises(asyncssh.SFTPError):
            await client.open("readings/more.xml", "wb")
        large = await client.open("readings/l.csv", "wb")
        assert await written(large, MIB) == 512 * 1024
    rows = await town.city.store.read(lambda r: r.rows("select count(*) from open_readings"))
    assert rows == [(1,)]
    assert await kept(town) == []
    assert refused(town)["sftp", "spaces-lines-wrong"] == 1


@pytest.mark.real("network")
async def test_one_session_opens_so_many_files_and_one_key_so_many_connections(town: Town, port: int) -> None:
    key = await key_of(town)
    async with connect(port, key) as connection:
        clients = [await connection.start_sftp_client() for _ in range(sftp_door.SESSIONS)]
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.start_sftp_client()
        async with clients[0].open("a", "wb") as file:
            await file.write(b"x")
        for _ in range(sftp_files.HANDLES):
            await clients[0].open("a", "rb")
        with pytest.raises(asyncssh.SFTPError):
            await clients[0].open("a", "rb")
        more = [await connect(port, key) for _ in range(gate.MOST_OF_KEY - 1)]
        with pytest.raises((asyncssh.Error, OSError)):
            await (await connect(port, key)).start_sftp_client()
        for one in more:
            one.abort()
    assert refused(town)["sftp", "connections"] == 1


@pytest.mark.real("network")
async def test_ten_thousand_connections_are_bounded_and_a_provider_still_gets_in(town: Town) -> None:
    key = await key_of(town)
    async with sftp.serving(town.city, "127.0.0.1", 0) as port:
        calls, most, door = list[socket.socket](), 0, arrivals_of(town.city).gate
        assert door is not None
        try:
            for n in range(10_000):
                one = socket.socket()
                one.setblocking(False)
                one.bind((f"127.0.1.{1 + n % 4}", 0))
                one.connect_ex(("127.0.0.1", port))
                calls.append(one)
                if n % 50 == 49:
                    await asyncio.sleep(0.01)
                    most = max(most, door.counts[0])
                if len(calls) > 500:  # what was refused is closed there already
                    for old in calls[:250]:
                        old.close()
                    del calls[:250]
            assert 0 < most <= gate.PENDING
            async with (
                connect(port, key) as connection,
                connection.start_sftp_client() as client,
                client.open("a", "wb") as file,
            ):
                await file.write(b"x")
        finally:
            for one in calls:
                one.close()
    assert [name for _, name, _ in await kept(town)] == ["a"]
    assert refused(town)["sftp", "connections"] > 9_000


@pytest.mark.real("network")
async def test_the_host_key_is_made_once_and_kept_beside_the_others(town: Town) -> None:
    first, second = sftp.host_key(town.city.directory), sftp.host_key(town.city.directory)
    assert first == second
    assert (town.city.directory / sftp.HOST_KEY).stat().st_mode & 0o777 == 0o600


def test_all_that_is_refused_by_the_gate_frees_its_place() -> None:
    class Call:
        def __init__(self, network: str) -> None:
            self.network, self.ended = network, False

        def end(self) -> None:
            self.ended = True

    now = [0.0]
    door = gate.Gate(lambda: now[0])
    calls = [Call(str(n)) for n in range(gate.PENDING + 1)]
    assert all(door.come(one) for one in calls)
    assert (calls[0].ended, door.gave_way, door.counts) == (True, 1, (gate.PENDING, 0))
    assert [door.come(Call("same")) for _ in range(gate.PENDING_EACH + 1)] == [True] * gate.PENDING_EACH + [False]
    assert door.enter(calls[1], "k")
    door.leave(calls[1])
    assert door.counts[1] == 0
    for _ in range(gate.WRONG):
        assert door.may_try("n")
        door.was_wrong("n")
    assert not door.may_try("n")
    now[0] += gate.WRONG_S
    assert door.may_try("n")
