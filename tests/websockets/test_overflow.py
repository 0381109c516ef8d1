"""The queue of one socket: what fits, and what gives way."""

import pytest

from nexios.websockets.options import History, Overflow
from nexios.websockets.overflow import Item, Verdict, Waiting

DISCONNECT, OLDEST, LATEST = (
    Overflow.disconnect(), Overflow.drop_oldest(), Overflow.latest_by_key(),
)  # fmt: skip


def item(text: str, topic: str | None = "t", key: str | None = None, size: int = 1) -> Item:
    return Item({"type": "websocket.send", "text": text}, size, topic, key)


def texts(queue: Waiting) -> str:
    found = []
    while (one := queue.take()) is not None:
        found.append(one.frame["text"])
    assert (len(queue), queue.size) == (0, 0)
    return "".join(found)


def test_disconnect_is_full_at_the_count() -> None:
    queue = Waiting(max_count=2, max_bytes=100)
    verdicts = [queue.offer(item(text), DISCONNECT) for text in "abc"]
    assert verdicts == [Verdict.QUEUED, Verdict.QUEUED, Verdict.FULL]
    assert texts(queue) == "ab"


@pytest.mark.parametrize(("size", "verdict"), [(5, Verdict.QUEUED), (6, Verdict.FULL)])
def test_disconnect_is_full_at_the_bytes(size: int, verdict: Verdict) -> None:
    queue = Waiting(max_count=9, max_bytes=10)
    queue.offer(item("a", size=5), DISCONNECT)
    assert queue.offer(item("b", size=size), DISCONNECT) is verdict


def test_one_that_is_larger_than_the_bound_goes_into_an_empty_queue() -> None:
    queue = Waiting(max_count=9, max_bytes=10)
    assert queue.offer(item("a", size=99), DISCONNECT) is Verdict.QUEUED
    assert queue.offer(item("b"), DISCONNECT) is Verdict.FULL


def test_drop_oldest_drops_of_its_own_topic_and_never_a_reply() -> None:
    queue = Waiting(max_count=3, max_bytes=100)
    queue.offer(item("a", topic="other"), DISCONNECT)
    queue.put(item("r", topic=None))
    for text in "bcde":
        queue.offer(item(text), OLDEST)
    assert texts(queue) == "arde"


def test_drop_oldest_without_one_of_its_own_is_full() -> None:
    queue = Waiting(max_count=1, max_bytes=100)
    queue.offer(item("a", topic="other"), DISCONNECT)
    assert queue.offer(item("b"), OLDEST) is Verdict.FULL


def test_drop_oldest_makes_room_for_bytes() -> None:
    queue = Waiting(max_count=9, max_bytes=10)
    for text in "abc":
        queue.offer(item(text, size=3), OLDEST)
    assert queue.offer(item("d", size=7), OLDEST) is Verdict.DROPPED_OLDEST
    assert texts(queue) == "cd"


def test_latest_by_key_replaces_and_goes_to_the_end() -> None:
    queue = Waiting(max_count=9, max_bytes=100)
    for text, key in (("a", "1"), ("b", "2"), ("c", "1"), ("d", None), ("e", "2")):
        queue.offer(item(text, key=key), LATEST)
    queue.offer(item("f", topic="other", key="1"), LATEST)
    assert texts(queue) == "cdef"


def test_latest_by_key_counts_keys() -> None:
    queue = Waiting(max_count=1000, max_bytes=2**20)
    for number in range(256):
        assert queue.offer(item("a", key=str(number)), LATEST) is Verdict.QUEUED
    assert queue.offer(item("b", key="0"), LATEST) is Verdict.REPLACED
    assert queue.offer(item("c", key="256"), LATEST) is Verdict.FULL


def test_many_replacements_stay_small() -> None:
    queue = Waiting(max_count=4, max_bytes=100)
    for number in range(100_000):
        queue.offer(item(str(number % 10), key="k"), LATEST)
    assert texts(queue) == "9"


def test_a_waiting_reply_can_be_taken_back_once() -> None:
    queue = Waiting(max_count=4, max_bytes=100)
    reply = item("r", topic=None)
    queue.put(reply)
    assert queue.discard(reply)
    assert not queue.discard(reply)
    assert texts(queue) == ""


def test_clearing_gives_back_the_replies() -> None:
    queue = Waiting(max_count=4, max_bytes=100)
    reply = item("r", topic=None)
    queue.offer(item("a", key="k"), LATEST)
    queue.put(reply)
    assert queue.clear() == [reply]
    assert queue.offer(item("b", key="k"), LATEST) is Verdict.QUEUED
    assert texts(queue) == "b"


@pytest.mark.parametrize("bad", [{"count": -1}, {"bytes": -1}, {"age_s": -0.1}])
def test_histories_are_not_negative(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="negative"):
        History(**bad)
