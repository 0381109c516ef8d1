"""Events of other services: each has its effect once, and poison stops nobody else."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

import anyio
import pytest

from nexios import MakeConfig, Module, NexiosApp, Scope
from nexios.adapters.messaging.memory_broker import MemoryBroker
from nexios.adapters.messaging.redis_broker import RedisBroker
from nexios.adapters.persistence import Database, SqlUnitOfWork, create_tables
from nexios.adapters.persistence.inbox import SqlInbox
from nexios.application import ApplicationService, Caller, UnitOfWork
from nexios.application.broker import EventBroker, Outgoing
from nexios.application.events import Envelope
from nexios.application.from_broker import from_broker
from nexios.application.inbox import Inbox
from nexios.consuming import DuplicateReceiver, NoBroker
from nexios.delivering import NothingToDeliver
from nexios.domain import DomainEvent

pytestmark = pytest.mark.asyncio

PAID = "billing.invoice-paid"


class InvoicePaid(DomainEvent, name=PAID, version=2):
    number: int
    currency: str

    @classmethod
    def upgrade(cls, version: int, payload: dict[str, Any]) -> dict[str, Any]:
        return {**payload, "currency": "EUR"}


class Ledger(Protocol):
    async def book(self, number: int, currency: str, event: str) -> None: ...


class SqlLedger:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def book(self, number: int, currency: str, event: str) -> None:
        await self._database.execute(
            "INSERT INTO booked (number, currency, event) VALUES (?, ?, ?)",
            [number, currency, event],
        )


class Books(ApplicationService):
    """Books each invoice in a table; ``fails`` says how often a number fails first."""

    def __init__(self, uow: UnitOfWork, ledger: Ledger, fails: "Fails") -> None:
        self.uow = uow
        self._ledger = ledger
        self._fails = fails

    @from_broker(PAID, version=2, consumer="books", attempts=3)
    async def book(self, event: InvoicePaid, envelope: Envelope) -> None:
        await self._ledger.book(event.number, event.currency, str(envelope.id))
        if self._fails.left.get(event.number, 0) > 0:
            self._fails.left[event.number] -= 1
            raise LookupError("after the row was written")


class Fails:
    def __init__(self) -> None:
        self.left: dict[int, int] = {}


def paid(number: int, *, key: str = "a", id: UUID | None = None, version: int = 2) -> Outgoing:
    payload: dict[str, Any] = {"number": number}
    if version == 2:
        payload["currency"] = "CHF"
    now = datetime.now(UTC)
    return Outgoing(id or uuid4(), PAID, version, key, now, payload, {"actor": "ada"})


def house(
    database: Database, broker: EventBroker | None, fails: Fails, *, consume: bool = True
) -> NexiosApp:
    module = Module("shop")
    module.bind(Database).value(database)
    if broker is not None:
        module.bind(EventBroker).value(broker)
    module.bind(Fails).value(fails)
    module.bind(SqlUnitOfWork)
    module.bind(UnitOfWork).alias(SqlUnitOfWork)
    module.bind(Inbox, scope=Scope.REQUEST).to(SqlInbox)
    module.bind(Ledger).to(SqlLedger)
    module.bind(Books)
    module.export(*([EventBroker] if broker is not None else []))
    return NexiosApp(MakeConfig(events={"consume": consume}), module)


@pytest.fixture(params=["memory", "redis"])
def broker(request: pytest.FixtureRequest) -> Any:
    if request.param == "memory":
        return MemoryBroker()
    url = request.getfixturevalue("nexios_redis")
    return RedisBroker(url, source="/billing", prefix=f"t{secrets.token_hex(6)}")


@asynccontextmanager
async def working(
    folder: Path, broker: EventBroker, fails: Fails | None = None
) -> AsyncIterator[Callable[[int], Any]]:
    async with Database(f"sqlite:///{folder}/books.db") as database, AsyncExitStack() as opened:
        if isinstance(broker, RedisBroker):
            await opened.enter_async_context(broker)
        await create_tables(database)
        await database.execute("CREATE TABLE IF NOT EXISTS booked (number, currency, event)")
        app = house(database, broker, fails or Fails())
        async with app.working():

            async def booked(count: int) -> list[tuple[int, str]]:
                with anyio.fail_after(30):
                    while True:
                        rows = await database.fetch_all("SELECT * FROM booked ORDER BY rowid")
                        if len(rows) >= count:
                            return [(row["number"], row["currency"]) for row in rows]
                        await anyio.sleep(0.02)

            yield booked


async def test_an_event_delivered_twice_takes_effect_once(tmp_path: Path, broker: Any) -> None:
    first = paid(1)
    async with working(tmp_path, broker) as booked:
        await broker.publish(first)
        assert await booked(1) == [(1, "CHF")]
    # The same event once more, as after a lost acknowledgement: to another consumer's name
    # of the broker it would be new, to the inbox it is not.
    again = MemoryBroker()
    async with working(tmp_path, again) as booked:
        await again.publish(first)
        await again.publish(paid(2))
        assert await booked(2) == [(1, "CHF"), (2, "CHF")]


async def test_order_of_a_key_holds_while_one_is_tried_again(tmp_path: Path, broker: Any) -> None:
    fails = Fails()
    fails.left[1] = 2
    async with working(tmp_path, broker, fails) as booked:
        for number in (1, 2, 3):
            await broker.publish(paid(number))
        assert [number for number, _ in await booked(3)] == [1, 2, 3]
    assert fails.left[1] == 0


async def test_poison_is_buried_and_redriven_while_others_go_on(
    tmp_path: Path, broker: Any
) -> None:
    fails = Fails()
    fails.left[1] = 3
    async with working(tmp_path, broker, fails) as booked:
        await broker.publish(paid(1))
        await broker.publish(paid(2))
        assert await booked(1) == [(2, "CHF")]
        (buried,) = await broker.buried("books")
        assert (buried.event.payload["number"], buried.reason) == (1, "LookupError in attempt 3")
        assert await broker.redrive("books") == 1
        assert await booked(2) == [(2, "CHF"), (1, "CHF")]


async def test_older_versions_are_lifted_and_newer_ones_set_aside(
    tmp_path: Path, broker: Any
) -> None:
    async with working(tmp_path, broker) as booked:
        await broker.publish(paid(1, version=3))
        await broker.publish(paid(2, version=1))
        assert await booked(1) == [(2, "EUR")]
        (buried,) = await broker.buried("books")
        assert buried.reason.startswith("it cannot be read")


async def test_the_caller_is_who_caused_the_event(tmp_path: Path) -> None:
    seen: list[Caller] = []

    class Asks(ApplicationService):
        def __init__(self, uow: UnitOfWork, caller: Caller) -> None:
            self.uow = uow
            seen.append(caller)

        @from_broker(PAID, version=2)
        async def hear(self, event: InvoicePaid, envelope: Envelope) -> None:
            done.set()

    done, broker = anyio.Event(), MemoryBroker()
    async with Database("sqlite://") as database:
        await create_tables(database)
        module = Module("shop")
        module.bind(Database).value(database)
        module.bind(EventBroker).value(broker)
        module.bind(SqlUnitOfWork)
        module.bind(UnitOfWork).alias(SqlUnitOfWork)
        module.bind(Inbox, scope=Scope.REQUEST).to(SqlInbox)
        module.bind(Asks)
        event = paid(1)
        async with NexiosApp(module.export(EventBroker)).working():
            await broker.publish(event)
            with anyio.fail_after(10):
                await done.wait()
    assert (seen[0].actor, seen[0].causation) == ("ada", str(event.id))


async def test_without_a_broker_it_does_not_start() -> None:
    async with Database("sqlite://") as database:
        with pytest.raises(NoBroker, match=r"fix: module\.bind\(EventBroker\)"):
            async with house(database, None, Fails()).working():
                raise AssertionError("it started")


async def test_two_handlers_of_one_name_are_refused() -> None:
    class Twin(Books):
        pass

    module = Module("shop")
    module.bind(Books)
    module.bind(Twin)
    with pytest.raises(DuplicateReceiver, match="books"):
        async with NexiosApp(module).working():
            raise AssertionError("it started")


async def test_a_handler_of_another_version_is_refused_when_it_is_bound() -> None:
    class Old(ApplicationService):
        @from_broker(PAID, version=1)
        async def hear(self, event: InvoicePaid, envelope: Envelope) -> None: ...

    module = Module("shop")
    module.bind(Old)
    with pytest.raises(TypeError, match="fix: version=2"):
        async with NexiosApp(module).working():
            raise AssertionError("it started")


async def test_a_worker_with_nothing_at_all_says_both_ways() -> None:
    with pytest.raises(NothingToDeliver):
        async with NexiosApp().working():
            raise AssertionError("it started")
