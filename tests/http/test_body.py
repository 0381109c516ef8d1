"""A body is read once, within its limits, and JSON is refused before it can cost."""

import os
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from nexios.adapters.asgi.errors import ClientDisconnect
from nexios.adapters.asgi.types import Message
from nexios.adapters.http import body as body_module
from nexios.adapters.http.body import BodyReader, content_length
from nexios.adapters.http.errors import (
    BodyConsumed,
    BodyStalled,
    BodyTooLarge,
    JsonTooComplex,
    MalformedBody,
)
from nexios.adapters.http.json_text import check_json, parse_json
from nexios.application.limits import Limits

LIMITS = Limits()
SUITE = Path(
    os.environ.get("NEXIOS_TEST_VECTORS", Path(__file__).parents[3] / "shared" / "vectors")
).joinpath("json-parsing", "test_parsing")


class Peer:
    """Sends chunks, then leaves or falls silent."""

    def __init__(self, *chunks: bytes, leaves: bool = False, silent: bool = False) -> None:
        self._chunks = list(chunks)
        self._leaves = leaves
        self._silent = silent
        self.asked = 0

    async def receive(self) -> Message:
        self.asked += 1
        await anyio.lowlevel.checkpoint()
        if self._chunks:
            chunk = self._chunks.pop(0)
            more = bool(self._chunks) or self._leaves or self._silent
            return {"type": "http.request", "body": chunk, "more_body": more}
        if self._leaves:
            return {"type": "http.disconnect"}
        await anyio.sleep_forever()
        raise AssertionError


def reader(
    peer: Peer, limits: Limits = LIMITS, headers: Sequence[tuple[bytes, bytes]] = ()
) -> BodyReader:
    return BodyReader(peer.receive, headers, limits)


@pytest.mark.anyio
@pytest.mark.parametrize("order", ["brb", "bsb", "sbs", "sb", "ss", "pb", "pss"])
async def test_read_in_any_order_the_bytes_are_the_same_and_the_wire_is_read_once(
    order: str,
) -> None:
    peer = Peer(b"one", b"", b"two", b"three")
    body = reader(peer)
    for step in order:
        if step in "br":
            assert await body.read() == b"onetwothree"
        elif step == "s":
            assert b"".join([chunk async for chunk in body.stream()]) == b"onetwothree"
        else:
            async for chunk in body.stream():
                assert chunk == b"one"
                break
    assert peer.asked == 4


@pytest.mark.anyio
async def test_two_readers_at_once_get_the_same_bytes() -> None:
    peer = Peer(b"one", b"two")
    body = reader(peer)
    got: list[bytes] = []

    async def read() -> None:
        got.append(await body.read())

    async def stream() -> None:
        got.append(b"".join([chunk async for chunk in body.stream()]))

    async with anyio.create_task_group() as tasks:
        for run in (read, stream, read):
            tasks.start_soon(run)
    assert got == [b"onetwo"] * 3
    assert peer.asked == 2


@pytest.mark.anyio
async def test_over_the_limit_by_its_length_nothing_is_received() -> None:
    peer = Peer(b"x")
    for read in (reader(peer, Limits(body=9), [(b"content-length", b"10")]).read,):
        with pytest.raises(BodyTooLarge) as refusal:
            await read()
        assert refusal.value.limit == 9
    assert peer.asked == 0


@pytest.mark.anyio
@pytest.mark.parametrize(("size", "fits"), [(8, True), (9, True), (10, False)])
async def test_over_the_limit_by_chunks_it_ends_at_the_chunk_that_crosses(
    size: int, fits: bool
) -> None:
    peer = Peer(*[b"x"] * size, *[b"y"] * 100 * (not fits))
    body = reader(peer, Limits(body=9))
    if fits:
        assert await body.read() == b"x" * size
        return
    with pytest.raises(BodyTooLarge):
        await body.read()
    assert peer.asked == 10


@pytest.mark.anyio
async def test_a_lying_length_does_not_lift_the_limit() -> None:
    peer = Peer(b"x" * 5, b"x" * 5)
    with pytest.raises(BodyTooLarge):
        await reader(peer, Limits(body=9), [(b"content-length", b"2")]).read()


@pytest.mark.anyio
async def test_a_stream_obeys_the_limit_too() -> None:
    got = []
    with pytest.raises(BodyTooLarge):
        async for chunk in reader(Peer(b"12345", b"67890"), Limits(body=9)).stream():
            got.append(chunk)  # noqa: PERF401  # what came before the error counts
    assert got == [b"12345"]


def test_a_stalled_body_is_given_up_after_the_idle_limit_of_its_last_byte() -> None:
    async def stall() -> float:
        with pytest.raises(BodyStalled) as refusal:
            await reader(Peer(b"x", silent=True)).read()
        assert refusal.value.idle_s == LIMITS.body_idle_s
        return trio.current_time()

    # A clock that jumps: nobody waits, and the figure is exact.
    clock = trio.testing.MockClock(autojump_threshold=0)
    assert trio.run(stall, clock=clock) == LIMITS.body_idle_s


@pytest.mark.parametrize(("pause_s", "fits"), [(14.9, True), (15.1, False)])
def test_a_byte_just_within_the_idle_limit_keeps_a_body_alive(pause_s: float, fits: bool) -> None:
    assert LIMITS.body_idle_s == 15.0

    async def slowly() -> None:
        peer = Peer(b"a", b"b", b"c")

        async def receive() -> Message:
            await trio.sleep(pause_s)
            return await peer.receive()

        body = BodyReader(receive, (), LIMITS)
        if fits:
            assert await body.read() == b"abc"
            return
        with pytest.raises(BodyStalled):
            await body.read()

    trio.run(slowly, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.mark.anyio
async def test_a_peer_that_leaves_is_told_apart() -> None:
    with pytest.raises(ClientDisconnect):
        await reader(Peer(b"x", leaves=True)).read()


@pytest.mark.anyio
async def test_cancelling_a_reader_lets_the_next_one_go_on() -> None:
    peer = Peer(b"x", silent=True)
    body = reader(peer)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(body.read)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
    peer._silent = False
    peer._chunks = [b"y"]
    assert await body.read() == b"xy"


@pytest.mark.anyio
async def test_a_long_stream_is_not_kept_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "KEPT_BYTES", 8)
    body = reader(Peer(*[b"1234"] * 5), Limits(body=None))
    assert [chunk async for chunk in body.stream()] == [b"1234"] * 5
    with pytest.raises(BodyConsumed, match="stream"):
        await body.read()
    with pytest.raises(BodyConsumed):
        await anext(aiter(body.stream()))


@pytest.mark.anyio
async def test_asking_whether_the_peer_left_loses_no_byte() -> None:
    body = reader(Peer(b"one", b"two", leaves=True))
    assert await body.left() is False
    gone = reader(Peer(leaves=True))
    with pytest.raises(ClientDisconnect):
        await gone.read()


@pytest.mark.parametrize(
    ("pairs", "length"),
    [
        ([], None),
        ([b"7"], 7),
        ([b"7", b"7"], 7),
        ([b"0"], 0),
    ],
)
def test_the_declared_length(pairs: list[bytes], length: int | None) -> None:
    assert content_length([(b"content-length", pair) for pair in pairs]) == length


@pytest.mark.parametrize(
    "pairs", [[b"7", b"8"], [b"-1"], [b"+1"], [b"1e3"], [b""], [b"7, 7"], [b"9" * 30], [b"\xb2"]]
)
def test_a_length_that_is_none_is_malformed(pairs: list[bytes]) -> None:
    with pytest.raises(MalformedBody):
        content_length([(b"content-length", pair) for pair in pairs])


HOSTILE = {
    "truncated": b'{"a": 1',
    "trailing comma": b"[1,]",
    "bad UTF-8": b'"\xff"',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "BOM": b"\xef\xbb\xbf{}",
    "lone surrogate": b'"\\ud800"',
    "NaN": b"NaN",
    "NaN inside": b'{"a": [1, NaN]}',
    "infinity": b"[-Infinity]",
    "100,000 open brackets": b"[" * 100_000,
    "100,000 open objects": b'{"a":' * 100_000,
    "5,000 digits": b"1" * 5000,
    "two values": b"1 2",
    "single quotes": b"{'a': 1}",
    "NUL": b"\x00",
    "unclosed string": b'"' + b"a" * 1000,
    "escaped end": b'"\\"',
    "comment": b"{} // x",
    "closing first": b"]" * 300 + b"[" * 300,
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_malformed_json_is_a_400_and_nothing_else(content: bytes) -> None:
    with pytest.raises(MalformedBody):
        parse_json(content, LIMITS)


@pytest.mark.parametrize(("digits", "fits"), [(4299, True), (4300, True), (4301, False)])
def test_digits_of_a_number_are_limited(digits: int, fits: bool) -> None:
    if fits:
        assert parse_json(b"9" * digits, LIMITS) == 10**digits - 1
        return
    with pytest.raises(MalformedBody):
        parse_json(b"9" * digits, LIMITS)


def test_an_empty_body_is_an_empty_object_and_duplicates_the_last() -> None:
    assert parse_json(b"", LIMITS) == {}
    assert parse_json(b'{"a":1,"a":2}', LIMITS) == {"a": 2}


@pytest.mark.parametrize(("depth", "fits"), [(199, True), (200, True), (201, False)])
@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_limited(brackets: tuple[bytes, bytes], depth: int, fits: bool) -> None:
    opening, closing = brackets
    content = opening * depth + b"1" + closing * depth
    if fits:
        parse_json(content, LIMITS)
        return
    with pytest.raises(JsonTooComplex, match="200 levels"):
        parse_json(content, LIMITS)


@pytest.mark.parametrize(("depth", "fits"), [(200, True), (201, False)])
def test_depth_is_counted_exactly_where_there_are_more_brackets(depth: int, fits: bool) -> None:
    inner = depth - 1
    content = b"[[],[]," + b"[" * inner + b"1" + b"]" * inner + b"]"
    if fits:
        parse_json(content, LIMITS)
        return
    with pytest.raises(JsonTooComplex):
        parse_json(content, LIMITS)


def test_an_empty_list_has_no_value_that_would_lie_within_it() -> None:
    # As the engine counts, which keeps to the depth itself where a body is validated.
    parse_json(b"[" * 200 + b"[ ]" + b"]" * 200, LIMITS)
    with pytest.raises(JsonTooComplex):
        parse_json(b"[" * 201 + b"[ ]" + b"]" * 201, LIMITS)


def test_breadth_is_no_depth_and_brackets_in_text_are_none() -> None:
    parse_json(b"[" + b"[]," * 300 + b"[]]", LIMITS)
    parse_json(b'["' + b"[" * 1000 + b'\\"[", "NaN", "Infinity"]', LIMITS)


@pytest.mark.parametrize(("items", "fits"), [(9, True), (10, True), (11, False)])
def test_tokens_are_limited_and_those_in_text_do_not_count(items: int, fits: bool) -> None:
    limits = Limits(json_tokens=10)
    content = b"[" + b",".join([b'",:[{"'] * items) + b"]"
    if fits:
        check_json(content, limits)
        return
    with pytest.raises(JsonTooComplex, match="10 JSON tokens"):
        check_json(content, limits)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_malformed(content: bytes) -> None:
    try:
        parse_json(content, LIMITS)
    except MalformedBody as refusal:
        assert "JSON" in str(refusal)  # noqa: PT017


@pytest.mark.skipif(not SUITE.is_dir(), reason="JSONTestSuite vectors are not beside the project")
def test_the_json_test_suite() -> None:
    wrong = []
    for case in sorted(SUITE.iterdir()):
        try:
            parse_json(case.read_bytes() or b" ", LIMITS)
            accepted = True
        except MalformedBody:
            accepted = False
        if (case.name[0] == "y" and not accepted) or (case.name[0] == "n" and accepted):
            wrong.append(case.name)
    assert wrong == []
