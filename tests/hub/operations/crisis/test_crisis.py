"""A crisis: what is remembered of it, who is cut off, what is refused, what is handed out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from hub.core.errors import HubError, StorageError
from hub.core.store import Store
from hub.core.text import Phrase
from hub.operations.crisis import Crisis, State, Verdict, is_refused, isolation_verdict
from hub.operations.crisis.export import gathered, verify, write
from hub.operations.crisis.readonly import ReadOnly, guard
from hub.operations.crisis.runbook import Facts, page, spell
from hub.operations.crisis.state import KEY, decode, encode
from hub.protocol.hub_id import hub_id


class Memory:
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.told: list[dict[str, object]] = []
        self.works = True

    async def get(self, key: str) -> bytes | None:
        return self.kept.get(key)

    async def put(self, key: str, value: bytes) -> None:
        if not self.works:
            raise StorageError("the disk refuses")
        self.kept[key] = value

    async def audit(
        self, at: float, who: str, what: Mapping[str, object], meta: Mapping[str, bytes] | None = None
    ) -> None:
        for key, value in (meta or {}).items():
            await self.put(key, value)
        self.told.append(dict(what))


class Hands:
    def __init__(self) -> None:
        self.is_cut = self.frozen = False
        self.sum = "aa"

    async def cut(self) -> None:
        self.is_cut = True

    async def join(self) -> None:
        self.is_cut = False

    def freeze(self, frozen: bool) -> None:
        self.frozen = frozen

    def verdicts(self) -> list[Verdict]:
        return [Verdict("modbus", False, "it speaks with 10.0.0.7", "elle parle avec 10.0.0.7")]

    def digest(self) -> str:
        return self.sum


def crisis_of(
    memory: Memory | Store, hands: Hands, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> Crisis:
    async def export(directory: Path) -> dict[str, Any]:
        return {"directory": str(directory), "files": 0, "bytes": 0}

    async def runbook() -> str:
        return "<p>"

    return Crisis(memory, hands, lambda: 7.0, export=export, runbook=runbook, sleep=sleep)


async def test_a_second_measure_keeps_the_first_ones_reason_and_adds_its_own() -> None:
    crisis = crisis_of(Memory(), Hands())
    await crisis.calls()["crisis.isolate"]({"by": "cli", "why": "ransomware"})
    await crisis.calls()["crisis.readonly"]({"by": "web", "why": "the police asked"})
    told = crisis.status()
    assert (told["by"], told["why"]) == ("cli, web", "ransomware; the police asked")
    await crisis.calls()["crisis.readonly"]({"by": "web", "why": "again"})
    assert crisis.status() == told


def test_why_a_part_goes_on_is_a_sentence_with_a_code() -> None:
    why = isolation_verdict("a", {}, perimeter=False, kept=[]).why
    assert isinstance(why, Phrase)
    assert why.code == "isolation-names-nobody"


async def test_isolation_is_remembered_and_holds_after_a_restart() -> None:
    memory, hands = Memory(), Hands()
    crisis = crisis_of(memory, hands)
    await crisis.calls()["crisis.isolate"]({"by": "cli", "why": "ransomware"})
    assert hands.is_cut
    assert not hands.frozen
    again, reborn = Hands(), crisis_of(memory, Hands())
    reborn = crisis_of(memory, again)
    await reborn.load()
    assert again.is_cut
    assert reborn.status() == {
        "isolated": True, "read_only": False, "since": 7.0, "by": "cli", "why": "ransomware", "remembered": True,
        "error": "",
    }  # fmt: skip
    assert reborn.complaints()


class Pauses:
    """Sleeps that end when the test says so."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.asked = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.asked.set()
        await self.over.wait()
        self.over.clear()


async def test_a_disk_that_refuses_keeps_no_way_out_open_and_is_asked_until_it_remembers() -> None:
    memory, hands, pauses = Memory(), Hands(), Pauses()
    memory.works = False
    crisis = crisis_of(memory, hands, sleep=pauses)
    answer = await crisis.calls()["crisis.isolate"]({"by": "cli", "why": "ransomware"})
    assert hands.is_cut
    assert (answer["isolated"], answer["remembered"], answer["error"]) == (True, False, "the disk refuses")
    assert "a restart would undo it" in crisis.complaints()[1]
    again = asyncio.create_task(crisis.run())
    for _ in range(2):
        await pauses.asked.wait()
        pauses.asked.clear()
        assert KEY not in memory.kept
        pauses.over.set()
    await pauses.asked.wait()
    memory.works = True
    pauses.over.set()
    while not crisis.status()["remembered"]:
        await asyncio.sleep(0)
    again.cancel()
    assert decode(memory.kept[KEY]).isolated
    assert memory.told == [{"crisis": "isolated", "why": "ransomware"}]
    assert len(crisis.complaints()) == 1


async def test_a_cut_that_breaks_half_way_is_remembered_all_the_same() -> None:
    class Broken(Hands):
        async def cut(self) -> None:
            self.is_cut = True
            raise RuntimeError("a connection does not close")

    memory, pauses = Memory(), Pauses()
    crisis = crisis_of(memory, Broken(), sleep=pauses)
    with pytest.raises(RuntimeError):
        await crisis.calls()["crisis.isolate"]({"by": "cli", "why": "x"})
    pauses.over.set()
    again = asyncio.create_task(crisis.run())
    while not crisis.status()["remembered"]:
        await asyncio.sleep(0)
    again.cancel()
    assert decode(memory.kept[KEY]).isolated


async def test_what_was_never_remembered_is_left_without_a_disk_and_what_was_is_not() -> None:
    memory, hands = Memory(), Hands()
    memory.works = False
    calls = crisis_of(memory, hands).calls()
    await calls["crisis.isolate"]({"by": "cli", "why": "x"})
    await calls["crisis.end"]({"by": "cli", "why": "a false alarm"})
    assert not hands.is_cut
    memory.works = True
    answer = await calls["crisis.isolate"]({"by": "cli", "why": "y"})
    assert answer["remembered"]
    assert [one["crisis"] for one in memory.told] == ["isolated", "end", "isolated"]
    memory.works = False
    with pytest.raises(StorageError):  # a restart would isolate it again
        await calls["crisis.end"]({"by": "cli", "why": "over"})
    assert hands.is_cut
    assert decode(memory.kept[KEY]).isolated
    memory.works = True
    assert (await calls["crisis.end"]({"by": "cli", "why": "over"}))["isolated"] is False
    assert [one["crisis"] for one in memory.told] == ["isolated", "end", "isolated", "end"]


async def test_leaving_says_whether_the_configuration_is_what_it_was() -> None:
    for later, same in (("aa", True), ("bb", False)):
        memory, hands = Memory(), Hands()
        calls = crisis_of(memory, hands).calls()
        await calls["crisis.isolate"]({"by": "cli", "why": "x"})
        hands.sum = later
        await calls["crisis.readonly"]({"by": "cli", "why": "y"})
        assert hands.frozen
        answer = await calls["crisis.end"]({"by": "cli", "why": "over"})
        assert answer["same"] is same
        assert (hands.is_cut, hands.frozen, answer["isolated"]) == (False, False, False)
        assert [one["crisis"] for one in memory.told] == ["isolated", "read-only", "end"]


async def test_nobody_enters_or_leaves_without_a_reason_and_a_dry_run_changes_nothing() -> None:
    memory, hands = Memory(), Hands()
    calls = crisis_of(memory, hands).calls()
    with pytest.raises(HubError, match="say why"):
        await calls["crisis.isolate"]({"by": "cli", "why": " "})
    with pytest.raises(HubError, match="in no crisis"):
        await calls["crisis.end"]({"by": "cli", "why": "x"})
    answer = await calls["crisis.isolate"]({"dry_run": True})
    assert answer["parts"] == [
        {"name": "modbus", "goes_on": False, "why": "it speaks with 10.0.0.7", "why_fr": "elle parle avec 10.0.0.7"}
    ]
    assert answer["sampling"] is None
    assert (hands.is_cut, memory.kept) == (False, {})


@given(st.binary(max_size=80))
@example(b'{"why":"\xff"}')
def test_what_cannot_be_read_of_a_crisis_is_the_worst_of_both(data: bytes) -> None:
    state = decode(data)
    assert decode(encode(state)) == state
    if not data.startswith(b"{"):
        assert state.isolated
        assert state.read_only


def test_no_memory_is_no_crisis() -> None:
    assert decode(None) == State()


@pytest.mark.parametrize(
    ("options", "goes_on"),
    [
        ({"port": "/dev/ttyUSB0", "baudrate": 9600}, True),
        ({"adapter": "hci0"}, True),
        ({"host": "192.168.1.20"}, False),
        ({"host": "127.0.0.1"}, True),
        ({"listen": "127.0.0.1:1700"}, True),
        ({"listen": "0.0.0.0:1700"}, False),
        ({"meters": [{"url": "http://10.2.3.4/values"}]}, False),
        ({"port": "socket://10.0.0.9:4001"}, False),
        ({"broker": {"host": "broker.example.org", "port": 8883}}, False),
        ({"gateway": "[2001:db8::1]:502"}, False),
        ({"url": "http://localhost:8080/"}, True),
        ({"connection": "routing", "host": "", "multicast_group": "224.0.23.12"}, False),
        ({"own": IPv4Address("10.0.0.5")}, False),
        ({"peers": ["2001:db8::7"], "host": ""}, False),
    ],
)
def test_who_names_another_machine_is_cut_off(options: dict[str, Any], goes_on: bool) -> None:
    assert isolation_verdict("x", options, perimeter=False, kept=()).goes_on is goes_on
    assert isolation_verdict("x", options, perimeter=True, kept=()).goes_on
    assert isolation_verdict("x", options, perimeter=False, kept=("x",)).goes_on


def test_a_read_only_hub_answers_questions_and_alerts_and_nothing_else() -> None:
    assert not is_refused("status")
    assert not is_refused("alert.ack")
    assert not is_refused("crisis.end")
    for call in ("device.add", "command.set", "config.apply", "pack.install", "something.new"):
        assert is_refused(call)


async def test_the_same_calls_change_things_again_once_the_hub_is_no_longer_read_only() -> None:
    asked = list[str]()

    def call(name: str) -> Any:
        async def answer(arguments: dict[str, Any]) -> Any:
            asked.append(name)

        return answer

    state = State()
    calls = guard({name: call(name) for name in ("status", "web.account.put", "picture.add")}, lambda: state)
    state = State(read_only=True, by="cli", why="audit")
    await calls["status"]({})
    for name in ("web.account.put", "picture.add"):
        with pytest.raises(ReadOnly, match=rf"since cli said so \(audit\): {name} is refused"):
            await calls[name]({})
    state = State()
    await calls["web.account.put"]({})
    assert asked == ["status", "web.account.put"]


def exported(tmp_path: Path) -> tuple[Path, Ed25519PrivateKey, str]:
    buffer = tmp_path / "buffer/readings"
    buffer.mkdir(parents=True)
    (buffer / "run-1").write_bytes(b"sealed" * 100)
    (buffer / ".ballast").write_bytes(bytes(10))
    identity = Ed25519PrivateKey.generate()
    folder, hub = tmp_path / "stick", hub_id(identity.public_key().public_bytes_raw())
    done = write(folder, hub=hub, made=1.0, identity=identity, buffer=tmp_path / "buffer", files={"status.json": b"{}"})
    size = 602 + len((folder / "LISEZ-MOI.txt").read_bytes())
    assert done == {"directory": str(folder), "files": 3, "bytes": size, "missing": []}
    return folder, identity, hub


def test_an_export_proves_itself_and_every_change_of_it_is_found(tmp_path: Path) -> None:
    folder, _, key = exported(tmp_path)
    assert verify(folder, key) == []
    assert verify(folder, "hub-other") == [f"this export is of {key}, not of hub-other"]
    segment = folder / "buffer/readings/run-1"
    segment.write_bytes(b"sealeD" + segment.read_bytes()[6:])
    (folder / "status.json").unlink()
    (folder / "extra").write_bytes(b"")
    assert verify(folder, key) == [
        "status.json is missing",
        "buffer/readings/run-1 was changed",
        "extra was added",
    ]
    (folder / "MANIFEST.json").write_bytes(
        (folder / "MANIFEST.json").read_bytes().replace(b'"made": 1.0', b'"made": 2.0')
    )
    assert verify(folder, key) == ["the manifest was not signed by this hub, or was changed"]


async def test_what_cannot_be_made_or_read_leaves_the_rest_of_an_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the day of an attack: the audit chain was tampered with, a file of the configuration is gone, a sector too."""

    async def tampered() -> bytes:
        raise StorageError("the audit chain is broken at entry 7")

    async def gone() -> bytes:
        return (tmp_path / "gone.yaml").read_bytes()

    async def fine() -> bytes:
        return b"{}"

    files = await gathered({"audit.json": tampered, "configuration/gone.yaml": gone, "status.json": fine})
    (tmp_path / "buffer" / "readings").mkdir(parents=True)
    for name in ("1.seg", "2.seg"):
        (tmp_path / "buffer" / "readings" / name).write_bytes(b"sealed")
    real = Path.read_bytes

    def read(path: Path) -> bytes:
        if path.name == "1.seg":
            raise OSError(5, "Input/output error", str(path))
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    identity = Ed25519PrivateKey.generate()
    hub = hub_id(identity.public_key().public_bytes_raw())
    done = write(tmp_path / "export", hub=hub, made=7.0, identity=identity, buffer=tmp_path / "buffer", files=files)
    assert done["missing"] == ["audit.json", "buffer/readings/1.seg", "configuration/gone.yaml"]
    assert (tmp_path / "export" / "status.json").read_bytes() == b"{}"
    assert (tmp_path / "export" / "buffer" / "readings" / "2.seg").read_bytes() == b"sealed"
    assert "entry 7" in (tmp_path / "export" / "audit.json.error.txt").read_text()
    assert verify(tmp_path / "export", hub) == []


async def test_an_export_that_the_disk_takes_no_note_of_is_made_all_the_same(tmp_path: Path) -> None:
    memory = Memory()
    memory.works = False
    crisis = crisis_of(memory, Hands())
    done = await crisis.calls()["crisis.export"]({"directory": str(tmp_path / "stick"), "by": "cli"})
    assert done["directory"] == str(tmp_path / "stick")
    assert crisis.complaints() == [], "nothing of the crisis is lost by a restart"


async def test_an_export_that_ends_while_the_crisis_is_left_does_not_bring_it_back(tmp_path: Path) -> None:
    class Slow(Memory):
        def __init__(self) -> None:
            super().__init__()
            self.asked, self.may = asyncio.Event(), asyncio.Event()

        async def audit(self, at: float, who: str, what: Mapping[str, object], *more: Any) -> None:
            if what["crisis"] == "end":
                self.asked.set()
                await self.may.wait()
            await super().audit(at, who, what, *more)

    memory, hands = Slow(), Hands()
    crisis = crisis_of(memory, hands)
    await crisis.calls()["crisis.isolate"]({"by": "cli", "why": "ransomware"})
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(crisis.calls()["crisis.end"]({"by": "cli", "why": "over"}))
        await memory.asked.wait()
        tasks.create_task(crisis.calls()["crisis.export"]({"directory": str(tmp_path / "out")}))
        await asyncio.sleep(0)
        memory.may.set()
    assert [one["crisis"] for one in memory.told] == ["isolated", "end", "export"]
    assert not decode(memory.kept[KEY]).holds
    assert crisis.complaints() == []


def test_an_export_never_writes_into_a_folder_that_is_there(tmp_path: Path) -> None:
    folder, identity, _ = exported(tmp_path)
    with pytest.raises(HubError, match="a new folder"):
        write(folder, hub="h", made=0.0, identity=identity, buffer=tmp_path / "buffer", files={})


def test_an_export_that_broke_off_proves_nothing(tmp_path: Path) -> None:
    folder, _, key = exported(tmp_path)
    (folder / "MANIFEST.json").unlink()
    assert verify(folder, key) == ["MANIFEST.json is missing: the export broke off, or this is none"]


def test_the_sheet_says_who_goes_on_and_nothing_in_it_is_markup_of_somebody_else() -> None:
    facts = Facts(
        hub="hub-1",
        title="École <b>",
        site="Riquier",
        made="25/11/2026",
        contacts={"Astreinte": "04 <script>"},
        plugins=[Verdict("modbus", False, ""), Verdict("linky", True, "")],
        writable={"modbus:x": ["setpoint"]},
        autonomy="9 j 4 h",
        fingerprint="AB:CD",
    )
    html = page(facts).replace("\u00a0", " ").replace("\u202f", " ")
    assert "Continuent : linky." in html
    assert "S'arrêtent : modbus." in html
    assert "École &lt;b&gt;" in html
    assert "<script>" not in html
    assert KEY not in html
    assert "ilot crisis sampling plan 5min" in html
    assert "après 24 h" in html


def test_a_sheet_without_contacts_says_where_to_enter_them_and_one_that_only_reads_says_so() -> None:
    facts = Facts("hub-1", "", "", "25/11/2026", {}, [], {}, "", "")
    html = page(facts).replace("\u00a0", " ").replace("\u202f", " ")
    assert "À compléter : <code>crisis.contacts</code>" in html
    assert "Rien : il ne fait que lire." in html


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, ""), (59, "0 min"), (3600, "1 h"), (47 * 3600, "47 h"), (220 * 3600, "9 j 4 h")]
)
def test_how_long_the_buffer_lasts_is_said_in_words(seconds: float | None, said: str) -> None:
    assert spell(seconds) == said


def test_the_fingerprint_breaks_so_that_the_sheet_fits_a_phone() -> None:
    assert "overflow-wrap:anywhere" in page(Facts("hub-1", "", "", "", {}, [], {}, "", "AB:" * 31 + "CD"))


async def test_a_crisis_whose_audit_the_disk_refuses_does_not_come_with_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await Store.open(tmp_path / "store.db", bytes(32))

    def refuse(*_: object) -> None:
        raise StorageError("the disk refuses")

    try:
        monkeypatch.setattr("hub.core.store.audit", refuse)
        answer = await crisis_of(store, Hands()).calls()["crisis.isolate"]({"by": "cli", "why": "ransomware"})
        assert not answer["remembered"]
        again = crisis_of(store, Hands())
        await again.load()
        assert not again.state.holds
    finally:
        await store.close()
