"""What the port ``AuditTrail`` owes, on every store: exact, complete, and seen when rewritten."""

import random
from dataclasses import replace
from typing import Any

import pytest

from nexios.adapters.persistence.audit import SqlAuditTrail
from nexios.adapters.persistence.changes import replay
from nexios.adapters.persistence.memory_audit import MemoryAuditTrail
from nexios.application import Caller
from nexios.application.audit import BEGINNING, AuditTrail
from nexios.application.keyring import Keyring
from nexios.application.listening import Signals
from nexios.application.signals import AuditSealed
from nexios.domain import DomainError, NotFound
from nexios.testing.places import MemoryPlace, Place, SqlPlace, open_place
from tests.support.shop import MemoryOrders, Order, OrderId, SqlOrders, a_line

pytestmark = pytest.mark.asyncio

KEYS = Keyring(["s" * 32])
ANN = Caller(actor="ann", tenant="acme", correlation="c1", causation="m1")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def place(request: pytest.FixtureRequest) -> Place:
    repository = MemoryOrders if request.param == "memory" else SqlOrders
    return open_place(request.param, repository, request)


def trail_of(place: Place, keys: Keyring | None = KEYS) -> AuditTrail:
    if isinstance(place, MemoryPlace):
        return MemoryAuditTrail(place.store, keys)
    assert isinstance(place, SqlPlace)
    return SqlAuditTrail(place.database, keys)


async def add(place: Place, *orders: Order, caller: Caller = ANN) -> None:
    unit = place.unit(caller)
    repository = place.repository(unit)

    async def work() -> None:
        for order in orders:
            repository.add(order)

    await unit.run(work, name="Ordering.open")


async def alter(place: Place, id: OrderId, *lines: str, number: str | None = None) -> None:
    async def work(orders: Any) -> None:
        order = await orders.get(id)
        for sku in lines:
            order.put(a_line(sku, price="1.2345"))
        order.number = number or order.number

    await place.do(work, name="Ordering.alter")


async def drop(place: Place, id: OrderId) -> None:
    async def work(orders: Any) -> None:
        orders.remove(await orders.get(id))

    await place.do(work)


async def test_a_change_tells_who_what_and_the_very_values(place: Place) -> None:
    trail = trail_of(place)
    async with place:
        order = Order.open("n1")
        order.put(a_line("tea", qty=2))
        order.tags = ["new", "2.5"]
        await add(place, order)
        await alter(place, order.id, number="n2")
        made, changed = await trail.history(f"orders:{order.id}")

        assert (made.version, made.use_case) == (1, "Ordering.open")
        assert (made.actor, made.tenant) == ("ann", "acme")
        assert (made.correlation, made.causation) == ("c1", "m1")
        (row,) = made.diff["orders"]["inserted"]
        assert row["id"] == {"$uuid": str(order.id)}
        assert (row["number"], row["coupon"], row["tags"]) == ("n1", None, ["new", "2.5"])
        (line,) = made.diff["order_lines"]["inserted"]
        assert line["price"] == {"$decimal": "3.50"}

        assert (changed.version, changed.actor) == (2, None)
        assert changed.diff == {
            "orders": {
                "inserted": [],
                "deleted": [],
                "updated": [
                    {
                        "key": {"id": {"$uuid": str(order.id)}},
                        "before": {"number": "n1"},
                        "after": {"number": "n2"},
                    }
                ],
            }
        }


async def test_what_is_not_committed_is_not_in_the_trail(place: Place) -> None:
    async with place:
        order = Order.open("n1")
        await add(place, order)

        async def fail(orders: Any) -> None:
            (await orders.get(order.id)).number = "n2"
            orders.add(Order.open("n3"))
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await place.do(fail)
        with pytest.raises(DomainError):
            await add(place, Order.open("n4"), Order.open("n1"))
        assert len(await trail_of(place).history()) == 1


async def test_a_use_case_that_only_read_leaves_nothing(place: Place) -> None:
    async with place:
        order = Order.open("n1")
        await add(place, order)
        await alter(place, order.id)
        assert len(await trail_of(place).history()) == 1


async def test_an_event_alone_is_a_change_of_the_version(place: Place) -> None:
    async with place:
        order = Order.open("n1")
        await add(place, order)

        async def note(orders: Any) -> None:
            (await orders.get(order.id)).note("seen")

        await place.do(note)
        _, noted = await trail_of(place).history()
        assert (noted.version, noted.diff) == (2, {})
        await assert_replays(place)


async def test_one_that_was_removed_may_come_again(place: Place) -> None:
    async with place:
        order = Order.open("n1")
        await add(place, order)
        await drop(place, order.id)
        assert (await place.rows())["orders"] == []
        await assert_replays(place)
        await add(place, replace(order, version=0))
        found = await trail_of(place).history(f"orders:{order.id}")
        assert [one.version for one in found] == [1, 2, 1]
        assert [one.id for one in found] == sorted(one.id for one in found)
        await assert_replays(place)


async def test_pages_of_the_trail_follow_each_other(place: Place) -> None:
    async with place:
        await add(place, *(Order.open(f"n{n}") for n in range(5)))
        trail = trail_of(place)
        seen: list[int] = []
        while part := await trail.history(after=seen[-1] if seen else 0, limit=2):
            assert len(part) <= 2
            seen += [one.id for one in part]
        assert len(seen) == 5
        assert seen == sorted(seen)


@pytest.mark.parametrize("seed", [1, 2])
async def test_random_work_replayed_from_nothing_gives_the_very_tables(
    place: Place, seed: int
) -> None:
    chance = random.Random(seed)
    async with place:
        known: list[OrderId] = []

        async def step(orders: Any) -> None:
            for _ in range(chance.randint(1, 3)):
                kind = chance.randrange(6)
                if kind < 2 or not known:
                    order = Order.open(f"n{chance.randrange(60)}")
                    order.put(a_line(f"s{chance.randrange(4)}"))
                    orders.add(order)
                    known.append(order.id)
                    continue
                order = await orders.get(chance.choice(known))
                if kind == 2:
                    orders.remove(order)
                    continue
                order.put(a_line(f"s{chance.randrange(4)}", qty=chance.randint(1, 9)))
                order.take_out(f"s{chance.randrange(4)}")
                order.coupon = chance.choice([None, "ten"])
                order.tags.append("x")
            if chance.random() < 0.2:
                raise ZeroDivisionError

        failed = 0
        for _ in range(80):
            try:
                await place.do(step)
            except (ZeroDivisionError, DomainError, NotFound):
                failed += 1
        assert 10 < failed < 70
        await assert_replays(place)


async def assert_replays(place: Place) -> None:
    changes = await trail_of(place).history(limit=10_000)
    rebuilt = replay(changes, place.mapper.tables)
    stored = await place.rows()
    for name, rows in stored.items():
        assert sorted(rebuilt[name], key=str) == sorted(rows, key=str)
    assert rebuilt.keys() == stored.keys()


async def test_seals_follow_each_other_and_hold(place: Place) -> None:
    async with place:
        trail = trail_of(place)
        heard: list[AuditSealed] = []
        signals = Signals()
        signals.on(AuditSealed, heard.append)
        trail.tell_to(signals)  # type: ignore[attr-defined]  # beside the port: who tells has it
        assert await trail.seal() is None
        assert (await trail.verify()).intact
        await add(place, Order.open("n1"), Order.open("n2"))
        first = await trail.seal()
        assert first is not None
        assert (first.number, first.rows, first.previous) == (1, 2, BEGINNING)
        assert await trail.seal() is None
        await add(place, Order.open("n3"))
        second = await trail.seal()
        assert second is not None
        assert (second.number, second.rows, second.previous) == (2, 1, first.digest)
        assert second.first == first.last + 1
        verdict = await trail.verify(known=second.digest)
        assert verdict.intact
        assert (verdict.seals, verdict.rows) == (2, 3)
        assert heard == [AuditSealed(1, 2), AuditSealed(2, 1)]


async def sealed(place: Place) -> AuditTrail:
    trail = trail_of(place)
    for n in range(3):
        await add(place, Order.open(f"a{n}"), Order.open(f"b{n}"))
        assert await trail.seal() is not None
    return trail


SQL = {
    "changed": ["UPDATE nx_audit SET actor = 'bob' WHERE id = 4"],
    "deleted": ["DELETE FROM nx_audit WHERE id = 4"],
    # Among those of the last seal, by the number of their transaction or their own.
    "added": [
        (
            "INSERT INTO nx_audit (id, stream, version, use_case, at, diff, xact)"
            " SELECT 7, stream, version, use_case, at, diff, xact FROM nx_audit WHERE id = 6"
        ),
        "UPDATE nx_seal SET last = 7 WHERE n = 3 AND last < 7",
    ],
    "seal gone": ["DELETE FROM nx_seal WHERE n = 2"],
    "tail cut": ["DELETE FROM nx_seal WHERE n > 2", "DELETE FROM nx_audit WHERE id > 4"],
}


async def tamper(place: Place, how: str) -> None:
    if isinstance(place, SqlPlace):
        for statement in SQL[how]:
            await place.database.execute(statement)
        return
    assert isinstance(place, MemoryPlace)
    audit, seals = place.store.audit, place.store.seals
    match how:
        case "changed":
            audit[3] = replace(audit[3], actor="bob")
        case "deleted":
            del audit[3]
        case "added":
            audit.append(replace(audit[5], id=7))
        case "seal gone":
            del seals[1]
        case "tail cut":
            del seals[2:], audit[4:]


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("changed", "a change that seal 2 covers is not as it was"),
        ("deleted", "seal 2 covers 2 changes, 1 are there"),
        ("added", "changes, 3 are there"),
        ("seal gone", "seal 2 is missing"),
    ],
)
async def test_rewriting_shows_at_its_seal(place: Place, how: str, says: str) -> None:
    async with place:
        trail = await sealed(place)
        await tamper(place, how)
        verdict = await trail.verify()
        assert not verdict.intact
        assert says in verdict.reason
        assert verdict.broken is not None


async def test_a_cut_tail_shows_to_who_kept_the_last_digest(place: Place) -> None:
    async with place:
        trail = await sealed(place)
        await add(place, Order.open("z"))
        last = await trail.seal()
        assert last is not None
        await tamper(place, "tail cut")
        verdict = await trail.verify(known=last.digest)
        assert not verdict.intact


async def test_who_has_not_the_key_cannot_seal(place: Place) -> None:
    async with place:
        await sealed(place)
        await add(place, Order.open("z"))
        assert await trail_of(place, Keyring(["x" * 32])).seal() is not None
        verdict = await trail_of(place).verify()
        assert verdict.reason == "seal 4 was not made with one of the keys"
        assert verdict.seals == 3
        # A key that was replaced still verifies.
        both = Keyring(["x" * 32, *KEYS.all])
        assert (await trail_of(place, both).verify()).intact
