"""What every backplane owes: one class, run against each adapter by a file of its own."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import pytest

from nexios.application.backplane import (
    PAYLOAD_BYTES,
    Arrived,
    Backplane,
    Keep,
    Position,
    Present,
    Slice,
    Stored,
    Topic,
)
from nexios.testing.skips import lacks
from nexios.websockets.presence import presence_topic

ALL = Keep(count=1000, size=2**20, age_s=300.0)
TEA = Topic("chat", "tea")
ODD = ["a.b", "a*", ">", "a b", "🍵", "a/b", "%s", "tea:1", "'", "{x}"]


class Heard(list[Arrived]):
    """What a follower got, and somebody to wait for it."""

    came: anyio.Event | None = None

    def __call__(self, arrived: Arrived) -> None:
        self.append(arrived)
        if self.came is not None:
            self.came.set()

    async def until(self, count: int) -> None:
        with anyio.fail_after(20):
            while len(self) < count:
                self.came = anyio.Event()
                await self.came.wait()


class BackplaneContract:
    """Subclasses say how to make the adapter; ``moved`` lets its clock pass.

    Attributes:
        window_s: How long the adapter remembers an id.
        age_s: An age the adapter can be watched at.
        several_processes: Two adapters may share what is stored.
    """

    window_s = 120.0
    age_s = 60.0
    several_processes = True

    def make(self) -> AbstractAsyncContextManager[Backplane]:
        """Return an adapter with nothing stored; ``running`` starts it."""
        raise NotImplementedError

    def second(self, first: Backplane) -> Backplane:
        """Return what another process has beside ``first``."""
        raise NotImplementedError

    async def moved(self, backplane: Backplane, seconds: float) -> None:
        """Let so much time pass for the adapter."""
        raise NotImplementedError

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Backplane]:
        async with self.make() as backplane:
            await backplane.start()
            try:
                yield backplane
            finally:
                await backplane.close()

    @asynccontextmanager
    async def two(self) -> AsyncIterator[tuple[Backplane, Backplane]]:
        if not self.several_processes:
            lacks(type(self).__name__.removeprefix("Test"), "several processes")
        async with self.running() as one:
            other = self.second(one)
            await other.start()
            try:
                yield one, other
            finally:
                await other.close()

    @staticmethod
    async def told(
        backplane: Backplane, count: int, *, topic: Topic = TEA, keep: Keep = ALL
    ) -> list[Stored]:
        return [
            await backplane.publish(topic, b"%d" % n, id=f"{topic}-{n}", key=None, keep=keep)
            for n in range(count)
        ]

    async def test_offsets_grow_and_followers_get_them_in_order(self) -> None:
        one = Heard()
        two = Heard()
        async with (
            self.running() as backplane,
            backplane.follow(TEA, one),
            backplane.follow(TEA, two),
        ):
            stored = await self.told(backplane, 20)
            await one.until(20)
            await two.until(20)
        offsets = [item.position.offset for item in stored]
        assert offsets == sorted(set(offsets))
        assert [item.position for item in one] == [item.position for item in stored]
        assert one == two
        assert [item.payload for item in one] == [b"%d" % n for n in range(20)]

    async def test_previous_names_the_offset_before(self) -> None:
        seen = Heard()
        async with self.running() as backplane, backplane.follow(TEA, seen) as head:
            await self.told(backplane, 5)
            await seen.until(5)
        before = [head.offset, *(item.position.offset for item in seen[:-1])]
        assert [item.previous for item in seen] == before

    async def test_concurrent_publishers_make_one_order(self) -> None:
        seen = Heard()

        async def speak(backplane: Backplane, name: int) -> None:
            for n in range(10):
                await backplane.publish(TEA, b"x", id=f"{name}-{n}", key=None, keep=ALL)

        async with self.running() as backplane, backplane.follow(TEA, seen):
            async with anyio.create_task_group() as tasks:
                for name in range(5):
                    tasks.start_soon(speak, backplane, name)
            await seen.until(50)
            kept = await backplane.read(TEA, None, 100)
        assert [item.id for item in seen] == [item.id for item in kept.messages]
        for name in range(5):
            own = [item.id for item in seen if item.id.startswith(f"{name}-")]
            assert own == [f"{name}-{n}" for n in range(10)]

    async def test_same_id_is_stored_once(self) -> None:
        seen = Heard()
        async with self.running() as backplane, backplane.follow(TEA, seen):
            first = await backplane.publish(TEA, b"a", id="7", key=None, keep=ALL)
            again = await backplane.publish(TEA, b"b", id="7", key=None, keep=ALL)
            other = await backplane.publish(Topic("chat"), b"c", id="7", key=None, keep=ALL)
            last = await backplane.publish(TEA, b"d", id="8", key="k", keep=ALL)
            await seen.until(2)
            await self.moved(backplane, self.window_s + 1)
            late = await backplane.publish(TEA, b"e", id="7", key=None, keep=ALL)
        assert (first.duplicate, other.duplicate, last.duplicate) == (False, False, False)
        assert (again.duplicate, again.position) == (True, first.position)
        assert not late.duplicate
        assert [(item.payload, item.key) for item in seen[:2]] == [(b"a", None), (b"d", "k")]

    async def test_a_published_message_can_be_read_at_once(self) -> None:
        async with self.running() as backplane:
            stored = await self.told(backplane, 3)
            last = await backplane.read(TEA, None, 2)
            after = await backplane.read(TEA, stored[0].position, 10)
            nothing = await backplane.read(TEA, stored[2].position, 10)
        assert [item.payload for item in last.messages] == [b"1", b"2"]
        assert [item.payload for item in after.messages] == [b"1", b"2"]
        assert (after.head, after.complete) == (stored[2].position, True)
        assert (nothing.messages, nothing.complete) == ((), True)

    @pytest.mark.parametrize("after", [0, 1, 2, 3])
    async def test_slice_is_incomplete_exactly_after_trimming(self, after: int) -> None:
        async with self.running() as backplane:
            start = (await backplane.read(TEA, None, 1)).head
            stored = await self.told(backplane, 5, keep=Keep(3, 2**20, 300.0))
            asked = [start, *(item.position for item in stored)][after]
            asked = Position(stored[0].position.epoch, asked.offset)
            kept = await backplane.read(TEA, asked, 10)
        # Messages 1 and 2 are gone: who has seen 2 misses nothing, who has seen 1 does.
        assert kept.complete is (after >= 2)
        assert [item.payload for item in kept.messages] == [b"2", b"3", b"4"][max(0, after - 2) :]

    @pytest.mark.parametrize(
        ("keep", "left"),
        [
            (Keep(0, 2**20, 300.0), []),
            (Keep(2, 2**20, 300.0), [b"1", b"2"]),
            (Keep(9, 2, 300.0), [b"1", b"2"]),
            (Keep(9, 3, 300.0), [b"0", b"1", b"2"]),
        ],
    )
    async def test_history_respects_count_and_bytes(self, keep: Keep, left: list[bytes]) -> None:
        async with self.running() as backplane:
            await self.told(backplane, 3, keep=keep)
            kept = await backplane.read(TEA, None, 10)
        assert [item.payload for item in kept.messages] == left

    async def test_telling_of_presence_trims_no_history(self) -> None:
        async with self.running() as backplane:
            stored = await self.told(backplane, 3)
            await self.told(backplane, 3, topic=presence_topic(TEA), keep=Keep(0, 0, 0.0))
            kept = await backplane.read(TEA, stored[0].position, 10)
        assert (len(kept.messages), kept.complete) == (2, True)

    async def test_history_respects_age(self) -> None:
        keep = Keep(9, 2**20, self.age_s)
        async with self.running() as backplane:
            await self.told(backplane, 1, keep=keep)
            await self.moved(backplane, self.age_s / 10)
            kept = await backplane.read(TEA, None, 10)
            await self.moved(backplane, self.age_s)
            gone = await backplane.read(TEA, kept.messages[0].position, 10)
            lost: Slice = await backplane.read(
                TEA, Position(kept.head.epoch, kept.messages[0].previous), 10
            )
        assert [item.payload for item in kept.messages] == [b"0"]
        assert (gone.messages, gone.complete) == ((), True)
        assert (lost.messages, lost.complete) == ((), False)

    async def test_positions_from_elsewhere_are_incomplete(self) -> None:
        async with self.running() as backplane:
            head = (await self.told(backplane, 2))[-1].position
            ahead = await backplane.read(TEA, Position(head.epoch, head.offset + 1), 10)
            foreign = await backplane.read(TEA, Position("elsewhere", 0), 10)
            unknown = await backplane.read(Topic("chat", "none"), Position("elsewhere", 0), 10)
        assert (ahead.complete, foreign.complete, unknown.complete) == (False, False, False)
        assert ahead.head == foreign.head == head

    async def test_an_empty_topic_begins_before_its_first_message(self) -> None:
        seen = Heard()
        async with self.running() as backplane:
            head = (await backplane.read(TEA, None, 1)).head
            async with backplane.follow(TEA, seen) as followed:
                assert followed == head
                await self.told(backplane, 1)
                await seen.until(1)
            kept = await backplane.read(TEA, head, 10)
        assert (len(kept.messages), kept.complete) == (1, True)
        assert seen[0].previous == head.offset

    async def test_following_ends_with_its_context(self) -> None:
        seen = Heard()
        other = Heard()
        async with self.running() as backplane, backplane.follow(TEA, other):
            async with backplane.follow(TEA, seen):
                await self.told(backplane, 1)
                await seen.until(1)
            await backplane.publish(TEA, b"x", id="x", key=None, keep=ALL)
            await other.until(2)
        assert len(seen) == 1

    async def test_any_text_is_a_safe_topic(self) -> None:
        seen = {name: Heard() for name in ODD}
        async with self.running() as backplane:
            for name in ODD:
                await self.told(backplane, 1, topic=Topic("chat", name))
                async with backplane.follow(Topic("chat", name), seen[name]):
                    for spoken in ODD:
                        topic = Topic("chat", spoken)
                        await backplane.publish(
                            topic, spoken.encode(), id=f"{name}!{spoken}", key=None, keep=ALL
                        )
                    await seen[name].until(1)
        for name in ODD:
            assert [item.payload for item in seen[name]] == [name.encode()]

    async def test_payloads_are_opaque(self) -> None:
        payload = bytes(range(256)) * (PAYLOAD_BYTES // 256)
        async with self.running() as backplane:
            await backplane.publish(TEA, payload, id="1", key=None, keep=Keep(9, 2**21, 300.0))
            kept = await backplane.read(TEA, None, 1)
        assert kept.messages[0].payload == payload

    async def test_two_processes_see_one_order(self) -> None:
        here, there = Heard(), Heard()

        async def speak(backplane: Backplane, name: str) -> None:
            for n in range(20):
                await backplane.publish(TEA, b"x", id=f"{name}-{n}", key=None, keep=ALL)

        async with (
            self.two() as (one, other),
            one.follow(TEA, here),
            other.follow(TEA, there),
        ):
            async with anyio.create_task_group() as tasks:
                for n in range(2):
                    tasks.start_soon(speak, one, f"one{n}")
                    tasks.start_soon(speak, other, f"other{n}")
            await here.until(80)
            await there.until(80)
            kept = await other.read(TEA, None, 100)
        assert here == there == list(kept.messages)
        assert [item.previous for item in here[1:]] == [i.position.offset for i in here[:-1]]

    async def test_an_id_is_stored_once_for_all_processes(self) -> None:
        async with self.two() as (one, other):
            first = await one.publish(TEA, b"a", id="7", key=None, keep=ALL)
            again = await other.publish(TEA, b"a", id="7", key=None, keep=ALL)
        assert (again.position, again.duplicate) == (first.position, True)

    async def test_the_same_id_at_once_is_stored_once(self) -> None:
        seen, stored = Heard(), []

        async def speak(backplane: Backplane) -> None:
            stored.append(await backplane.publish(TEA, b"a", id="7", key=None, keep=ALL))

        async with self.running() as backplane, backplane.follow(TEA, seen):
            async with anyio.create_task_group() as tasks:
                for _ in range(5):
                    tasks.start_soon(speak, backplane)
            await backplane.publish(TEA, b"b", id="8", key=None, keep=ALL)
            await seen.until(2)
        assert [item.id for item in seen] == ["7", "8"]
        assert sorted(item.duplicate for item in stored) == [False, True, True, True, True]
        assert len({item.position for item in stored}) == 1

    async def test_a_cancelled_publish_leaves_the_adapter_clean(self) -> None:
        async with self.running() as backplane:
            for n in range(20):
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    await backplane.publish(TEA, b"x", id=f"cut-{n}", key=None, keep=ALL)
                stored = await backplane.publish(TEA, b"%d" % n, id=str(n), key=None, keep=ALL)
                kept = await backplane.read(TEA, None, 1)
                assert kept.messages[-1].position == stored.position
                assert kept.messages[-1].payload == b"%d" % n

    async def test_a_slice_has_its_limit_and_the_rest_follows(self) -> None:
        async with self.running() as backplane:
            start = (await backplane.read(TEA, None, 1)).head
            await self.told(backplane, 7)
            got: list[bytes] = []
            at = start
            for _ in range(4):
                part = await backplane.read(TEA, at, 3)
                assert part.complete
                got += [item.payload for item in part.messages]
                at = part.messages[-1].position if part.messages else at
        assert got == [b"%d" % n for n in range(7)]

    async def test_presence_is_what_was_noted_until_it_is_forgotten(self) -> None:
        ada = Present(TEA, "s1", "ada", {"name": "Ada", "n": [1, None]}, 1.5)
        bob = Present(TEA, "s2", None, {}, 2.5)
        odd = [Present(Topic("chat", name), "s3", name, {"n": name}, 3.0) for name in ODD]
        async with self.running() as backplane:
            assert list(await backplane.present(TEA)) == []
            await backplane.touch([bob, ada, *odd], 60.0)
            await backplane.touch([ada], 60.0)
            assert list(await backplane.present(TEA)) == [ada, bob]
            for entry in odd:
                assert list(await backplane.present(entry.topic)) == [entry]
            await backplane.forget([ada])
            await backplane.forget([ada])
            assert list(await backplane.present(TEA)) == [bob]

    async def test_presence_ends_by_itself(self) -> None:
        ada = Present(TEA, "s1", "ada", {}, 1.5)
        async with self.running() as backplane:
            await backplane.touch([ada], self.age_s)
            assert list(await backplane.present(TEA)) == [ada]
            await self.moved(backplane, self.age_s + 1)
            assert list(await backplane.present(TEA)) == []

    async def test_presence_is_seen_by_other_processes(self) -> None:
        ada = Present(TEA, "s1", "ada", {"name": "Ada"}, 1.5)
        bob = Present(TEA, "s2", "bob", {}, 2.5)
        async with self.two() as (one, other):
            await one.touch([ada], 60.0)
            await other.touch([bob], 60.0)
            assert list(await one.present(TEA)) == list(await other.present(TEA)) == [ada, bob]
