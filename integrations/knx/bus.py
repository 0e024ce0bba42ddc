"""Runs one connection to a bus: telegrams become reports, requests and commands are sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import hub
from hub.sdk.phrases import phrase
from integrations.knx import addresses, decode, values
from integrations.knx.asking import TICK, Asker
from integrations.knx.book import Book, Entry, Heard, Reading
from integrations.knx.link import Link, Said
from integrations.knx.settings import Config
from integrations.knx.shared import opened
from integrations.knx.writing import Writer, serve

WAITING = 4096
"""Maximum telegrams queued for the hub; a line carries 50 a second at most, routing more."""
REMEMBER_S = 60.0
_SEQUENCE = "sequence/"


async def run(config: Config, session: hub.Session) -> None:
    """Run until cancelled. Raises NotReady when the bus cannot be reached, AuthFailed when the keyring cannot be opened
    or does not fit."""
    player = Player(config, session)
    keyring = None
    if config.keyring is not None:
        from integrations.knx import keyring as keyrings

        keyring = await keyrings.load(
            config.keyring, config.keyring_password.get_secret_value(), player.remembered_sequences()
        )
    async with opened(config, player.hear, player.refuse, keyring) as link:
        try:
            await player.play(link)
        finally:
            player.remember(link)


class Player:
    """Connects the link and the session."""

    def __init__(self, config: Config, session: hub.Session) -> None:
        self._config = config
        self._session = session
        self._book = Book(values.value)
        self._heard = Heard(config.levels)
        self._queue: asyncio.Queue[Said] = asyncio.Queue(WAITING)
        self._told_full = False
        self._sequences: dict[str, int] = {
            sender: max(number, session.state.get(_SEQUENCE + sender, 0))
            for sender, number in _numbers(session.state.get("sequences"))
        }
        self._asker: Asker | None = None
        self._writer: Writer | None = None
        self._refresh()
        groups = session.state.get("groups")
        if isinstance(groups, Mapping):
            self._book.recall(groups)

    def remembered_sequences(self) -> dict[str, int]:
        return self._sequences

    async def play(self, link: Link) -> None:
        self._asker = Asker(
            self._book, link.ask, self._unanswered, self._refused, self._config.timeout.total_seconds(), time.time
        )
        commands = self._session.commands
        self._writer = Writer(self._book, link, commands.answer, self._config.levels, commands.wanted)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(), name="telegrams")
                tasks.create_task(self._question(link), name="questions")
                tasks.create_task(self._follow(), name="configuration")
                tasks.create_task(serve(self._session, self._writer), name="commands")
                await link.lost.wait()
                raise hub.NotReady(
                    phrase("knx.connection-lost", "{bus} is away: the connection was lost", bus=self._config.where)
                )
        except BaseExceptionGroup as failures:
            away, others = failures.split(hub.NotReady)
            if away is None or others is not None:
                raise
            raise hub.NotReady(
                phrase("knx.connection-lost", "{bus} is away: the connection was lost", bus=self._config.where)
            ) from failures

    def remember(self, ended: Link | None = None) -> None:
        """Store the state for the next process: when each address was last heard, and the senders' sequence numbers;
        once the link has `ended`, also those of telegrams that were no readings. Before that, queued telegrams are not
        included."""
        if self._book.states:
            self._session.state.put("groups", self._book.remember())
        if ended is not None:
            self._sequences |= ended.sequences
        if self._sequences:
            self._session.state.put("sequences", dict(self._sequences))

    # callbacks of the link: must not wait

    def hear(self, said: Said) -> None:
        if said.service == "read":
            return  # a read request of another device
        try:
            self._queue.put_nowait(said)
        except asyncio.QueueFull:
            self._session.radio.report_decode_error(
                "",
                hub.DecodeError(
                    "knx-overflow", phrase("knx.too-many-telegrams", "more telegrams than the hub can take")
                ),
            )

    def refuse(self, address: int | None, error: hub.DecodeError) -> None:
        devices = self._book.failed(address, error.reason) if address is not None else []
        for device in devices or [""]:
            self._session.radio.report_decode_error(device, error)

    # the tasks

    async def _read(self) -> None:
        while True:
            said = await self._queue.get()
            if said.address not in self._book.entries:
                self._stranger(said)
                continue
            if said.payload is None:
                continue
            readings, wrong = self._book.hear(said.address, said.source, said.payload, time.time())
            for device, error in wrong:
                self._session.radio.report_decode_error(device, error)
            await self._emit(said, readings)
            self._tell(said.address, readings)

    def _counted(self, sender: str, sequence: int) -> None:
        """Store a sender's sequence number together with its readings, in one commit: after a kill, a telegram is
        refused exactly if its reading was committed. All senders are stored once a minute, and when a new one sends."""
        new = sender not in self._sequences
        self._sequences[sender] = sequence
        if new:
            self._session.state.put("sequences", dict(self._sequences))
        self._session.state.put(_SEQUENCE + sender, sequence)

    def _tell(self, address: int, readings: list[Reading]) -> None:
        if self._asker is not None:
            for entry in self._book.entries.get(address, ()):
                self._asker.heard(entry.main)
        if self._writer is not None:
            for reading in readings:
                for metric in reading.values:
                    self._writer.heard(reading.device, metric)

    async def _emit(self, said: Said | None, readings: list[Reading]) -> None:
        """`said`: the telegram that they come from, None when they come from nobody's answer."""
        secure = said is not None and said.secure
        proof = hub.Proof(scheme="knx-data-secure" if secure else "knx", authenticated=secure, sealed=secure)
        reports = [
            hub.Report(device=reading.device, values=reading.values, quality=reading.quality, proof=proof)
            for reading in readings
        ]

        def note() -> None:
            if said is not None and said.sequence is not None:
                self._counted(addresses.show_individual(said.source), said.sequence)

        if reports:
            await self._session.emit(*reports, note=note)
        else:
            note()

    def _stranger(self, said: Said) -> None:
        evidence = self._heard.note(said.source, said.address, decode.size(said.payload))
        if evidence is None:
            self._session.radio.report_decode_error("", hub.DecodeError("knx-unknown-group"))
            return
        self._session.devices.discovered(
            hub.Candidate(
                id=f"knx:{addresses.show_individual(said.source)}", integration=self._session.name, evidence=evidence
            )
        )

    async def _question(self, link: Link) -> None:
        assert self._asker is not None  # noqa: S101 - `play` made it
        remembered = time.monotonic()
        asked_first = False
        async for _ in self._session.every(TICK):
            if not asked_first:
                asked_first = True
                await self._asker.ask(self._asker.first())
            self._pace(self._asker)
            await self._asker.ask(self._asker.next())
            if time.monotonic() - remembered >= REMEMBER_S:
                remembered = time.monotonic()
                self.remember()

    def _pace(self, asker: Asker) -> None:
        """Set how often devices are requested, and report the bus time that this costs."""
        asked: dict[str, list[Entry]] = {}
        for entry in self._book.metrics.values():
            if entry.group.every is not None:
                asked.setdefault(entry.device, []).append(entry)
        usual = {device: min(e.group.every for e in entries if e.group.every) for device, entries in asked.items()}
        now = self._session.polling.set_poll_intervals(usual, TICK)
        asker.quick = {device: every.total_seconds() for device, every in now.items() if every < usual[device]}
        for device, entries in asked.items():
            took = [asker.took[entry.main] for entry in entries if entry.main in asker.took]
            if took:
                latency = round(1000 * sum(took) / len(took), 1)
                self._session.radio.publish_facts(device, {"latency_ms": latency, "requests": len(entries)})

    async def _unanswered(self, address: int) -> None:
        error = hub.DecodeError(
            "knx-no-answer", phrase("knx.nobody-answers", "nobody answers: is the read flag set in ETS?")
        )
        for entry in self._book.entries.get(address, ()):
            self._session.radio.report_decode_error(entry.device, error)
        await self._emit(None, self._book.unanswered(address))
        for device in {entry.device for entry in self._book.entries.get(address, ())}:
            if self._book.is_silent(device):
                self._session.polling.polled(device, "silent")

    def _refused(self, address: int, error: hub.DecodeError) -> None:
        self.refuse(address, error)

    async def _follow(self) -> None:
        changes = self._session.devices.changes()
        self._refresh()  # changes made while connecting
        async for _ in changes:
            self._refresh()

    def _refresh(self) -> None:
        wrong = self._book.refresh(self._session.devices.all())
        for device, problem in (wrong or {}).items():
            if problem is not None:
                self._session.log.error(
                    phrase(
                        "knx.wrong-settings",
                        "{device} is not read: its settings are wrong: {reason}",
                        device=device,
                        reason=problem,
                    )
                )
        if wrong:
            for device, metrics in self._book.own_metrics().items():
                self._session.devices.declare(device, metrics=metrics)


def _numbers(kept: object) -> list[tuple[str, int]]:
    return [(str(k), v) for k, v in kept.items() if isinstance(v, int)] if isinstance(kept, Mapping) else []
