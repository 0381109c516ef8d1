"""The memory backplane: the contract, and what only one process has to mind."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from nexios.adapters.messaging.memory_backplane import MemoryBackplane
from nexios.application.backplane import Backplane, Keep, Topic
from tests.contracts.backplane import ALL, TEA, BackplaneContract

pytestmark = pytest.mark.anyio


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class TestMemoryBackplane(BackplaneContract):
    several_processes = False

    @asynccontextmanager
    async def make(self) -> AsyncIterator[Backplane]:
        self.clock = Clock()
        yield MemoryBackplane(clock=self.clock)

    async def moved(self, backplane: Backplane, seconds: float) -> None:
        self.clock.now += seconds


async def test_the_process_cap_drops_the_longest_unused_first() -> None:
    backplane = MemoryBackplane(process_bytes=30)
    for name in ("a", "b", "a"):
        for number in range(2):
            await backplane.publish(
                Topic(name), b"x" * 5, id=f"{name}{number}{backplane}", key=None, keep=ALL
            )
    for number in range(5):
        await backplane.publish(Topic("c"), b"x" * 5, id=str(number), key=None, keep=ALL)
    left = {n: len((await backplane.read(Topic(n), None, 9)).messages) for n in ("a", "b", "c")}
    assert left == {"a": 1, "b": 0, "c": 5}


async def test_what_is_idle_is_forgotten_and_comes_back_in_another_epoch() -> None:
    clock = Clock()
    backplane = MemoryBackplane(clock=clock)
    old = await backplane.publish(TEA, b"x", id="1", key=None, keep=Keep(9, 99, 10.0))
    for number in range(1000):
        await backplane.publish(Topic("r", str(number)), b"x", id="1", key=None, keep=ALL)
    clock.now += 1000
    await backplane.publish(Topic("other"), b"x", id="1", key=None, keep=ALL)
    assert len(backplane._logs) == 1
    new = await backplane.publish(TEA, b"x", id="1", key=None, keep=ALL)
    assert new.position.epoch != old.position.epoch
    assert not (await backplane.read(TEA, old.position, 9)).complete


async def test_topics_that_are_only_followed_are_forgotten_too() -> None:
    clock = Clock()
    backplane = MemoryBackplane(clock=clock)
    for number in range(1000):
        async with backplane.follow(Topic("r", str(number)), lambda _: None):
            pass
    clock.now += 1000
    async with backplane.follow(TEA, lambda _: None):
        assert len(backplane._logs) == 1


async def test_a_followed_topic_is_not_forgotten() -> None:
    clock = Clock()
    backplane = MemoryBackplane(clock=clock)
    async with backplane.follow(TEA, lambda _: None) as head:
        await backplane.publish(TEA, b"x", id="1", key=None, keep=Keep(0, 0, 0.0))
        clock.now += 1000
        later = await backplane.publish(TEA, b"x", id="2", key=None, keep=ALL)
    assert (later.position.epoch, later.position.offset) == (head.epoch, 2)


async def test_a_start_has_an_epoch_of_its_own() -> None:
    backplane = MemoryBackplane()
    before = await backplane.publish(TEA, b"x", id="1", key=None, keep=ALL)
    await backplane.close()
    await backplane.start()
    assert not (await backplane.read(TEA, before.position, 9)).complete


async def test_remembered_ids_are_bounded() -> None:
    backplane = MemoryBackplane(process_ids=10)
    for number in range(50):
        await backplane.publish(TEA, b"x", id=str(number), key=None, keep=ALL)
    assert len(backplane._ids) <= 11
    assert (await backplane.publish(TEA, b"x", id="49", key=None, keep=ALL)).duplicate
    assert not (await backplane.publish(TEA, b"x", id="0", key=None, keep=ALL)).duplicate
