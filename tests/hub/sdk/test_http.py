"""The hub's own calls over HTTP/1.1, against servers that say exactly these bytes; TLS, proxies and certificates are in
tests/plugins/https and tests/hub/store_and_forward/test_egress.py, large transfers and aiohttp's server too."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import threading
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.sdk.http import Answer, HttpClient, TooLong, Unanswered
from hub.sdk.http.connection import INTERIM, PORTION, Line, exchanged
from hub.sdk.http.messages import asked
from tests.serving import start_server

OK = b"HTTP/1.1 200 OK\r\n"
SORT = OK + b"X-Sort: plain\r\n"
LIMIT = 1000


class Server:
    """Says `reply` to every request that is whole, in these pieces; notes what it was asked."""

    def __init__(self, *pieces: bytes, close: bool = False, late: bytes = b"") -> None:
        self.pieces, self.close, self.late = pieces, close, late
        self.asked: list[bytes] = []
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.spoke = asyncio.Event()
        """It said what is late, or closed."""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(x[16:]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length: ")), 0
                )
                self.asked.append(head + await reader.readexactly(length))
                for piece in self.pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if self.late:
                    await asyncio.sleep(0.02)
                    writer.write(self.late)
                    self.spoke.set()
                if self.close:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.spoke.set()


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[str]:
    made = await start_server(server.handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{made.sockets[0].getsockname()[1]}"
    finally:
        made.close()
        for writer in server.writers:
            writer.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def calling(server: Server, **options: Any) -> AsyncIterator[Callable[..., Awaitable[Answer]]]:
    client = HttpClient(**options)
    async with serving(server) as url:

        async def call(method: str = "GET", path: str = "/", **more: Any) -> Answer:
            given = {"context": None, "limit": LIMIT, "timeout_s": 60.0, **more}
            return await client.call(method, url + path, **given)

        call.client = client  # type: ignore[attr-defined]
        try:
            yield call
        finally:
            await client.close()


FRAMINGS = {
    "by its length": SORT + b"Content-Length: 5\r\n\r\nhello",
    "in chunks": SORT + b"Transfer-Encoding: chunked\r\n\r\n2;ext=1\r\nhe\r\n3\r\nllo\r\n0\r\nTrailer: x\r\n\r\n",
    "after a hint": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + SORT + b"content-length: 5\r\n\r\nhello",
}  # fmt: skip


@pytest.mark.real("network")
@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_body_is_read_whole_however_it_is_framed_and_the_connection_used_again(framing: str) -> None:
    server = Server(FRAMINGS[framing])
    async with calling(server) as call:
        for _ in range(3):
            answer = await call("POST", body=b"question")
            assert (answer.status, answer.body, answer.headers["X-Sort"]) == (200, b"hello", "plain")
    assert server.connections == 1
    assert {one.rpartition(b"\r\n\r\n")[2] for one in server.asked} == {b"question"}


@pytest.mark.real("network")
@settings(max_examples=40, deadline=None)
@given(framing=st.sampled_from(sorted(FRAMINGS)), cuts=st.lists(st.integers(1, 150), max_size=8, unique=True))
def test_how_the_network_cuts_an_answer_changes_nothing(framing: str, cuts: list[int]) -> None:
    reply, at = FRAMINGS[framing], [0, *sorted(cuts), None]
    pieces = [reply[start:end] for start, end in pairwise(at)]

    async def ask() -> Answer:
        async with calling(Server(*pieces)) as call:
            return await call()

    answer = asyncio.run(ask())
    assert (answer.status, answer.body, answer.headers["X-Sort"]) == (200, b"hello", "plain")


@pytest.mark.real("network")
async def test_a_body_that_ends_with_the_connection_is_whole_and_nothing_is_asked_on_that_one_again() -> None:
    server = Server(OK + b"\r\nhello", close=True)
    async with calling(server) as call:
        assert (await call()).body == b"hello"
        assert (await call()).body == b"hello"
    assert server.connections == 2


@pytest.mark.real("network")
async def test_an_answer_without_a_body_has_none_though_it_names_a_length() -> None:
    async with calling(Server(OK + b"Content-Length: 5\r\n\r\n")) as call:
        assert (await call("HEAD")).body == b""
    async with calling(Server(b"HTTP/1.1 204 No Content\r\n\r\n")) as call:
        assert await call() == (204, {}, b"")
        assert (await call()).status == 204


@pytest.mark.real("network")
@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        OK + b"Content-Length: 5\r\n\r\nhell",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        OK + b"A header without a colon\r\n\r\n",
        OK + b"X: " + bytes(70_000) + b"\r\n\r\n",
    ],
)
async def test_what_is_no_whole_answer_of_http_is_none(reply: bytes) -> None:
    async with calling(Server(reply, close=True)) as call:
        with pytest.raises(Unanswered) as caught:
            await call()
    assert str(caught.value)


@pytest.mark.real("network")
async def test_a_body_beyond_the_limit_is_refused_and_one_of_the_limit_is_not() -> None:
    async with calling(Server(OK + b"Content-Length: 1000\r\n\r\n" + bytes(1000))) as call:
        assert len((await call()).body) == LIMIT
    async with calling(Server(OK + b"Content-Length: 1001\r\n\r\n" + bytes(1001))) as call:
        with pytest.raises(TooLong, match="more than 1000 bytes"):
            await call()
    server = Server(b"HTTP/1.1 503 Busy\r\nContent-Length: 2000\r\n\r\n" + b"a" * 2000)
    async with calling(server) as call:
        assert await call(cut=3) == (503, {"Content-Length": "2000"}, b"aaa")
        assert (await call(cut=3)).status == 503
    assert server.connections == 2, "what was left unread is not read as the next answer"


@pytest.mark.real("network")
@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        (b"gzip", gzip.compress(b"hello" * 9, mtime=0)),
        (b"deflate", zlib.compress(b"hello" * 9)),
        (b"Deflate", zlib.compress(b"hello" * 9, wbits=-15)),
        (b"identity", b"hello" * 9),
    ],
)
async def test_a_server_that_compresses_unasked_is_understood(coding: bytes, packed: bytes) -> None:
    head = b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (coding, len(packed))
    async with calling(Server(OK + head + packed)) as call:
        assert (await call()).body == b"hello" * 9


@pytest.mark.real("network")
@pytest.mark.parametrize(
    ("packed", "error"),
    [(gzip.compress(bytes(10**6), mtime=0), TooLong), (gzip.compress(b"hello", mtime=0)[:-9], Unanswered)],
)
async def test_a_body_that_unpacks_to_more_than_the_limit_or_not_at_all_is_refused(
    packed: bytes, error: type[Exception]
) -> None:
    assert len(packed) < 1100
    head = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with calling(Server(OK + head + packed)) as call:
        with pytest.raises(error):
            await call(limit=1100)


@pytest.mark.real("network")
async def test_a_connection_that_the_server_closed_or_spoke_on_unasked_is_not_used_again() -> None:
    for late in (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b""):
        server = Server(OK + b"Content-Length: 4\r\n\r\ngood", late=late, close=not late)
        async with calling(server) as call:
            assert (await call()).body == b"good"
            async with asyncio.timeout(60):
                await server.spoke.wait()
            await asyncio.sleep(0.01)  # a turn of the loop, in which it is heard
            assert (await call()).body == b"good"
        assert server.connections == 2


@pytest.mark.real("network")
async def test_two_answers_to_one_question_are_one_and_the_second_is_nobodys() -> None:
    server = Server((OK + b"Content-Length: 4\r\n\r\ngood") + (OK + b"Content-Length: 4\r\n\r\nevil"))
    async with calling(server) as call:
        assert [(await call()).body for _ in range(3)] == [b"good"] * 3
    assert server.connections == 3


@pytest.mark.real("network")
async def test_idle_connections_are_few_and_not_kept_for_ever() -> None:
    server = Server(OK + b"Content-Length: 0\r\n\r\n")
    async with calling(server, keep=2, keep_s=2.0) as call:
        await asyncio.gather(*(call() for _ in range(4)))
        idle = call.client._idle  # type: ignore[attr-defined]
        assert sum(map(len, idle.values())) == 2
        async with asyncio.timeout(60):
            while idle:
                await asyncio.sleep(0.01)
        await call()
    assert server.connections == 5


@pytest.mark.real("network")
async def test_a_call_that_is_given_up_closes_its_connection_and_the_next_gets_its_own_answer() -> None:
    server = Server(OK + b"Content-Length: 4\r\n\r\n", late=b"slow")
    async with calling(server) as call:
        given_up = asyncio.create_task(call())
        async with asyncio.timeout(60):
            while not server.asked:
                await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert (await call()).body == b"slow"
    assert server.connections == 2


@pytest.mark.real("network")
async def test_an_answer_that_comes_before_the_question_is_whole_is_heard() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!")
            await reader.read(-1)
        finally:  # also when the test is over before all of the question has come
            writer.transport.abort()

    made = await start_server(refuse, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{made.sockets[0].getsockname()[1]}/"
    client = HttpClient()
    answer = await client.call("POST", url, context=None, limit=9, timeout_s=60, body=bytes(8 << 20))
    assert (answer.status, answer.body) == (413, b"no!")
    await client.close()
    made.close()


def written(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[str, dict[str, str]]:
    _, target, given = asked(method, url, None, None, {k.replace("_", "-"): v for k, v in headers.items()}, body)
    return target, dict(given)


def test_addresses_are_written_as_the_protocol_wants_them() -> None:
    assert written("http://a.example") == ("/", {"Host": "a.example"})
    assert written("http://a.example:80/x?y=1#part") == ("/x?y=1", {"Host": "a.example"})
    assert written("http://[::1]:8080/é f?q=à&r=%20") == ("/%C3%A9%20f?q=%C3%A0&r=%20", {"Host": "[::1]:8080"})
    assert written("http://münchen.example/")[1] == {"Host": "xn--mnchen-3ya.example"}
    assert written("http://u%40x:p%3A@a/")[1]["Authorization"] == "Basic dUB4OnA6"  # RFC 7617 of "u@x:p:"
    assert written("http://u:p@a/", Authorization="Bearer x")[1]["Authorization"] == "Bearer x"
    assert written("http://a/", "POST")[1]["Content-Length"] == "0"
    assert "Content-Length" not in written("http://a/")[1]


@pytest.mark.parametrize("url", ["a.example", "ftp://a/", "http:///x", "http://a:99999/", "http://[::1/", "https://a/"])
def test_what_is_no_address_to_call_is_told(url: str) -> None:
    with pytest.raises(Unanswered):
        written(url)


@pytest.mark.real("network")
async def test_a_header_that_would_write_a_second_one_is_refused() -> None:
    server = Server(OK + b"Content-Length: 0\r\n\r\n")
    async with calling(server) as call:
        with pytest.raises(Unanswered):
            await call(headers={"X-Name": "a\r\nX-Other: b"})
        assert (await call()).status == 200
    assert len(server.asked) == 1


@pytest.mark.real("network")
async def test_a_header_that_cannot_be_sent_is_told_by_its_name_and_never_by_its_value() -> None:
    server = Server(OK + b"Content-Length: 0\r\n\r\n")
    async with calling(server) as call:
        for value in ("Bearer s3cret\n", " s3cret", "s3cret\x00"):
            with pytest.raises(Unanswered, match="'Authorization'") as caught:
                await call(headers={"Authorization": value})
            assert "s3cret" not in str(caught.value)
    for url in ("http://user:s3cret@/", "http://user:s3cret@host:x/", "gopher://user:s3cret@host/"):
        with pytest.raises(Unanswered) as caught:
            written(url)
        assert "s3cret" not in str(caught.value)


@pytest.mark.real("network")
async def test_bytes_that_are_no_utf_8_go_back_as_they_came() -> None:
    server = Server(OK + b'ETag: "caf\xe9"\r\nContent-Length: 0\r\n\r\n')
    async with calling(server) as call:
        tag = (await call()).headers["ETag"]
        await call(headers={"If-None-Match": tag}, path="/caf\udce9")
    assert b'If-None-Match: "caf\xe9"\r\n' in server.asked[1]
    assert server.asked[1].startswith(b"GET /caf%E9 ")


@pytest.mark.real("network")
async def test_an_answer_that_waits_before_the_question_is_nobodys() -> None:
    """The loop has not looked at the connection since: only the socket knows."""
    said = threading.Event()

    def serve(listener: socket.socket) -> None:
        for number in range(2):
            there, _ = listener.accept()
            there.recv(4096)
            there.sendall(OK + b"Content-Length: 1\r\n\r\n%d" % number)
            if not number:
                time.sleep(0.05)
                there.sendall(OK + b"Content-Length: 4\r\n\r\nevil")
                said.set()
                first = there
        first.close()
        there.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        client, url = HttpClient(), f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert (await client.call("GET", url, context=None, limit=9, timeout_s=60)).body == b"0"
        said.wait(60)  # and the loop with it
        assert (await client.call("GET", url, context=None, limit=9, timeout_s=60)).body == b"1"
        await client.close()
        thread.join()


async def test_a_server_that_speaks_before_it_is_asked_is_told_at_once() -> None:
    line = Line()
    line.connection_made(Wire())
    line.data_received(b"220 mail.example ESMTP\r\n")
    async with asyncio.timeout(60):
        with pytest.raises(ConnectionAbortedError, match="before it is asked"):
            await exchanged(line, "GET", "/", [("Host", "a")], None, LIMIT, None)


class Wire(asyncio.Transport):
    """Takes everything; counts how often nothing more was wanted."""

    def __init__(self) -> None:
        super().__init__()
        self.paused = self.resumed = 0

    def write(self, data: object) -> None:
        pass

    def abort(self) -> None:
        pass

    def pause_reading(self) -> None:
        self.paused += 1

    def resume_reading(self) -> None:
        self.resumed += 1


async def test_an_answer_in_a_great_many_pieces_leaves_the_loop_its_turns() -> None:
    many = 50 * PORTION
    line, wire, turns = Line(), Wire(), 0
    line.connection_made(wire)

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.ensure_future(count())
    asking = asyncio.ensure_future(exchanged(line, "GET", "/", [("Host", "a")], None, many, None))
    await asyncio.sleep(0)
    turns = 0
    line.data_received(OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * many + b"0\r\n\r\n")
    assert (await asking).body == b"x" * many
    counting.cancel()
    assert turns >= many / PORTION
    assert wire.paused == wire.resumed >= many / PORTION - 1


@pytest.mark.real("network")
async def test_answers_before_the_one_that_counts_are_few() -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    last = OK + b"Content-Length: 2\r\n\r\nok"
    async with calling(Server(hint * INTERIM + last)) as call:
        assert (await call()).body == b"ok"
    async with calling(Server(hint * (INTERIM + 1) + last)) as call:
        with pytest.raises(Unanswered, match="before the one that counts"):
            await call()


@pytest.mark.real("network")
async def test_after_an_answer_of_two_lengths_nothing_is_asked_on_that_connection() -> None:
    server = Server(OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    async with calling(server) as call:
        assert [(await call()).body for _ in range(2)] == [b"ok", b"ok"]
    assert server.connections == 2


@pytest.mark.real("network")
async def test_an_answer_without_a_body_is_whole_whatever_coding_it_names() -> None:
    async with calling(Server(OK + b"Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n")) as call:
        assert (await call("HEAD")).body == b""
    async with calling(Server(b"HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\n\r\n")) as call:
        assert (await call()).status == 304


@pytest.mark.real("network")
async def test_an_explanation_is_cut_short_though_it_came_packed() -> None:
    packed = gzip.compress(b"no" * 300)
    head = b"HTTP/1.1 503 No\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with calling(Server(head + packed)) as call:
        assert (await call(cut=100)).body == b"no" * 50


@pytest.mark.real("network")
async def test_garbage_is_told_in_few_words() -> None:
    async with calling(Server(b"\x00garbage" * 5000 + b"\r\n\r\n")) as call:
        with pytest.raises(Unanswered) as caught:
            await call()
    assert len(str(caught.value)) <= 300


@pytest.mark.real("network")
async def test_a_name_that_tls_cannot_have_is_told_and_leaves_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []

    def counted(address: tuple[Any, ...]) -> socket.socket:
        made.append(socket.socket(*address[:3]))
        return made[-1]

    async with serving(Server(OK)) as url:
        port = int(url.rpartition(":")[2])
        loop = asyncio.get_running_loop()
        there = await loop.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM)

        async def anywhere(*_: Any, **__: Any) -> Any:
            return there

        monkeypatch.setattr(loop, "getaddrinfo", anywhere)
        client = HttpClient(sockets=counted)
        with pytest.raises(Unanswered):
            await client.call(
                "GET", f"https://.example:{port}/", context=ssl.create_default_context(), limit=9, timeout_s=60
            )
        assert [one.fileno() for one in made] == [-1]
        await client.close()
