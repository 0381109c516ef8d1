"""What is revoked, kept near the checks."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from nexios.adapters.security.memory_tokens import MemoryRevocations
from nexios.application.errors import Unavailable
from nexios.application.replica import RevocationReplica
from nexios.application.revocations import Credential, Deltas, Kind, Revoked

pytestmark = pytest.mark.asyncio

NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=1)


class Ticks:
    """Seconds that pass when they are told to."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


class Flaky(MemoryRevocations):
    """A store that can be down, or forget everything."""

    def __init__(self) -> None:
        super().__init__(now=lambda: NOW)
        self.down = False
        self.asked: list[int] = []

    async def since(self, sequence: int) -> Deltas:
        self.asked.append(sequence)
        if self.down:
            raise Unavailable("the database is down")
        return await super().since(sequence)


class World:
    def __init__(self, *, required: bool = False) -> None:
        self.store = Flaky()
        self.clock = Ticks(1000.0)
        self.now = Ticks(NOW.timestamp())
        self.changes = 0
        self.replica = RevocationReplica(required=required, clock=self.clock, now=self.now)

    def changed(self) -> None:
        self.changes += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[RevocationReplica]:
        async with anyio.create_task_group() as tasks:
            await self.replica.start(self.store, tasks, changed=self.changed)
            yield self.replica
            tasks.cancel_scope.cancel()


ADA = Credential("ada", "t1", "s1", NOW.timestamp() - 60)


async def test_without_a_store_nothing_is_revoked() -> None:
    replica = RevocationReplica(required=True)
    assert not replica.refuses(ADA)
    await replica.look()


@pytest.mark.parametrize("kind", list(Kind))
async def test_each_kind_refuses_what_it_names_and_nothing_else(kind: Kind) -> None:
    world = World()
    async with world.running() as replica:
        if kind is Kind.TOKEN:
            await world.store.token("t1", LATER)
        elif kind is Kind.SESSION:
            await world.store.session("s1", LATER)
        else:
            await world.store.subject("ada", NOW)
        assert not replica.refuses(ADA)
        await replica.look()
        assert replica.refuses(ADA)
        assert world.changes == 1
        assert not replica.refuses(Credential("bob", "t2", "s2", 0.0))
        assert not replica.refuses(Credential())
        # A name of one kind is none of another.
        assert not replica.refuses(Credential("t1", "s1", "ada", 0.0))
        assert not replica.refuses(Credential("s1", "ada", "t1", 0.0))
        await replica.look()
        assert world.changes == 1


async def test_an_entry_without_a_name_refuses_nobody() -> None:
    world = World()
    async with world.running() as replica:
        await world.store.token("", LATER)
        await world.store.session("", LATER)
        await world.store.subject("", NOW)
        await replica.look()
        assert not replica.refuses(Credential())
        assert world.changes == 0


async def test_a_subject_may_come_again_with_what_is_newer() -> None:
    world = World()
    moment = NOW.timestamp()
    async with world.running() as replica:
        await world.store.subject("ada", NOW)
        await replica.look()
        assert replica.refuses(Credential("ada", issued_at=moment - 0.001))
        assert replica.refuses(Credential("ada", issued_at=None))
        assert not replica.refuses(Credential("ada", issued_at=moment))
        await world.store.subject("ada", NOW + timedelta(seconds=5))
        await replica.look()
        assert replica.refuses(Credential("ada", issued_at=moment))
        assert world.changes == 2


async def test_the_store_is_asked_for_what_is_new() -> None:
    world = World()
    await world.store.token("t0", LATER)
    async with world.running() as replica:
        await world.store.token("t1", LATER)
        await replica.look()
        await replica.look()
    assert world.store.asked[:3] == [0, 1, 2]


async def test_it_is_read_at_the_start_and_then_by_itself() -> None:
    world = World()
    await world.store.token("t0", LATER)
    async with world.running() as replica:
        assert replica.refuses(Credential(token="t0"))
        await world.store.token("t1", LATER)
        with anyio.fail_after(1.0):
            while not replica.refuses(Credential(token="t1")):  # noqa: ASYNC110  # no event tells
                await anyio.sleep(0.01)


async def test_what_has_ended_is_forgotten() -> None:
    world = World()
    async with world.running() as replica:
        await world.store.token("t1", NOW + timedelta(seconds=30))
        await world.store.subject("ada", NOW, until=NOW + timedelta(seconds=30))
        await replica.look()
        assert replica.refuses(ADA)
        world.now.at += 31
        assert not replica.refuses(ADA)
        world.clock.at += 61
        await replica.look()
        world.now.at -= 31
        assert not replica.refuses(ADA)


async def test_a_store_that_began_anew_is_read_from_its_beginning() -> None:
    world = World()
    for n in range(3):
        await world.store.token(f"old{n}", LATER)
    async with world.running() as replica:
        world.store.__init__()  # type: ignore[misc]  # as after a restart
        await world.store.token("new", LATER)
        await replica.look()
        assert replica.refuses(Credential(token="new"))
        assert replica.refuses(Credential(token="old1"))


async def test_required_refuses_everything_once_the_list_is_too_old(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(required=True)
    async with world.running() as replica:
        world.store.down = True
        world.clock.at += 30
        await replica.look()
        assert not replica.refuses(ADA)
        world.clock.at += 1
        with pytest.raises(Unavailable) as refusal:
            replica.refuses(ADA)
        assert refusal.value.retry_after_s == 2.0
        assert not replica.over(ADA)
        world.store.down = False
        await replica.look()
        assert not replica.refuses(ADA)


async def test_best_effort_goes_on_with_what_it_knows_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "nexios.auth")
    world = World()
    await world.store.token("t9", LATER)
    async with world.running() as replica:
        world.store.down = True
        world.clock.at += 31
        for _ in range(3):
            await replica.look()
        assert not replica.refuses(ADA)
        assert replica.refuses(Credential(token="t9"))
        (line,) = [one.getMessage() for one in caplog.records if one.name == "nexios.auth"]
        assert line == (
            "the list of revocations is 31 s old; what is known of it holds: the database is down"
        )
        world.store.down = False
        await replica.look()
        assert "up to date again" in caplog.text


@pytest.mark.parametrize("required", [True, False])
async def test_a_list_that_was_never_read_is_too_old(
    required: bool, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(required=required)
    world.store.down = True
    async with world.running() as replica:
        assert "was not read yet" in caplog.text
        if required:
            with pytest.raises(Unavailable):
                replica.refuses(ADA)
        else:
            assert not replica.refuses(ADA)


async def test_a_store_that_hangs_counts_as_down() -> None:
    class Hanging(MemoryRevocations):
        async def since(self, sequence: int) -> Deltas:
            raise TimeoutError

    replica = RevocationReplica(required=True)
    async with anyio.create_task_group() as tasks:
        await replica.start(Hanging(), tasks, changed=lambda: None)
        with pytest.raises(Unavailable):
            replica.refuses(ADA)
        tasks.cancel_scope.cancel()


async def test_a_credential_is_over_at_its_end() -> None:
    world = World()
    moment = NOW.timestamp()
    assert world.replica.over(Credential(expires_at=moment))
    assert not world.replica.over(Credential(expires_at=moment + 1))
    assert not world.replica.over(Credential())


async def test_after_a_stop_nothing_is_known() -> None:
    world = World()
    await world.store.token("t1", LATER)
    async with world.running() as replica:
        assert replica.refuses(ADA)
        replica.stop()
        assert not replica.refuses(ADA)


async def test_an_entry_of_the_same_end_is_no_news() -> None:
    class Repeating(MemoryRevocations):
        async def since(self, sequence: int) -> Deltas:
            return Deltas([Revoked(Kind.TOKEN, "t1", LATER)], sequence)

    changes = []
    replica = RevocationReplica()
    async with anyio.create_task_group() as tasks:
        await replica.start(Repeating(), tasks, changed=lambda: changes.append(1))
        await replica.look()
        tasks.cancel_scope.cancel()
    assert changes == [1]
