"""What the port ``Idempotency`` owes, on every store: one effect for each key."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from nexios.application import ApplicationService, Caller, KeyReused, transactional
from nexios.application.unit_of_work import UnitOfWork
from nexios.domain import AlreadyExists, RuleViolated
from nexios.testing.places import MemoryPlace, Place, SqlPlace, open_place
from tests.support.shop import MemoryOrders, Money, Order, OrderId, SqlOrders, a_line

pytestmark = pytest.mark.asyncio

KEY = Caller(actor="ann", tenant="acme", idempotency_key="k1")


class Opening(ApplicationService):
    def __init__(self, place: Place, caller: Caller = KEY) -> None:
        unit = place.unit(caller)
        self.uow: UnitOfWork = unit
        self.orders: Any = place.repository(unit)
        self.ran = 0
        self.entered = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    @transactional(once=True)
    async def open(self, number: str, price: Decimal = Decimal("1.00")) -> OrderId:
        self.ran += 1
        order = Order.open(number)
        order.put(a_line(price=str(price)))
        self.orders.add(order)
        self.entered.set()
        await self.go_on.wait()
        return order.id

    @transactional(once=True)
    async def count(self, number: str) -> tuple[Money, int | None]:
        self.ran += 1
        self.orders.add(Order.open(number))
        return Money(Decimal("2.50")), None

    @transactional(once=True)
    async def nothing(self) -> None:
        self.ran += 1

    @transactional(once=True)
    async def refused(self, number: str) -> None:
        self.ran += 1
        self.orders.add(Order.open(number))
        if self.ran == 1:
            raise RuleViolated("not today")

    @transactional
    async def outer(self, number: str) -> OrderId:
        return await self.open(number)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def place(request: pytest.FixtureRequest) -> Place:
    repository = MemoryOrders if request.param == "memory" else SqlOrders
    return open_place(request.param, repository, request)


async def orders(place: Place) -> int:
    return len((await place.rows())["orders"])


async def test_the_same_key_has_one_effect_and_the_same_answer(place: Place) -> None:
    async with place:
        first, second = Opening(place), Opening(place)
        made = await first.open("n1")
        assert await second.open("n1") == made
        assert type(made) is OrderId
        assert (first.ran, second.ran, await orders(place)) == (1, 0, 1)


async def test_results_come_back_in_their_types(place: Place) -> None:
    async with place:
        first = await Opening(place).count("n1")
        assert first == (Money(Decimal("2.50")), None)
        assert await Opening(place).count("n1") == first
        await Opening(place).nothing()
        again = Opening(place)
        await again.nothing()
        assert again.ran == 0


async def test_another_argument_under_the_same_key_is_refused(place: Place) -> None:
    async with place:
        await Opening(place).open("n1")
        for arguments in (("n2",), ("n1", Decimal("1.0"))):
            with pytest.raises(KeyReused):
                await Opening(place).open(*arguments)
        # However it is written: the same call.
        await Opening(place).open(price=Decimal("1.00"), number="n1")
        assert await orders(place) == 1


@pytest.mark.parametrize(
    "other",
    [
        Caller(actor="bob", tenant="acme", idempotency_key="k1"),
        Caller(actor="ann", tenant="other", idempotency_key="k1"),
        Caller(actor="ann", tenant="acme", idempotency_key="k2"),
    ],
    ids=["actor", "tenant", "key"],
)
async def test_a_key_belongs_to_its_tenant_actor_and_text(place: Place, other: Caller) -> None:
    async with place:
        await Opening(place).open("n1")
        mine = Opening(place, other)
        await mine.open("n2")
        assert (mine.ran, await orders(place)) == (1, 2)


async def test_a_key_belongs_to_its_use_case(place: Place) -> None:
    async with place:
        await Opening(place).open("n1")
        await Opening(place).count("n2")
        assert await orders(place) == 2


async def test_without_a_key_nothing_is_kept(place: Place) -> None:
    async with place:
        nobody = Caller(actor="ann")
        await Opening(place, nobody).open("n1")
        with pytest.raises(AlreadyExists):
            await Opening(place, nobody).open("n1")


async def test_what_failed_is_done_when_it_comes_again(place: Place) -> None:
    async with place:
        service = Opening(place)
        with pytest.raises(RuleViolated):
            await service.refused("n1")
        assert await orders(place) == 0
        await service.refused("n1")
        assert (service.ran, await orders(place)) == (2, 1)


async def test_a_joined_use_case_is_part_of_the_outer_attempt(place: Place) -> None:
    async with place:
        await Opening(place).outer("n1")
        with pytest.raises(AlreadyExists):
            await Opening(place).outer("n1")


async def test_five_at_once_are_one_effect_and_four_replays(place: Place) -> None:
    async with place:
        services = [Opening(place) for _ in range(5)]
        answers = await asyncio.gather(*(one.open("n1") for one in services))
        assert len(set(answers)) == 1
        # One may be tried again by its store; the effect is one.
        assert await orders(place) == 1
        assert sum(one.ran > 0 for one in services) == 1


async def test_who_waits_for_a_first_that_dies_does_the_work(place: Place) -> None:
    async with place:
        first, second = Opening(place), Opening(place)
        first.go_on.clear()
        winner = asyncio.ensure_future(first.open("n1"))
        await first.entered.wait()
        waiter = asyncio.ensure_future(second.open("n1"))
        # It cannot get anywhere before the first has ended.
        done, _ = await asyncio.wait({waiter}, timeout=0.2)
        assert not done
        assert second.ran == 0
        winner.cancel()
        with pytest.raises(asyncio.CancelledError):
            await winner
        await waiter
        assert (second.ran, await orders(place)) == (1, 1)


async def test_an_expired_key_was_never_seen(place: Place) -> None:
    async with place:
        first = await Opening(place).open("n1")
        await grow_old(place)
        assert await Opening(place).open("n2") != first
        assert await orders(place) == 2
        assert await kept(place) == 1


async def test_expired_keys_are_deleted_along_with_a_new_one(place: Place) -> None:
    async with place:
        if isinstance(place, SqlPlace):
            plant = (
                "INSERT INTO nx_idempotency (key, use_case, fingerprint, at) VALUES (?, ?, ?, ?)"
            )
            old = datetime.now(UTC) - timedelta(hours=25)
            for n in range(3):
                await place.database.execute(plant, [bytes([n]), "old", b"", old])
        else:
            for n in range(3):
                await Opening(place, Caller(idempotency_key=f"old{n}")).open(f"n{n}")
            await grow_old(place)
        await Opening(place).open("n9")
        assert await kept(place) == 1


async def grow_old(place: Place) -> None:
    if isinstance(place, MemoryPlace):
        place.later_s += 25 * 3600
        return
    assert isinstance(place, SqlPlace)
    old = datetime.now(UTC) - timedelta(hours=25)
    await place.database.execute("UPDATE nx_idempotency SET at = ?", [old])


async def kept(place: Place) -> int:
    if isinstance(place, MemoryPlace):
        return len(place.store.keys)
    assert isinstance(place, SqlPlace)
    return int(str(await place.database.fetch_value("SELECT count(*) AS n FROM nx_idempotency")))


async def test_an_answer_without_json_form_is_refused_before_the_work(place: Place) -> None:
    class Odd(Opening):
        @transactional(once=True)
        async def odd(self, number: str) -> Order:
            self.ran += 1
            return Order.open(number)

    async with place:
        for caller in (KEY, Caller()):
            service = Odd(place, caller)
            with pytest.raises(Exception, match="is once=True, and its result"):
                await service.odd("n1")
            assert service.ran == 0
